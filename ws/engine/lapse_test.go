//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import "testing"

// A loop that has ended, and whose watchdog ticks once more because the last leave came
// in between, does not take the next loop with it.
func TestLoopLapsesOnce(t *testing.T) {
	var p Poller
	old, err := newLoop(&p)
	if err != nil {
		t.Fatal(err)
	}
	p.loop = old
	if !old.lapse() || p.loop != nil {
		t.Fatal("a loop that watches nothing does not end")
	}
	next, err := newLoop(&p)
	if err != nil {
		t.Fatal(err)
	}
	p.loop = next
	if old.lapse() || p.loop != next {
		t.Error("it has ended twice, and the next one is forgotten")
	}
	if !next.lapse() {
		t.Error("the next one does not end")
	}
}
