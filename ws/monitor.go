//go:build !js

package ws

import (
	"sync"
	"time"
)

// monitor flushes replies that a handler holds back by blocking. A connection
// whose loop has held back a reply is noted; if it is still in the same pass
// over its read buffer half a millisecond to a millisecond later, what is
// pending leaves. One timer serves all, and none runs while nothing is noted.
type monitor struct {
	mu    sync.Mutex
	notes []note
	spare []note
	timer *time.Timer
	armed bool
}

type note struct {
	c    *Conn
	cork uint32
	seen bool
}

const monitorTick = 500 * time.Microsecond

// noteCork tells the monitor of a reply held back. Called with out.mu held.
func (c *Conn) noteCork() {
	w := &c.out
	if w.noted {
		return
	}
	w.noted = true
	m := &c.wheel.monitor
	m.mu.Lock()
	m.notes = append(m.notes, note{c: c, cork: w.corks})
	if !m.armed {
		m.armed = true
		if m.timer == nil {
			m.timer = time.AfterFunc(monitorTick, m.look)
		} else {
			m.timer.Reset(monitorTick)
		}
	}
	m.mu.Unlock()
}

// look flushes for those who are late.
func (m *monitor) look() {
	m.mu.Lock()
	notes := m.notes
	m.notes = m.spare[:0]
	m.spare = nil
	m.mu.Unlock()

	keep := notes[:0]
	for _, n := range notes {
		w := &n.c.out
		w.lock()
		switch {
		case !w.corked || w.corks != n.cork || w.pending == nil:
			if w.corks == n.cork {
				w.noted = false
			}
			w.mu.Unlock()
		case !n.seen:
			w.mu.Unlock()
			n.seen = true
			keep = append(keep, n)
		default:
			// The pass goes on; its later replies leave at once.
			w.corked = false
			n.c.flushLater()
		}
	}
	m.mu.Lock()
	m.notes = append(m.notes, keep...)
	clear(notes[:cap(notes)])
	m.spare = notes[:0]
	m.armed = len(m.notes) > 0
	if m.armed {
		m.timer.Reset(monitorTick)
	}
	m.mu.Unlock()
}
