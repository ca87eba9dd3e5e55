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
	mu   sync.Mutex // guards what follows, and orders fire against clear
	done <-chan struct{}
	stop func() bool
	deaf bool // who has the direction is not to be interrupted by done
}

// watching returns what on holds, made on first use.
func (w *watch) watching() *watching {
	if w.on.Load() == nil {
		w.on.CompareAndSwap(nil, new(watching))
	}
	return w.on.Load()
}

// The states of a direction.
const (
	idle  = iota
	busy  // somebody's
	fired // somebody's, and interrupted

	stateMask = 3
	// Of the writing direction only, see quick.go:
	calm      = 4 // a Write need not take mu
	sizeShift = 3 // above it: the bytes of a Write that has not
)

// interruptible sets the deadline of one direction of a stream. It is an
// interface over a pointer, so that passing it allocates nothing.
type interruptible interface{ interrupt(t time.Time) }

// begin takes the direction, or reports false if it is taken.
func (w *watch) begin(ctx context.Context, s interruptible) bool {
	if !w.state.CompareAndSwap(idle, busy) {
		return false
	}
	w.heed(ctx, s)
	return true
}

// heed has ctx, and no other context, interrupt the direction, which is the
// caller's: so done and deaf stand still. Nearly always they are right already.
func (w *watch) heed(ctx context.Context, s interruptible) {
	on, done := w.on.Load(), ctx.Done()
	if on == nil && done == nil || on != nil && (done == on.done || done == nil) && on.deaf == (done == nil) {
		return
	}
	w.listen(ctx, done, s)
}

func (w *watch) listen(ctx context.Context, done <-chan struct{}, s interruptible) {
	on := w.watching()
	on.mu.Lock()
	defer on.mu.Unlock()
	on.deaf = done == nil
	if done != nil && done != on.done {
		if on.stop != nil {
			on.stop()
		}
		on.done = done
		on.stop = context.AfterFunc(ctx, func() { w.fire(done, s) })
	}
	// Until now, the context of before could still fire.
	if w.move(fired, busy) {
		s.interrupt(time.Time{})
	}
}

// fire interrupts, if the direction is busy on behalf of that context.
func (w *watch) fire(done <-chan struct{}, s interruptible) {
	on := w.watching()
	on.mu.Lock()
	defer on.mu.Unlock()
	if on.done == done && !on.deaf && w.move(busy, fired) {
		s.interrupt(longAgo)
	}
}

// move changes the state alone, and reports whether it was from.
func (w *watch) move(from, to uint32) bool {
	for {
		s := w.state.Load()
		if s&stateMask != from {
			return false
		}
		if w.state.CompareAndSwap(s, s&^stateMask|to) {
			return true
		}
	}
}

// end gives the direction back.
func (w *watch) end(s interruptible) {
	if w.state.CompareAndSwap(busy, idle) {
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
