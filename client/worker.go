package client

import (
	"context"
	"runtime/debug"
)

// A worker runs callbacks one after another, on a goroutine that it has only while there are some.
type worker struct {
	c *Client
	// next returns what is to be done, or nil. It is called with c.mu held.
	next    func() func(context.Context)
	last    bool // goes on when the client has ended
	running bool
}

// wake sees to it that what is there gets done. c.mu is held.
func (w *worker) wake() {
	if !w.running && (!w.c.ended || w.last) {
		w.running = true
		w.c.group.Add(1)
		go w.work()
	}
}

func (w *worker) work() {
	c := w.c
	done := false
	defer func() {
		if done {
			c.group.Done()
		} else { // a callback ended this goroutine (runtime.Goexit): another one goes on
			go w.work()
		}
	}()
	c.mu.Lock()
	for !c.ended || w.last {
		f := w.next()
		if f == nil {
			break
		}
		c.mu.Unlock()
		c.guard(func() { f(c.callbackCtx) })
		c.mu.Lock()
	}
	w.running = false
	done = true
	c.mu.Unlock()
}

// guard calls into the application, and logs and counts a panic. c.mu is not held. It does not return when f
// ends its goroutine by runtime.Goexit.
func (c *Client) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.mu.Lock()
			c.stats.Panics++
			c.mu.Unlock()
			c.o.Logger.Error("client: callback panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	f()
}
