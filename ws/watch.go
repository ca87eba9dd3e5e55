//go:build !js

package ws

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// watch lets a context interrupt a blocked read or write by a deadline in the
// past, which is taken back before anyone else uses the stream. It also is the
// lock of its direction: whoever moved it from idle owns the direction.
//
// Watching a context costs an allocation; it is kept until another context
// comes, so that a loop over one context pays once.
type watch struct {
	state atomic.Uint32
	on    atomic.Pointer[watching] // nil: no context that can end has come yet
}

type watching struct {
	mu   sync.Mutex // guards done and stop, and orders fire against clear
	done <-chan struct{}
	stop func() bool
}

// watching returns what on holds, made on first use.
func (w *watch) watching() *watching {
	if w.on.Load() == nil {
		w.on.CompareAndSwap(nil, new(watching))
	}
	return w.on.Load()
}

const (
	idle    = iota
	watched // busy, and the context may interrupt
	alone   // busy, and nothing may
	fired   // busy, and interrupted
)

// interruptible sets the deadline of one direction of a stream. It is an
// interface over a pointer, so that passing it allocates nothing.
type interruptible interface{ interrupt(t time.Time) }

// begin takes the direction, or reports false if it is taken.
func (w *watch) begin(ctx context.Context, s interruptible) bool {
	if !w.state.CompareAndSwap(idle, alone) {
		return false
	}
	done := ctx.Done()
	if done == nil {
		return true
	}
	if on := w.watching(); done != on.done {
		on.mu.Lock()
		if on.stop != nil {
			on.stop()
		}
		on.done = done
		on.stop = context.AfterFunc(ctx, func() { w.fire(done, s) })
		on.mu.Unlock()
	}
	// Only now: until done was replaced, the context of before could still fire.
	w.state.Store(watched)
	return true
}

// fire interrupts, if the direction is busy on behalf of that context.
func (w *watch) fire(done <-chan struct{}, s interruptible) {
	on := w.watching()
	on.mu.Lock()
	defer on.mu.Unlock()
	if on.done == done && w.state.CompareAndSwap(watched, fired) {
		s.interrupt(longAgo)
	}
}

// end gives the direction back.
func (w *watch) end(s interruptible) {
	if w.state.CompareAndSwap(watched, idle) || w.state.CompareAndSwap(alone, idle) {
		return
	}
	on := w.watching()
	on.mu.Lock() // fire may be about to set its deadline still
	s.interrupt(time.Time{})
	on.mu.Unlock()
	w.state.Store(idle)
}

// drop stops watching, once the connection has ended.
func (w *watch) drop() {
	on := w.on.Load()
	if on == nil {
		return
	}
	on.mu.Lock()
	defer on.mu.Unlock()
	if on.stop != nil {
		on.stop()
		on.stop = nil
	}
}

// reading and writing are a Conn's two directions.
type (
	reading Conn
	writing Conn
)

func (c *reading) interrupt(t time.Time) { (*Conn)(c).link().SetReadDeadline(t) }
func (c *writing) interrupt(t time.Time) { (*Conn)(c).link().SetWriteDeadline(t) }

var longAgo = time.Unix(1, 0)
