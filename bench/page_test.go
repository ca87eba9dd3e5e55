package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/bench/servers"
)

// made is a table with figures that are easily reckoned with: 1 µs for the first server, 2 µs for the second.
func made(t *testing.T, name string, names ...string) *table {
	t.Helper()
	for _, w := range slices.Concat(workloads(), liveWorkloads()) {
		if w.name != name {
			continue
		}
		made := &table{workload: w}
		for i, n := range names {
			s, ok := servers.Find(n)
			if !ok {
				t.Fatalf("there is no server %s", n)
			}
			v := float64(i + 1)
			made.cells = append(made.cells, &cell{server: s, samples: []sample{
				{CPU: v / 1e6, Rate: 1000, P50: 1e-4, P99: 2e-2, Open: 100 * v, Used: 200 * v, Collected: 50 * v},
				{CPU: v / 1e6, Rate: 1000, P50: 1e-4, P99: 2e-2, Counted: true, Reads: 1, Writes: 0.5, Calls: 2, Open: 100 * v, Used: 200 * v, Collected: 50 * v},
			}})
		}
		return made
	}
	t.Fatalf("there is no workload %s", name)
	return nil
}

func TestPage(t *testing.T) {
	folder := t.TempDir()
	names := []string{"floor-conn", "bun", "gorilla", "ours", "gobwas", "floor-raw"}
	if _, ok := servers.Find("floor-epoll"); ok {
		names[0] = "floor-epoll"
	}
	tables := []*table{made(t, "echo-64", names...), made(t, "echo-10000", names...), made(t, "idle-1000", names...), made(t, "idle-19500", names...)}
	tables[0].cells = append(tables[0].cells, &cell{server: servers.All()[1], failed: errors.New("it broke")})
	err := writePage(folder, "benchmarks.md", page{Command: "make bench", Problems: []string{"it broke"}, ReadWrite: microTable([]microResult{{name: "none"}})}, tables)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| **Tidewire** | 4.00 | 0% | 4.00 | 2.00 | 1.00 | 0.50 | 2.00 | 1000 | 100µs | 20ms |",
		"| **4.00**, 4.00 × floor, 2.00 × best |", "2.00, Bun (uWebSockets)", "- it broke",
		"| **Tidewire** | 400 | 800 | 200 | 4.00 | 2.00 |",
		"| Tidewire | 4.00 | 4.00 | 1.00 | 1.00 |", "| none | failed |",
	} {
		if names[0] != "floor-epoll" && strings.Contains(want, "floor") {
			continue
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	charts, err := filepath.Glob(filepath.Join(folder, "benchmarks", "*.svg"))
	if err != nil || len(charts) != 5 {
		t.Errorf("charts: %v, %v", charts, err)
	}
	for _, name := range charts {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(f); err == nil; _, err = d.Token() {
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}

// The page of live tells both of our servers, and by how much stalled readers moved the others.
func TestLivePage(t *testing.T) {
	folder := t.TempDir()
	tables := []*table{made(t, "live-1-flat", "live", "live-history", "gorilla-hub", "melody"), made(t, "live-stall", "live", "melody")}
	for _, c := range tables[1].cells {
		for i := range c.samples {
			c.samples[i].Stalled, c.samples[i].Calm, c.samples[i].Moved = 3e-2, 2e-2, 1.5
		}
	}
	if err := writePage(folder, "benchmarks-live.md", page{Command: "make bench-live"}, tables); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "benchmarks-live.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"`make bench-live`", "| **1.00**, 0.33 × | **2.00**, 0.67 × | 3.00, gorilla/websocket, a hub by hand | CPU µs per delivery |",
		"| **Tidewire live** | 1.00 | 0% | 0.33 | 1.00 | 0.50 | 2.00 | 1000 | 100µs | 20ms |",
		"| p99, 10 stalled | p99, none | moved |", "| 20ms | 30ms | 20ms | +50% |", "benchmarks/live-stall.svg",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// A workload that nothing was measured at is left out.
func TestEmptyPage(t *testing.T) {
	folder := t.TempDir()
	empty := made(t, "echo-64")
	if err := writePage(folder, "benchmarks.md", page{}, []*table{empty}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := empty.print(&out); err != nil {
		t.Error(err)
	}
	printSummary(&out, []*table{empty})
}
