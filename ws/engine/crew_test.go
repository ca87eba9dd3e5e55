//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"testing"
	"time"
)

// work plays a machine: how many events a second so many lanes handle, and how many
// of them are busy at a tick.
type work struct {
	c       crew
	now     time.Time
	lanes   int
	handled float64
	hired   int
}

func (w *work) run(d time.Duration, rate func(lanes int) float64, busy func(lanes int) int) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(watchTick)
		w.handled += rate(w.lanes) * watchTick.Seconds()
		change := w.c.decide(busy(w.lanes), w.lanes, func() int64 { return int64(w.handled) }, func() time.Time { return w.now })
		w.lanes += change
		if change > 0 {
			w.hired++
		}
	}
}

func all(lanes int) int { return lanes }

func newWork(max int) *work {
	w := &work{now: time.Unix(1, 0), lanes: 1}
	w.c.max = max
	w.c.rest(w.now)
	return w
}

func TestCrewGrowsWhereThatMovesMore(t *testing.T) {
	w := newWork(8)
	cores := func(n int) func(int) float64 {
		return func(lanes int) float64 { return 23_000 * float64(min(lanes, n)) }
	}
	w.run(3*time.Second, cores(4), all)
	// The fifth gains a third less than it must, and so does not stay.
	if w.lanes < 4 || w.lanes > 5 {
		t.Errorf("%d lanes on 4 free cores", w.lanes)
	}
	// Half of them find nothing to do.
	w.run(3*time.Second, cores(4), func(lanes int) int { return lanes / 2 })
	if w.lanes != 1 {
		t.Errorf("%d lanes where half are idle", w.lanes)
	}
}

func TestCrewStaysSmallWhereThatDoesNotPay(t *testing.T) {
	w := newWork(8)
	w.run(30*time.Second, func(int) float64 { return 200_000 }, all)
	if w.lanes > 2 {
		t.Errorf("%d lanes where a second one moves nothing more", w.lanes)
	}
	// Trials become rare.
	hired := w.hired
	if hired < 2 || hired > 10 {
		t.Errorf("%d trials in half a minute", hired)
	}
	w.run(30*time.Second, func(int) float64 { return 200_000 }, all)
	if more := w.hired - hired; more > 2 {
		t.Errorf("%d trials in the next half", more)
	}
}

func TestCrewOfAnIdlePollerIsOne(t *testing.T) {
	for name, busy := range map[string]func(int) int{
		"idle":   func(int) int { return 0 },
		"pauses": func() func(int) int { n := 0; return func(l int) int { n++; return l * min(n%30, 1) } }(),
	} {
		w := newWork(8)
		w.run(10*time.Second, func(int) float64 { return 100_000 }, busy)
		if w.hired != 0 {
			t.Errorf("%s: %d lanes came", name, w.hired)
		}
	}
	w := newWork(1)
	w.run(time.Second, func(lanes int) float64 { return 1000 * float64(lanes) }, all)
	if w.lanes != 1 {
		t.Errorf("%d lanes on one core", w.lanes)
	}
}
