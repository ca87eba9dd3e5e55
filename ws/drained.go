//go:build !js

package ws

import "context"

// owesDrained reports whether the handler is to hear that the queue is empty. The
// caller then calls drained, once it has released out.mu.
func (c *Conn) owesDrained() bool {
	w := &c.out
	if !w.full || !w.attached || w.message || w.flushing || w.pending != nil || w.tail != nil || w.wire.waits() {
		return false
	}
	w.full = false
	if _, ok := c.handler.(DrainedHandler); !ok || c.ended.Load() != nil {
		return false
	}
	w.telling++
	return true
}

// drained tells the handler, on a goroutine of its own.
func (c *Conn) drained() {
	go func() {
		defer func() { // runtime.Goexit in a handler comes here too
			c.out.lock()
			c.out.telling--
			c.out.signal()
			c.out.mu.Unlock()
		}()
		if h := c.handler.(DrainedHandler); c.ended.Load() == nil {
			c.guard(func() { h.Drained(c) })
		}
	}()
}

// awaitDrained waits for the calls of Drained that began before the connection
// ended. None begins after.
func (c *Conn) awaitDrained() {
	w := &c.out
	w.lock()
	defer w.mu.Unlock()
	for w.telling > 0 {
		w.wait(context.Background())
	}
}
