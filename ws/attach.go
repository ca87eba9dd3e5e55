//go:build !js

package ws

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

var errPanic = errors.New("handler panicked")

// Attach hands reading to h and returns at once: from here on, the connection is
// driven by events. Read, Reader, Messages and CloseRead return ErrAttached.
//
// On an attached connection Write never waits: what the peer does not take is
// queued up to ConnOptions.WriteQueue, and past that ConnOptions.QueuePolicy
// applies. Close sends and returns.
func (c *Conn) Attach(h Handler) error {
	if err := c.beginLoop(context.Background(), h); err != nil {
		return err
	}
	go c.serve(h)
	return nil
}

// beginLoop makes the caller the reader for as long as the connection lives, or
// until endLoop.
func (c *Conn) beginLoop(ctx context.Context, h Handler) error {
	if err := c.beginRead(ctx); err != nil {
		return err
	}
	c.read.looping = true
	if h != nil {
		c.handler = h
		c.read.attached = true
		c.out.mu.Lock()
		c.out.attached = true
		c.out.mu.Unlock()
	}
	c.loop.Store(true)
	return nil
}

// serve is the goroutine of an attached connection.
func (c *Conn) serve(h Handler) {
	c.guard(func() { h.Opened(c) })
	err := c.run(func(typ MessageType, p []byte) bool {
		c.guard(func() { h.Message(c, typ, p) })
		return true
	})
	if c.ended.Load() == nil {
		// Only a context or the end could stop it.
		c.broken(err)
	}
	c.uncork()
	c.guard(func() { h.Closed(c, c.ended.Load()) })
	c.depart()
}

// guard calls into user code, and closes the connection with 1011 if that
// panics.
func (c *Conn) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	f()
}

func (c *Conn) panicked(v any) {
	count.panicks.Add(1)
	c.logger().Error("websocket handler panicked",
		"remote", c.RemoteAddr(), "panic", v, "stack", string(debug.Stack()))
	// What panicked is nothing to tell the peer.
	c.refuseWith(StatusInternalError, errPanic.Error(), fmt.Errorf("%w: %v", errPanic, v))
}

// run reads messages and delivers them until deliver returns false, or the
// connection or the context ends. p is valid until deliver returns.
func (c *Conn) run(deliver func(typ MessageType, p []byte) bool) error {
	r := &c.read
	var stop error
	pass := func() bool {
		c.cork()
		for {
			if ce := c.ended.Load(); ce != nil {
				stop = ce
				return true
			}
			p, err := c.whole(nil, true)
			if err == errWouldBlock {
				return false
			}
			if err != nil {
				stop = err
				return true
			}
			more := deliver(r.typ, p)
			c.dropView()
			if !more {
				stop = nil
				return true
			}
		}
	}
	if !c.plain() {
		pass() // never told that it would block
		c.uncork()
		return stop
	}
	c.inWakes.Store(true)
	defer c.inWakes.Store(false)
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	r.polled = true
	err := c.socket.Wakes(func(fd uintptr) bool {
		c.ticks.waiting.Store(false)
		r.fd, r.drained = fd, false
		done := pass()
		c.uncork()
		if !done {
			r.Wait()
			c.ticks.waiting.Store(true)
		}
		return done
	})
	r.polled = false
	c.ticks.waiting.Store(false)
	if err != nil {
		return err
	}
	return stop
}

// cork makes writes wait for each other while a read buffer is drained.
func (c *Conn) cork() {
	w := &c.out
	w.mu.Lock()
	w.corked = true
	w.corks++
	w.noted = false
	w.mu.Unlock()
}

// uncork lets what was held back leave.
func (c *Conn) uncork() {
	w := &c.out
	w.mu.Lock()
	w.corked = false
	c.flushLater()
}

// drained tells the handler that the queue has emptied.
func (c *Conn) drained() {
	if h, ok := c.handler.(DrainedHandler); ok && c.ended.Load() == nil {
		go c.guard(func() { h.Drained(c) })
	}
}
