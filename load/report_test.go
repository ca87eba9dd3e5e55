package load_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/load"
)

// measured is a report whose seconds have these rates and latencies.
func measured(rates ...int64) *load.Report {
	r := &load.Report{
		Start: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC), Scenario: load.Echo, URL: "ws://h/</script><script>alert(1)</script>", Connections: 64, Depth: 1,
		Sizes: load.Sizes{{125, 1}}, Seconds: float64(len(rates)), Cores: 2, CPU: 1, Opened: 64,
		Latency: load.Latency{Count: 10, P50: 1_500_000, Curve: []load.Quantile{{0, 1000}, {50, 1_500_000}, {100, 2_000_000}}},
	}
	r.Windows = append(r.Windows, load.Window{At: 1, Seconds: 1, Warmup: true, Received: 1, P50: 1})
	for i, n := range rates {
		r.Received += n
		r.Windows = append(r.Windows, load.Window{At: float64(i + 2), Seconds: 1, Received: n, P50: 1e9 / n, P99: 2e9 / n, Max: 1e9, CPU: 0.5, Open: 64})
	}
	return r
}

func TestCompare(t *testing.T) {
	find := func(changes []load.Change, name string) load.Change {
		t.Helper()
		for _, c := range changes {
			if c.Name == name {
				return c
			}
		}
		t.Fatalf("no %s in %v", name, changes)
		return load.Change{}
	}
	a := measured(1000, 1010, 990, 1000, 1005)
	for name, tc := range map[string]struct {
		b             *load.Report
		moved, better bool
	}{
		"the same":          {measured(1001, 1009, 995, 1000, 1002), false, false},
		"more":              {measured(1200, 1210, 1190, 1205, 1195), true, true},
		"less":              {measured(800, 810, 790, 805, 795), true, false},
		"more, but scatter": {measured(600, 1800, 900, 1500, 1300), false, false},
	} {
		changes, differences := load.Compare(a, tc.b)
		if len(differences) != 0 {
			t.Errorf("%s: %v", name, differences)
		}
		if c := find(changes, "messages"); c.Moved != tc.moved || c.Better != tc.better || c.A != 1001 {
			t.Errorf("%s: %+v", name, c)
		}
		if c := find(changes, "latency p50"); c.Moved && c.Better != tc.better {
			t.Errorf("%s: %+v", name, c)
		}
	}
	// By hand: the mean of 1000, 1010, 990, 1000, 1005 has a standard error of 3.317.
	changes, _ := load.Compare(a, a)
	if c := find(changes, "messages"); math.Abs(c.Noise-3*math.Sqrt(2)*3.317/1001) > 1e-5 || c.Relative() != 0 {
		t.Errorf("%+v", c)
	}
	b := measured(1, 1)
	b.Connections, b.Rate = 65, 10
	changes, differences := load.Compare(a, b)
	if len(differences) != 2 || !strings.Contains(differences[0], "connections: 64 and 65") {
		t.Errorf("%q", differences)
	}
	var out strings.Builder
	if err := load.PrintChanges(&out, changes, differences); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The runs differ in connections: 64 and 65.", "1,001/s", "-99.9%", "worse"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, out.String())
		}
	}
	// Compression, and errors where there were none.
	a, b = measured(1000, 1001, 1002), measured(1000, 1002, 1001)
	for i := range b.Windows {
		a.Windows[i].Bytes, b.Windows[i].Bytes = 1000*a.Windows[i].Received, 400*b.Windows[i].Received
		b.Windows[i].Compressed = load.Volume{Messages: b.Windows[i].Received, Plain: 1000, Packed: 400}
		b.Windows[i].Errors = 3
	}
	b.Compression = load.Takeover
	changes, differences = load.Compare(a, b)
	if c := find(changes, "bytes per message"); !c.Moved || !c.Better || c.A != 1000 || c.B != 400 || c.Noise != 0 {
		t.Errorf("%+v", c)
	}
	if c := find(changes, "errors"); !c.Moved || c.Better {
		t.Errorf("%+v", c)
	}
	out.Reset()
	load.PrintChanges(&out, changes, differences)
	for _, want := range []string{"differ in compression: off and takeover.", "3/s  from 0  ±0.0%             worse", "1kB     400B  -60.0%  ±0.0%            better"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, out.String())
		}
	}
	a.Compression = load.Takeover
	for i := range a.Windows {
		a.Windows[i].Compressed = load.Volume{Messages: a.Windows[i].Received / 2, Plain: 1000, Packed: 500}
	}
	changes, _ = load.Compare(a, b)
	if c := find(changes, "replies compressed"); math.Abs(c.A-0.5) > 0.01 || c.B != 1 || !c.Better {
		t.Errorf("%+v", c)
	}
	if c := find(changes, "their size, compressed"); math.Abs(c.A-0.5) > 1e-9 || math.Abs(c.B-0.4) > 1e-9 || !c.Better {
		t.Errorf("%+v", c)
	}
	if changes, _ := load.Compare(measured(5), measured(6)); find(changes, "messages").Moved {
		t.Error("a single second each is taken for a proof")
	}
}

func TestReportForms(t *testing.T) {
	r := measured(1000, 1100)
	r.Rate, r.Lost, r.ServerCPU = 1000, 3, 1.5
	r.Errors = map[string]int64{"<b>bad</b>": 2}
	var text, page, data bytes.Buffer
	for _, err := range []error{r.Print(&text), r.HTML(&page), r.JSON(&data)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"echo, 64 connections, open loop of 1000 messages a second, 125 bytes", "2100 came back, 1050/s", "p50 1.5ms",
		"2 × <b>bad</b>; 3 messages did not come back", "server 1.50 s (0.75 cores, 714µs per message)", "itself was late by"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	for _, want := range []string{"1,050", "&lt;b&gt;bad", "uPlot", `"at":2`} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page.String(), "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
	again, err := load.Read(&data)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(r)
	other, _ := json.Marshal(again)
	if !bytes.Equal(one, other) {
		t.Error("what was read is not what was written")
	}
	for _, bad := range []string{"", "{}", "[]", `{"scenario":"echo"}`, "x"} {
		if _, err := load.Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken for a report", bad)
		}
	}
	if line := r.Windows[1].String(); line != "  2s: 64 open, 1000/s, p50 1ms, p99 2ms, no errors" {
		t.Errorf("a second is %q", line)
	}
}
