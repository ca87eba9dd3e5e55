package report

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// What is shown of the traffic of a case that passed. Of one that did not,
// everything that the runner kept is shown, but of a handshake the beginning: it
// may have 64 KiB, in each of 800 cases.
const (
	headBytes    = 4096
	passedEvents = 12
	passedBytes  = 64
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"class":  class,
	"number": func(id string) string { n, _, _ := strings.Cut(id, "."); return n },
	"ms":     func(d time.Duration) string { return fmt.Sprintf("%.3f ms", millis(d)) },
	"short":  func(d time.Duration) string { return d.Round(time.Millisecond).String() },
	"hex":    func(p []byte) string { return strings.TrimRight(hex.Dump(p), "\n") },
	"mark": func(d conformance.Direction) string {
		return map[conformance.Direction]string{conformance.Sent: "→", conformance.Received: "←"}[d]
	},
	"plain":     plain,
	"plainText": plainText,
}).Parse(pageText))

// class is a verdict as the page's style names it.
func class(v conformance.Verdict) string { return strings.ReplaceAll(v.String(), " ", "-") }

// plain replaces what no page should hold: the rest html/template makes harmless.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// plainText is the beginning of a handshake.
func plainText(p []byte) string {
	if n := len(p) - headBytes; n > 0 {
		return plain(string(p[:headBytes])) + fmt.Sprintf("… and %d more bytes; the JSON report has them", n)
	}
	return plain(strings.TrimRight(string(p), "\r\n"))
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
	data := struct {
		*Report
		Passed bool
		Agents string
		Counts []pageCount
		Groups []pageGroup
	}{Report: r, Passed: r.OK(), Agents: strings.Join(r.agents(), ", "), Counts: counts(r.Results, len(r.Missing))}
	for _, g := range r.groups() {
		pg := pageGroup{Name: g.Name, Counts: counts(g.Results, len(g.Missing)), Missing: g.Missing}
		for _, res := range g.Results {
			pg.Cases = append(pg.Cases, cutDown(res))
		}
		data.Groups = append(data.Groups, pg)
	}
	return page.Execute(w, data)
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
