package metrics_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/service/metrics"
)

// family is a metric as the registry has it.
type family struct{ typ, labels string }

// families are all metrics of a hub where everything has happened.
func families(t *testing.T) map[string]family {
	all := map[string]family{}
	synctest.Test(t, func(t *testing.T) {
		gathered, err := busy(t, metrics.Options{Types: []string{"say"}}).m.Gatherer().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range gathered {
			var labels []string
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels = append(labels, l.GetName())
			}
			if f.GetHelp() == "" {
				t.Errorf("%s has no help", f.GetName())
			}
			all[f.GetName()] = family{strings.ToLower(f.GetType().String()), strings.Join(slices.Sorted(slices.Values(labels)), ",")}
		}
	})
	return all
}

// The page has each metric, its type and its labels, and no other.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]family{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tidewire_\\w+)` \\| (\\w+) \\| ([^|]*) ?\\|").FindAllStringSubmatch(string(page), -1) {
		var labels []string
		for _, l := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(m[3], -1) {
			labels = append(labels, l[1])
		}
		documented[m[1]] = family{m[2], strings.Join(slices.Sorted(slices.Values(labels)), ",")}
	}
	have := families(t)
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if strings.HasPrefix(name, "tidewire_") && documented[name] != have[name] {
			t.Errorf("%s is %v, the page says %v", name, have[name], documented[name])
		}
	}
	for name := range documented {
		if _, ok := have[name]; !ok {
			t.Errorf("%s is on the page alone", name)
		}
	}
}

// The page's program is the one that is compiled.
func TestPageProgram(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "```go\n")
	code, _, _ = strings.Cut(code, "```")
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(code) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " // ")
		if !strings.Contains(string(example), line) {
			t.Errorf("not in example_test.go: %s", line)
		}
	}
}
