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
		c.out.lock()
		c.out.attached = true
		c.out.mu.Unlock()
	}
	c.flags.set(flagLoop)
	return nil
}

// endLoop gives reading back after a Messages loop.
func (c *Conn) endLoop() {
	r := &c.read
	r.polled, r.looping = false, false
	c.flags.clear(flagWakes | flagWaiting)
	if r.begun {
		if err := r.settle(c); err != nil { // the connection has ended with it
			c.dropView()
		}
	} else {
		c.dropView()
	}
	c.uncork()
	c.flags.clear(flagLoop)
	c.endRead()
}

// run reads messages and delivers them until deliver returns false, or the
// connection or the context ends. p is valid until deliver returns.
func (c *Conn) run(deliver func(typ MessageType, p []byte) bool) error {
	r := &c.read
	var stop error
	if !c.plain() {
		_, stop = c.pass(deliver) // never told that it would block
		c.uncork()
		return stop
	}
	c.flags.set(flagWakes)
	defer func() { // also when user code panics or exits
		r.polled = false
		c.flags.clear(flagWakes)
		c.retries()
	}()
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	r.polled = true
	wake := func(fd uintptr) bool {
		c.flags.clear(flagWaiting)
		r.fd, r.drained = fd, false
		done, err := c.pass(deliver)
		stop = err
		c.uncork()
		if !done {
			r.Wait()
			c.flags.set(flagWaiting)
		}
		return done
	}
	err := c.socket.Wakes(wake)
	for errors.Is(err, os.ErrDeadlineExceeded) && c.retries() {
		err = c.socket.Wakes(wake)
	}
	r.polled = false
	c.flags.clear(flagWaiting)
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			err = c.broken(err)
		}
		return err
	}
	return stop
}

// pass delivers what has arrived. It is done when deliver returned false, or there
// is an error.
func (c *Conn) pass(deliver func(typ MessageType, p []byte) bool) (done bool, err error) {
	r := &c.read
	c.cork()
	// What a Reader left of its message is nobody's now.
	if err := c.discardReader(); err != nil {
		return c.passed(err)
	}
	for {
		if ce := c.ended.Load(); ce != nil {
			return true, ce
		}
		p, err := c.whole(nil, true)
		if err != nil {
			return c.passed(err)
		}
		before := c.wheel.now.Load()
		more := deliver(r.typ, p)
		c.ticks.excuse(c.wheel.now.Load() - before)
		c.dropView()
		if !more {
			return true, nil
		}
	}
}

func (c *Conn) passed(err error) (done bool, _ error) {
	if err == errWouldBlock {
		return false, nil
	}
	return true, err
}

// cork makes writes wait for each other while a read buffer is drained.
func (c *Conn) cork() {
	w := &c.out
	w.lock()
	w.corked = true
	w.apart = c.flags.has(flagEvents) && !c.desc.Watched() // looked at behind corked: see hurry
	w.corks++
	w.noted = false
	w.mu.Unlock()
}

// uncork lets what was held back leave.
func (c *Conn) uncork() {
	w := &c.out
	w.lock()
	w.corked = false
	c.flushLater()
}
