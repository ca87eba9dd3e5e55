package ws

import "context"

// beginLoop makes the caller the reader for as long as the connection lives, or
// until endLoop.
func (c *Conn) beginLoop(ctx context.Context, h Handler) error {
	if err := c.beginRead(ctx); err != nil {
		return err
	}
	c.loopCtx = ctx
	c.setStream(nil)
	if h != nil {
		c.mu.Lock()
		c.handler = h
		c.out.attached = true
		c.mu.Unlock()
	}
	c.flags.set(flagLoop)
	return nil
}

// endLoop gives reading back after a Messages loop.
func (c *Conn) endLoop() {
	c.flags.clear(flagLoop)
	c.endRead()
}

// run reads messages and delivers them until deliver returns false, or the
// connection or the context ends. p is valid until deliver returns.
func (c *Conn) run(deliver func(typ MessageType, p []byte) bool) error {
	for {
		a, err := c.next(c.loopCtx)
		if err != nil {
			return err
		}
		b := getBuffer(a.size)
		*b = a.appendTo(*b)
		more := deliver(a.typ, *b)
		putBuffer(b)
		if !more {
			return nil
		}
	}
}

// uncork does nothing: the browser gathers what is sent.
func (c *Conn) uncork() {}

// depart does nothing: the browser brings the closing handshake to its end.
func (c *Conn) depart() {}

func (c *Conn) toEngine(bool) bool { return false }

func (c *Conn) enter(h Handler) { c.serve(h) }
