package tidewire_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// linkTarget finds the address in [text](address#part).
var linkTarget = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)]*)?\)`)

// TestLinks follows each link of our pages that leads into this repository.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, page := range append(pages, more...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range linkTarget.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") || strings.HasPrefix(link[1], "mailto:") {
				continue
			}
			checked++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, link[1])
			}
		}
	}
	if checked == 0 {
		t.Error("found no link into the repository: has the pattern changed?")
	}
}
