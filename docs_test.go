package tidewire_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The table of defaults in the docs says what the code does.
func TestDefaultsTable(t *testing.T) {
	page, err := os.ReadFile("docs/websocket.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]+) \\|").FindAllStringSubmatch(string(page), -1) {
		rows[m[1]] = m[2]
	}
	source := map[string]string{}
	for _, name := range []string{"ws/options.go", "ws/budget.go", "ws/head.go", "ws/server.go"} {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^(?:const|)\s*default(\w+)\s*= ([^\n]+)$`).FindAllStringSubmatch(string(src), -1) {
			source[m[1]] = strings.TrimSpace(m[2])
		}
	}
	delete(source, "Settings")
	words := map[string]string{
		"1 << 20": "1 MiB", "1 << 30": "1 GiB", "30 * time.Second": "30 s", "60 * time.Second": "60 s",
		"5 * time.Second": "5 s", "10 * time.Second": "10 s", "8 << 10": "8 KiB", "4096": "4096", "25 * time.Second": "25 s", "2": "2", "1000": "1000",
	}
	if len(source) < 13 {
		t.Fatalf("found only %d defaults in the source: %v", len(source), source)
	}
	for name, value := range source {
		word, ok := words[value]
		if !ok {
			t.Errorf("default%s = %s: add its words to this test", name, value)
		}
		if !strings.HasPrefix(rows[name]+" ", word) {
			t.Errorf("docs/websocket.md says %q of %s, the source %s", rows[name], name, value)
		}
	}
}

// TestLivePage looks up each line of each Go block of docs/live.md, in its order, in the examples that are compiled.
func TestLivePage(t *testing.T) {
	page, err := os.ReadFile("docs/live.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("live/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	flat := func(s string) string {
		lines := strings.Split(strings.TrimSpace(s), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		return "\n" + strings.Join(lines, "\n") + "\n"
	}
	blocks := goBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 8 || len(blocks) != strings.Count(string(page), "```go") {
		t.Fatalf("found %d Go blocks", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(flat(string(examples)), flat(block[1])) {
			t.Errorf("not in live/example_test.go:\n%s", block[1])
		}
	}
}
