package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// maxSize is what the binary may have in bytes, without its tables for debuggers. docs/dependencies.md says what weighs what.
const maxSize = 30 << 20

// TestSize builds the binary as releases are, but for flags that would have everything compiled anew: with them it is
// a hundred thousand bytes smaller.
func TestSize(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "tidewire")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tidewire has %d bytes", info.Size())
	if info.Size() >= maxSize {
		t.Errorf("tidewire has %d bytes and must have less than %d: see \"What the binary weighs\" in docs/dependencies.md", info.Size(), maxSize)
	}
}
