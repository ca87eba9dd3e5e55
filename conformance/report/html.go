package report

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidewire/tidewire/conformance"
	"github.com/tidewire/tidewire/web/markup"
)

// What is shown of the traffic of a case that passed. Of one that did not,
// everything that the runner kept is shown, but of a handshake the beginning: it
// may have 64 KiB, in each of 800 cases.
const (
	headBytes    = 4096
	passedEvents = 12
	passedBytes  = 64
)

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// class is a verdict as the page's style names it.
func class(v conformance.Verdict) string { return strings.ReplaceAll(v.String(), " ", "-") }

// beginning is that of a handshake.
func beginning(p []byte) string {
	if n := len(p) - headBytes; n > 0 {
		return string(p[:headBytes]) + fmt.Sprintf("… and %d more bytes; the JSON report has them", n)
	}
	return strings.TrimRight(string(p), "\r\n")
}

// pageCase is a case as the page shows it: with its traffic cut down if it passed.
type pageCase struct {
	conformance.Result
	Cut int // events that are left out at the end
}

type pageGroup struct {
	Name    string
	Counts  []pageCount
	Cases   []pageCase
	Missing []conformance.Case
}

type pageCount struct {
	Verdict string
	Class   string
	N       int
}

// HTML writes the report as one page that needs nothing else: no other file, no
// network. It returns the first error of w.
func (r *Report) HTML(w io.Writer) error {
	var groups []pageGroup
	for _, g := range r.groups() {
		pg := pageGroup{Name: g.Name, Counts: counts(g.Results, len(g.Missing)), Missing: g.Missing}
		for _, res := range g.Results {
			pg.Cases = append(pg.Cases, cutDown(res))
		}
		groups = append(groups, pg)
	}

	p := markup.Begin(w, "Conformance of "+r.Target, pageStyle)
	r.summary(p)
	p.Put("<table>\n")
	for i, g := range groups {
		g.row(p, i)
	}
	p.Put("</table>\n\n")
	for i, g := range groups {
		p.Put("<section id=\"group-%d\">\n<h2>%s</h2>\n", i, g.Name)
		for _, c := range g.Cases {
			c.write(p)
		}
		for _, c := range g.Missing {
			p.Put(`<details class="missing" id="%s">
<summary><span class="verdict">missing</span><span class="id">%[1]s</span><span class="title">%s</span></summary>
<div class="body"><p>This case was not played.</p><dl><dt>rule</dt><dd>%s <span class="dim">%s</span></dd></dl></div>
</details>
`, c.ID, c.Title, c.Rule, c.Section)
		}
		p.Put("</section>\n")
	}
	return p.End(pageScript)
}

// summary writes what there is above the table: how it went, and what of the cases to show.
func (r *Report) summary(p *markup.Page) {
	verdict := "Not everything passed."
	if r.OK() {
		verdict = "Every case was played and none failed."
	}
	p.Put("<h1>%s</h1>\n<p>%s\n<span class=\"dim\">The %s was under test", r.Target, verdict, r.Role)
	if agents := r.agents(); len(agents) > 0 {
		p.Put(": %s", strings.Join(agents, ", "))
	}
	p.Put(". %d cases in %s,\n%s UTC", len(r.Results), r.Duration.Round(time.Millisecond), r.Start.UTC().Format("2 January 2006 15:04"))
	if r.Tool != "" {
		p.Put(", by %s", r.Tool)
	}
	p.Put(".")
	if r.Strict {
		p.Put(" What is not strict counts as failed.")
	}
	p.Put("</span></p>\n\n<div class=\"tools\">\n")
	for _, c := range counts(r.Results, len(r.Missing)) {
		p.Put("<label class=\"chip %s\"><input type=\"checkbox\" checked value=\"%[1]s\"><b>%d</b> %s</label>\n", c.Class, c.N, c.Verdict)
	}
	p.Put("<input type=\"search\" placeholder=\"Search in cases\" aria-label=\"Search in cases\">\n</div>\n\n")
}

