//go:build !js

package ws

import (
	"context"
	"errors"
	"os"
)

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

// endLoop gives reading back after a Messages loop.
func (c *Conn) endLoop() {
	r := &c.read
	r.polled, r.looping = false, false
	c.inWakes.Store(false)
	c.ticks.waiting.Store(false)
	c.dropView()
	c.uncork()
	c.loop.Store(false)
	c.endRead()
}

// run reads messages and delivers them until deliver returns false, or the
// connection or the context ends. p is valid until deliver returns.
func (c *Conn) run(deliver func(typ MessageType, p []byte) bool) error {
	r := &c.read
	var stop error
	pass := func() bool {
		c.cork()
		// What a Reader left of its message is nobody's now.
		switch err := c.discardReader(); {
		case err == errWouldBlock:
			return false
		case err != nil:
			stop = err
			return true
		}
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
			before := c.wheel.now.Load()
			more := deliver(r.typ, p)
			c.ticks.excuse(c.wheel.now.Load() - before)
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
	defer func() { // also when user code panics or exits
		r.polled = false
		c.inWakes.Store(false)
		c.retries()
	}()
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	r.polled = true
	wake := func(fd uintptr) bool {
		c.ticks.waiting.Store(false)
		r.fd, r.drained = fd, false
		done := pass()
		c.uncork()
		if !done {
			r.Wait()
			c.ticks.waiting.Store(true)
		}
		return done
	}
	err := c.socket.Wakes(wake)
	for errors.Is(err, os.ErrDeadlineExceeded) && c.retries() {
		err = c.socket.Wakes(wake)
	}
	r.polled = false
	c.ticks.waiting.Store(false)
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			err = c.broken(err)
		}
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
