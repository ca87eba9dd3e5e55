package tidewire_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// TestReadmePrograms compiles every Go block of README.md as the program that a reader would make of it.
func TestReadmePrograms(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := goBlock.FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != strings.Count(string(readme), "```go\n") || len(blocks) == 0 {
		t.Fatalf("found %d Go blocks in README.md", len(blocks))
	}
	for _, block := range blocks {
		dir := scratchModule(t, map[string]string{"main.go": block[1]})
		goCommand(t, dir, "mod", "tidy")
		goCommand(t, dir, "vet", "./...")
		goCommand(t, dir, "build", "-o", os.DevNull, "./...")
	}
}
