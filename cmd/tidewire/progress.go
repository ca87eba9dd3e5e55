package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/schollz/progressbar/v3"

	"github.com/tidewire/tidewire/conformance"
)

// progress shows how far a run of cases has come, on a terminal; elsewhere it
// shows nothing.
type progress struct {
	bar    *progressbar.ProgressBar
	failed int
	once   sync.Once
}

func newProgress(w io.Writer, cases int) *progress {
	if !isTerminal(w) {
		return &progress{}
	}
	return &progress{bar: progressbar.NewOptions(cases,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowCount(),
		progressbar.OptionSetDescription("cases"),
		progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(false),
	)}
}

func (p *progress) add(res conformance.Result) {
	if p.bar == nil {
		return
	}
	if res.Verdict == conformance.Fail {
		p.failed++
		p.bar.Describe(fmt.Sprintf("cases, %d failed", p.failed))
	}
	p.bar.Add(1)
}

// end wipes the bar.
func (p *progress) end() {
	if p.bar != nil {
		p.once.Do(func() { p.bar.Clear() })
	}
}
