package token_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPage looks up each line of each Go block of docs/authentication.md in the example, which is compiled.
func TestPage(t *testing.T) {
	page := string(must(os.ReadFile("../../docs/authentication.md")))
	example := string(must(os.ReadFile("example_test.go")))
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	if len(blocks) < 2 {
		t.Fatalf("found %d blocks", len(blocks))
	}
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			if !strings.Contains(example, line) {
				t.Errorf("no line of the example: %s", line)
			}
		}
	}
}
