package tidewire_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// scratchModule makes a module outside the checkout that takes this one from the checkout, and returns its folder.
// It holds the files given, by name. This is what somebody has who uses the library.
func scratchModule(t *testing.T, files map[string]string) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// The sums are those that the checkout was verified with, so that the scratch module asks no other authority.
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("go.sum", string(sums))
	write("go.mod", "module scratch.example\n\ngo 1.26.0\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+filepath.ToSlash(root)+"\n")
	for name, content := range files {
		write(name, content)
	}
	return dir
}

// goCommand runs the go command in dir, where it may mend go.mod, and returns what it printed.
func goCommand(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return string(out)
}
