package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/conformance"
)

// progress shows how far a run of cases has come, on a terminal in one line; elsewhere it
// shows nothing.
type progress struct {
	w                   io.Writer // nil shows nothing
	cases, done, failed int
	width               int // characters of the line that stands there
}

func newProgress(w io.Writer, cases int) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, cases: cases}
}

func (p *progress) add(res conformance.Result) {
	p.done++
	if res.Verdict == conformance.Fail {
		p.failed++
	}
	const cells = 30
	full := cells * min(p.done, p.cases) / max(p.cases, 1)
	line := fmt.Sprintf("cases %s%s %d/%d", strings.Repeat("█", full), strings.Repeat("░", cells-full), p.done, p.cases)
	if p.failed > 0 {
		line += fmt.Sprintf(", %d failed", p.failed)
	}
	p.show(line)
}

// end wipes the line.
func (p *progress) end() {
	if p.width > 0 {
		p.show("")
		io.WriteString(p.w, "\r")
	}
}

// show puts the line in the place of the last one, and spaces behind it where that was longer.
func (p *progress) show(line string) {
	if p.w == nil {
		return
	}
	n := utf8.RuneCountInString(line)
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.width-n)))
	p.width = n
}
