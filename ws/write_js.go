package ws

import (
	"context"
	"sync/atomic"
	"syscall/js"
)

// outbox is the sending half of a connection. The queue itself is the browser's.
// Guarded by Conn.mu.
type outbox struct {
	sent     atomic.Int64 // bytes given to the browser
	attached bool         // Write never waits for the peer
	message  bool         // a Writer is in the middle of a message
	full     bool         // a handler is owed a Drained
	telling  int          // calls of Drained under way
}

// Write sends one message. It may be called from any goroutine at any time;
// messages leave in the order in which their Writes took effect.
//
// nil means that the message has its place in that order, not that it was
// delivered. On an error, nothing of it was queued. Write neither modifies nor
// keeps p. It waits while the browser's bufferedAmount is past
// ConnOptions.WriteQueue and while a [Writer] is in the middle of a message; on
// an attached connection it never waits. Text that is not UTF-8 is refused.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if err := checkMessage(typ, p); err != nil {
		return err
	}
	if err := c.lockMessage(ctx, len(p)); err != nil {
		return err
	}
	c.post(payload(typ, p), len(p))
	c.mu.Unlock()
	return nil
}

// TryWrite is Write where it need not wait: it reports whether the message was
// queued.
func (c *Conn) TryWrite(typ MessageType, p []byte) bool {
	if checkMessage(typ, p) != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cannotWrite() != nil {
		return false
	}
	if c.out.message || !c.room(len(p)) {
		c.oweDrained()
		return false
	}
	c.post(payload(typ, p), len(p))
	return true
}

// Buffered returns how many bytes wait for the peer to take them: the browser's
// bufferedAmount.
func (c *Conn) Buffered() int { return c.socket.buffered() }

// post gives the browser a message. Called with mu held.
func (c *Conn) post(v js.Value, n int) {
	c.socket.value.Call("send", v)
	c.out.sent.Add(int64(n))
}

// cannotWrite returns why nothing more may be queued. Called with mu held.
func (c *Conn) cannotWrite() error {
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	if ce := c.closing; ce != nil {
		return ce
	}
	return nil
}

// room reports whether n more bytes may be queued: a message of any size fits an
// empty queue.
func (c *Conn) room(n int) bool {
	q := c.socket.buffered()
	return q == 0 || q+n <= c.set.WriteQueue
}

// lockMessage takes mu when a message of n bytes may be queued, waiting for it
// as Write's contract says.
func (c *Conn) lockMessage(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return c.orEnd(err)
	}
	c.mu.Lock()
	for {
		err := c.cannotWrite()
		if err == nil {
			free := c.room(n)
			if free && !c.out.message {
				return nil
			}
			if !free && c.out.attached {
				return c.slowPeer()
			}
			err = c.wait(ctx, !free)
		}
		if err != nil {
			c.mu.Unlock()
			return err
		}
	}
}

// slowPeer applies the policy of an attached connection whose queue is full. It
// is called with mu held and releases it.
func (c *Conn) slowPeer() error {
	c.oweDrained()
	c.mu.Unlock()
	if c.set.QueuePolicy == RefuseWrite {
		return ErrQueueFull
	}
	return c.refuse(StatusTryAgainLater, ErrSlowPeer)
}

// oweDrained has the handler told when the queue is empty. Called with mu held.
func (c *Conn) oweDrained() {
	h, ok := c.handler.(DrainedHandler)
	if !ok || c.out.full || c.socket.buffered() == 0 {
		return
	}
	c.out.full = true
	go func() {
		c.mu.Lock()
		for c.ended.Load() == nil && c.socket.buffered() > 0 {
			c.wait(context.Background(), true)
		}
		c.out.full = false
		c.out.telling++
		c.mu.Unlock()
		defer func() { // runtime.Goexit in a handler comes here too
			c.mu.Lock()
			c.out.telling--
			c.signal()
			c.mu.Unlock()
		}()
		if c.ended.Load() == nil {
			c.guard(func() { h.Drained(c) })
		}
	}()
}

// awaitDrained waits for the calls of Drained that began before the connection
// ended. None begins after.
func (c *Conn) awaitDrained() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out.telling > 0 {
		c.wait(context.Background(), false)
	}
}
