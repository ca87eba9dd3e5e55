package main

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/conformance"
)

func TestProgress(t *testing.T) {
	var b strings.Builder
	p := &progress{w: &b, cases: 60}
	screen := func() string { return b.String()[strings.LastIndex(b.String(), "\r")+1:] }
	p.add(conformance.Result{Verdict: conformance.Pass})
	if got, want := screen(), "cases "+strings.Repeat("░", 30)+" 1/60"; got != want {
		t.Errorf("it shows %q, want %q", got, want)
	}
	for range 58 {
		p.add(conformance.Result{Verdict: conformance.Fail})
	}
	p.add(conformance.Result{Verdict: conformance.Pass})
	if got, want := screen(), "cases "+strings.Repeat("█", 30)+" 60/60, 58 failed"; got != want {
		t.Errorf("it shows %q, want %q", got, want)
	}
	b.Reset()
	p.end()
	if got, want := b.String(), "\r"+strings.Repeat(" ", 53)+"\r"; got != want {
		t.Errorf("the end writes %q, want %q", got, want)
	}
	b.Reset()
	p.end()
	if b.Len() > 0 {
		t.Errorf("a second end writes %q", b.String())
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	var b strings.Builder
	p := newProgress(&b, 1)
	p.add(conformance.Result{})
	p.end()
	if b.Len() > 0 {
		t.Errorf("it writes %q where no terminal is", b.String())
	}
}
