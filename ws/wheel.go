package ws

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/ws/engine"
)

// tick is how often an Engine looks at its connections: the grain of keepalive
// and of every timeout but those a caller waits for.
const tick = 250 * time.Millisecond

// ticks converts a duration to ticks, rounding up; 0 for a negative one.
func ticks(d time.Duration) uint32 {
	if d < 0 {
		return 0
	}
	return uint32(min((d+tick-1)/tick, 1<<30))
}

// moment is a tick that can be told from "not now".
func moment(now uint32) uint32 { return max(now, 1) }

// past reports whether the moment from lies at least limit ticks back.
func past(now, from, limit uint32) bool {
	return from != 0 && limit != 0 && int32(now-from) >= int32(limit)
}

// Engine keeps the connections that name it in [ConnOptions] alive and within
// their time limits. One timer serves them all; there is none while it has no
// connection. The process has one of its own, which the nil *Engine in
// ConnOptions stands for.
//
// A test under testing/synctest makes its own with [NewEngine], because a timer
// belongs to the bubble that started it.
type Engine struct {
	born    time.Time
	now     atomic.Uint32 // ticks; moves while there are connections
	mu      sync.Mutex    // guards what follows
	conns   []*Conn
	timer   *time.Timer
	last    time.Time
	due     []*Conn // scratch of turn
	monitor monitor
	poller  engine.Poller
}

var processEngine = NewEngine()

// NewEngine returns an Engine without connections. It needs no closing.
func NewEngine() *Engine { return &Engine{born: time.Now()} }

func (e *Engine) join(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.seat = int32(len(e.conns))
	e.conns = append(e.conns, c)
	if len(e.conns) > 1 {
		return
	}
	e.last = time.Now()
	if e.timer == nil {
		e.timer = time.AfterFunc(tick, e.turn)
	} else {
		e.timer.Reset(tick)
	}
}

func (e *Engine) leave(c *Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.seat < 0 {
		return
	}
	n := len(e.conns) - 1
	e.conns[c.seat] = e.conns[n]
	e.conns[c.seat].seat = c.seat
	e.conns[n] = nil
	e.conns = e.conns[:n]
	c.seat = -1
	if n == 0 {
		e.conns = nil
		// A timer that outlived its last connection would outlive a test's
		// bubble too.
		e.timer.Stop()
		e.timer = nil
	}
}

// turn runs once a tick. It looks at every connection under the lock, and acts
// on the few that need it after.
func (e *Engine) turn() {
	e.mu.Lock()
	if len(e.conns) == 0 {
		e.mu.Unlock()
		return
	}
	// A machine that slept, or a scheduler that was late, counts as it was.
	since := time.Since(e.last)
	steps := uint32(since / tick)
	e.last = e.last.Add(time.Duration(steps) * tick)
	// A machine that slept must not wake to peers that all seem late.
	steps = min(max(1, steps), 4)
	now := e.now.Add(steps)
	due := e.due[:0]
	for _, c := range e.conns {
		if c.needs(now) {
			due = append(due, c)
		}
	}
	e.due = nil
	e.mu.Unlock()

	for i, c := range due {
		c.tend(now)
		due[i] = nil
	}
	e.mu.Lock()
	e.due = due[:0]
	if e.timer != nil {
		e.timer.Reset(max(time.Millisecond, tick-time.Since(e.last)))
	}
	e.mu.Unlock()
}
