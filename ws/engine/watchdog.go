//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// watchdog notices that a worker is held up in a handler, and that the loop is of no
// more use. Its timer runs while a worker is busy, and a few ticks longer.
type watchdog struct {
	loop        *loop
	ticking     atomic.Bool
	dispatching atomic.Bool  // every event gets a goroutine
	blocked     atomic.Int32 // workers that were replaced and have not returned

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	over    bool
	lanes   []*lane
	leaving []*lane // dismissed, and not at their end yet
	gone    int64   // events handled by lanes that have ended
	seen    int64   // events handled before the last tick
	crew    crew
	quiet   int       // ticks for which all workers have been waiting
	until   time.Time // when dispatching ends
}

const (
	watchTick     = 500 * time.Microsecond // of 1 ms where nothing else runs: the runtime rounds
	blockedFor    = 900 * time.Microsecond
	watchQuiet    = 8 // ticks
	watchCalm     = 1
	dispatchShort = 2 * time.Millisecond
	dispatchLong  = 100 * time.Millisecond
	slowEvents    = 16
	calmEvents    = 4 // in a tick, at most, where little comes
)

// wakeUp sees to it that the watchdog ticks. The worker calls it behind the word
// that says that it is busy.
func (g *watchdog) wakeUp() {
	if g.ticking.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ticking.Load() || g.over {
		return
	}
	g.quiet = 0
	g.crew.rest(time.Now())
	g.ticking.Store(true)
	if g.timer == nil {
		g.timer = time.AfterFunc(watchTick, g.tick)
	} else {
		g.timer.Reset(watchTick)
	}
}

// end stops the watchdog for good.
func (g *watchdog) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	if g.timer != nil {
		g.timer.Stop()
	}
}

func (g *watchdog) tick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return
	}
	busy, now := 0, time.Now()
	for _, n := range g.lanes {
		if g.look(n, now) {
			busy++
		}
	}
	g.quiet++
	if g.lookAfter(now)+busy > 0 {
		g.quiet = 0
	}
	g.adjust(busy)
	handled := g.handled()
	g.loop.calm.Store(handled-g.seen <= calmEvents)
	g.seen = handled
	if g.dispatching.Load() {
		if g.blocked.Load() >= 2 {
			g.until = now.Add(dispatchLong)
		}
		if now.After(g.until) {
			g.dispatching.Store(false)
		} else {
			g.quiet = 0
		}
	}
	if g.quiet >= g.patience() {
		g.ticking.Store(false)
		// A worker looks at ticking behind its word, and we at its word behind
		// ticking: one of us sees the other. It is the same with leave.
		if g.loop.lapse() {
			return
		}
		if g.idle() || !g.ticking.CompareAndSwap(false, true) {
			return
		}
		g.quiet = 0
	}
	g.timer.Reset(watchTick)
}

// patience is after how many quiet ticks it stops: soon where little comes, and a tick
// costs as much as an event.
func (g *watchdog) patience() int {
	if !g.loop.calm.Load() || !g.loop.watches() {
		return watchQuiet
	}
	return watchCalm
}

// idle reports whether all workers wait.
func (g *watchdog) idle() bool {
	for _, lanes := range [][]*lane{g.lanes, g.leaving} {
		for _, n := range lanes {
			if uint32(n.word.Load()) != waiting {
				return false
			}
		}
	}
	return true
}

// look replaces the worker of a lane that has not moved for long, and reports
// whether it is busy.
func (g *watchdog) look(n *lane, now time.Time) bool {
	word := n.word.Load()
	if uint32(word) != waiting && word == n.last && now.Sub(n.since) >= blockedFor {
		g.takeOver(n, word)
		word = n.word.Load()
	}
	if word != n.last {
		n.last, n.since = word, now
	}
	return uint32(word) != waiting
}

// takeOver replaces the worker whose word this is.
func (g *watchdog) takeOver(n *lane, word uint64) {
	l := g.loop
	w := n.worker.Load()
	place := uint32(word)
	if w.gen != uint32(word>>32) {
		return // it is being replaced
	}
	g.blocked.Add(1)
	l.poller.stats.Apart.Add(1)
	if !n.succeed(w, place) {
		g.blocked.Add(-1)
		l.poller.stats.Apart.Add(-1)
		return
	}
	l.poller.stats.Takeovers.Add(1)
	g.dispatching.Store(true)
	if until := time.Now().Add(dispatchShort); until.After(g.until) {
		g.until = until
	}
	next := indexOf(place)
	if next == 0 {
		return
	}
	fd, gen, _ := w.events.at(int(next - 1))
	if fd < 0 {
		return
	}
	if d := l.poller.table.get(int(fd)); d != nil && d.gen == gen && d.use() {
		d.slow.Store(slowEvents)
		go func() { // it may log, or wait for a lock
			defer d.done()
			d.ev.Blocked()
		}()
	}
}
