package tidewire_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDeployPage compares the configurations that docs/operations.md shows with the files of deploy/, which tests of
// cmd/tidewire run.
func TestDeployPage(t *testing.T) {
	page, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, block := range regexp.MustCompile("(?ms)^```(?:nginx|haproxy|caddy)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		shown = append(shown, block[1])
	}
	files := []string{"nginx.conf", "haproxy.cfg", "Caddyfile"}
	if len(shown) != len(files) {
		t.Fatalf("the page shows %d configurations, want %d", len(shown), len(files))
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join("deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(shown, string(text)) {
			t.Errorf("docs/operations.md does not show deploy/%s as it is", name)
		}
		// What is waited for is longer than the pings that the page speaks of, twice.
		if !strings.Contains(string(text), "60s") {
			t.Errorf("deploy/%s waits for another time than the page says", name)
		}
	}
}
