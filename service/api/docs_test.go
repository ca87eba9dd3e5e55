package api_test

import (
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The commands of docs/api.md, run in its order, answer what stands below them.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	d := open(t)
	d.join("ann", "room:7")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```json\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 7 || len(blocks) != strings.Count(string(page), "```sh") || len(blocks) != strings.Count(string(page), "```json") {
		t.Fatalf("%d commands with their answers", len(blocks))
	}
	for _, block := range blocks {
		sh := exec.CommandContext(t.Context(), "sh", "-c", block[1])
		sh.Env = append(os.Environ(), "URL="+d.url, "KEY="+key, "no_proxy=*")
		answer, err := sh.Output()
		if err != nil {
			t.Fatalf("%s: %v", block[1], err)
		}
		if !reflect.DeepEqual(settled(t, string(answer)), settled(t, block[2])) {
			t.Errorf("%s answers %s", block[1], answer)
		}
	}
}

// The table of errors in docs/api.md has every status and every code of the description.
func TestPageErrors(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| ([^|]+) \\| `([a-z-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		for status := range strings.SplitSeq(m[1], ", ") {
			rows[status+" "+m[2]] = m[2]
		}
	}
	codes := map[string]bool{}
	for row, code := range rows {
		codes[code] = true
		status, _, _ := strings.Cut(row, " ")
		documented := status == "405" || status == "in"
		for _, what := range described().documented() {
			documented = documented || strings.HasSuffix(what, " "+status)
		}
		if !documented {
			t.Errorf("the page has %s, the description has not", row)
		}
	}
	for _, what := range described().documented() {
		status := what[len(what)-3:]
		found := status == "200"
		for row := range rows {
			found = found || strings.HasPrefix(row, status+" ")
		}
		if !found {
			t.Errorf("the description has %s, the page has not", what)
		}
	}
	for _, code := range described().doc.Components.Schemas["Error"].Value.Properties["code"].Value.Enum {
		if !codes[code.(string)] {
			t.Errorf("the page lacks %s", code)
		}
	}
}
