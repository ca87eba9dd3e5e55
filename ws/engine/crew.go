//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"slices"
	"time"
)

// crew decides how many lanes there are. One is cheapest: its thread finds
// everything in its caches, and takes whole batches from the kernel. Where handlers
// compute, one core is not enough. So when all lanes have been busy without a
// pause, another one is tried, and kept if that moves more events: on a machine
// whose other cores have other work it does not.
type crew struct {
	max   int
	began time.Time // the current stretch
	ticks int       // in it
	full  int       // of these, all lanes were busy
	seen  int64     // events handled before it

	streak int     // full stretches in a row
	before float64 // events a second before the lane on trial came
	trial  int     // stretches that it still has
	sum    float64 // of the rates on trial
	pause  int     // stretches before the next trial
	next   int     // what pause will be when that fails
	calm   int     // stretches in a row in which a lane was superfluous
}

const (
	stretchTicks = 40 // 20 ms
	trialStart   = 1  // stretches in which a new lane finds its feet
	trialTime    = 3
	trialGain    = 1.25
	minPauses    = 10
	maxPauses    = 1500 // half a minute
	calmTime     = 5
)

// rest begins anew after nobody was busy.
func (c *crew) rest(now time.Time) { c.ticks, c.full, c.streak, c.began = 0, 0, 0, now }

// decide is told at each tick how many of the lanes are busy, and how many events
// have been handled. It returns 1 to hire a lane, -1 to dismiss one.
func (c *crew) decide(busy, lanes int, handled func() int64, now func() time.Time) int {
	if c.max < 2 {
		return 0
	}
	if busy == lanes {
		c.full++
	}
	if c.ticks++; c.ticks < stretchTicks {
		return 0
	}
	at, seen, full := now(), handled(), c.full
	rate := float64(seen-c.seen) / max(at.Sub(c.began), 1).Seconds()
	c.seen, c.began, c.ticks, c.full = seen, at, 0, 0
	switch {
	case c.trial > 0:
		return c.judge(rate)
	case full == stretchTicks:
		c.calm = 0
		c.streak++
		if c.pause > 0 {
			c.pause--
		} else if c.streak > 1 && lanes < c.max {
			c.before = (c.before + rate) / 2
			c.sum, c.trial = 0, trialStart+trialTime
			return 1
		}
		c.before = rate
	default:
		c.streak = 0
		if lanes == 1 || full > stretchTicks/2 {
			c.calm = 0
		} else if c.calm++; c.calm >= calmTime {
			c.calm = 0
			return -1
		}
	}
	return 0
}

// judge ends a trial in time.
func (c *crew) judge(rate float64) int {
	if c.trial--; c.trial < trialTime {
		c.sum += rate
	}
	if c.trial > 0 {
		return 0
	}
	c.streak = 0
	if c.sum/trialTime >= c.before*trialGain {
		c.next = 0
		return 0
	}
	c.next = min(max(2*c.next, minPauses), maxPauses)
	c.pause = c.next
	return -1
}

// adjust has the crew decide, and does it.
func (g *watchdog) adjust(busy int) {
	switch g.crew.decide(busy, len(g.lanes), g.handled, time.Now) {
	case 1:
		g.loop.several.Store(true)
		g.lanes = append(g.lanes, g.loop.newLane(true))
	case -1: // the one that came last
		last := len(g.lanes) - 1
		n := g.lanes[last]
		n.stop.Store(true)
		g.leaving = append(g.leaving, n) // its handler may block yet
		g.lanes[last] = nil
		g.lanes = g.lanes[:last]
		g.loop.several.Store(last > 1)
	}
}

// lookAfter looks at the lanes that were dismissed, until they have ended, and
// returns how many of them are busy.
func (g *watchdog) lookAfter(now time.Time) (busy int) {
	g.leaving = slices.DeleteFunc(g.leaving, func(n *lane) bool {
		if n.ended.Load() {
			g.gone += n.count.Load()
			return true
		}
		if g.look(n, now) {
			busy++
		}
		return false
	})
	return busy
}

// handled counts the events of all lanes, those that have ended too.
func (g *watchdog) handled() int64 {
	n := g.gone
	for _, l := range g.lanes {
		n += l.count.Load()
	}
	for _, l := range g.leaving {
		n += l.count.Load()
	}
	return n
}
