package load

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/load/uplot"
	"github.com/tidewire/tidewire/web/markup"
)

//go:embed page.css
var pageStyle string

// It expects what HTML writes in front of it.
//
//go:embed page.js
var pageScript string

// HTML writes the report as one page that needs nothing else: no other file, no
// network. It returns the first error of w.
func (r *Report) HTML(w io.Writer) error {
	// The script's windows and curve. encoding/json escapes what would end its element.
	windows, err := json.Marshal(r.Windows)
	if err != nil {
		return err
	}
	curve, err := json.Marshal(r.Latency.Curve)
	if err != nil {
		return err
	}
	unit := map[Scenario]string{Upgrade: "connections", Live: "deliveries"}[r.Scenario]
	if unit == "" {
		unit = "messages"
	}

	p := markup.Begin(w, "Load on "+r.URL, uplot.Read("uPlot.min.css"), pageStyle)
	p.Put("<h1>%s</h1>\n<p>%s. %.1f s measured from %s UTC", r.URL, r.plan(), r.Seconds, r.Start.UTC().Format("2 January 2006 15:04"))
	if r.Stopped {
		p.Put(", stopped before its time")
	}
	p.Put(".\n%s, %d cores, %s", r.Platform, r.Cores, r.Go)
	if r.Tool != "" {
		p.Put(", %s", r.Tool)
	}
	p.Put(".</p>\n")
	r.tiles(p, unit)
	state := ""
	if r.OK() {
		state = " none"
	}
	p.Put("<div class=\"faults%s\">Errors: %s</div>\n", state, r.faults())
	if r.Compression != "" && r.Sent != 0 {
		p.Put("<div class=\"faults said\">Compression: %s</div>\n", r.compressed())
	}
	p.Put("<div class=\"charts\">\n")
	for _, c := range [][2]string{{"throughput", "Throughput over time"}, {"latency", "Latency over time"}, {"curve", "Latency by percentile"},
		{"errors", "Errors over time"}, {"cpu", "CPU time over time"}, {"open", "Connections over time"}} {
		p.Put("<div class=\"chart\" hidden><h2>%s</h2><div id=\"%s\"></div></div>\n", c[1], c[0])
	}
	p.Put("</div>\n<p class=\"note\">The shaded seconds, if any, came before the measurement and are in no figure above. Bytes are those that arrived on the wire.</p>\n")
	return p.End(uplot.Read("uPlot.iife.min.js"), fmt.Sprintf("const windows = %s;\nconst unit = %q;\nconst curve = %s ?? [];\n", windows, unit, curve)+pageScript)
}

// tiles writes the figures at the top.
func (r *Report) tiles(p *markup.Page, unit string) {
	tile := func(value, format string, args ...any) {
		p.Put("<div class=\"tile\"><b>%s</b><span>%s</span></div>\n", value, fmt.Sprintf(format, args...))
	}
	nanos := func(ns int64) string { return short(time.Duration(ns)) }
	each := func(cpu float64) string {
		if r.Received == 0 {
			return ""
		}
		return ", " + short(time.Duration(cpu/float64(r.Received)*1e9)) + " each"
	}
	p.Put("<div class=\"tiles\">\n")
	if r.Received != 0 {
		tile(thousands(int64(float64(r.Received)/max(r.Seconds, 1e-9))), "%s a second", unit)
		tile(nanos(r.Latency.P50), "latency, half are faster")
		tile(nanos(r.Latency.P99), "latency, 99%% are faster")
		tile(nanos(r.Latency.Max), "the slowest")
	}
	opened := "connections opened"
	if r.Handshake.Count != 0 {
		opened += ", p99 " + nanos(r.Handshake.P99)
	}
	tile(strconv.FormatInt(r.Opened, 10), "%s", opened)
	if r.ServerCPU != 0 {
		tile(fmt.Sprintf("%.2f s", r.ServerCPU), "CPU of the server%s", each(r.ServerCPU))
	}
	tile(fmt.Sprintf("%.2f s", r.CPU), "CPU of the generator%s", each(r.CPU))
	if r.Rate != 0 {
		tile(nanos(r.Lag.P99), "lateness of the generator, p99")
	}
	p.Put("</div>\n")
}

// thousands writes a number as 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