// row writes the group's line of the table.
func (g pageGroup) row(p *markup.Page, i int) {
	p.Put("<tr><td><a href=\"#group-%d\">%s</a></td>\n<td><div class=\"bar\">", i, g.Name)
	var numbers []string
	for _, c := range g.Counts {
		p.Put("<span class=\"%s\" style=\"flex: %d\" title=\"%[2]d %s\"></span>", c.Class, c.N, c.Verdict)
		numbers = append(numbers, fmt.Sprintf("%d %s", c.N, c.Verdict))
	}
	p.Put("</div></td>\n<td class=\"numbers\">%s</td></tr>\n", strings.Join(numbers, ", "))
}

// write writes the case, folded up.
func (c pageCase) write(p *markup.Page) {
	p.Put(`<details class="%s" id="%s">
<summary><span class="verdict">%s</span><span class="id">%[2]s</span><span class="title">%[4]s</span><span class="dim">%s</span></summary>
<div class="body">
`, class(c.Verdict), c.ID, c.Verdict, c.Title, c.Duration.Round(time.Millisecond))
	if c.Reason != "" {
		p.Put("<dl class=\"reason\"><dt>reason</dt><dd>%s</dd></dl>\n", c.Reason)
	}
	p.Put("<dl><dt>rule</dt><dd>%s <span class=\"dim\">%s</span></dd>\n<dt>sent</dt><dd>%s</dd>\n<dt>expected</dt><dd>%s</dd>", c.Rule, c.Section, c.Sends, c.Expects)
	if c.Agent != "" {
		p.Put("\n<dt>agent</dt><dd>%s</dd>", c.Agent)
	}
	p.Put("</dl>\n")
	if len(c.Request) > 0 {
		p.Put("<span class=\"dim\">request</span><pre>%s</pre>\n", beginning(c.Request))
	}
	if len(c.Response) > 0 {
		p.Put("<span class=\"dim\">response</span><pre>%s</pre>\n", beginning(c.Response))
	}
	p.Put("<ol>")
	for _, e := range c.Events {
		mark := map[conformance.Direction]string{conformance.Sent: "→", conformance.Received: "←"}[e.Dir]
		p.Put("\n<li><span class=\"at\">%.3f ms</span><span>%s</span><span>%s", millis(e.At), mark, e.Text)
		if e.Size != 0 {
			p.Put(" <span class=\"dim\">%d bytes</span>", e.Size)
		}
		p.Put("</span>")
		if len(e.Wire) > 0 {
			p.Put("<pre>%s</pre>", strings.TrimRight(hex.Dump(e.Wire), "\n"))
		}
		p.Put("</li>")
	}
	if c.Cut > 0 {
		p.Put("\n<li><span></span><span></span><span class=\"dim\">and %d more; the JSON report has them</span></li>", c.Cut)
	}
	p.Put("\n</ol>\n</div>\n</details>\n")
}

// counts are those that are not zero.
func counts(results []conformance.Result, missed int) []pageCount {
	var all []pageCount
	for v, n := range conformance.Count(results) {
		if n > 0 {
			v := conformance.Verdict(v)
			all = append(all, pageCount{v.String(), class(v), n})
		}
	}
	if missed > 0 {
		all = append(all, pageCount{missing, missing, missed})
	}
	return all
}

func cutDown(res conformance.Result) pageCase {
	c := pageCase{Result: res}
	if res.Verdict != conformance.Pass {
		return c
	}
	if n := len(res.Events) - passedEvents; n > 0 {
		c.Cut = n
		c.Events = res.Events[:passedEvents]
	}
	c.Events = append([]conformance.Event(nil), c.Events...)
	for i := range c.Events {
		e := &c.Events[i]
		e.Wire = e.Wire[:min(len(e.Wire), passedBytes)]
	}
	return c
}
