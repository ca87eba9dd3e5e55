package ws

import (
	"context"
	"slices"
	"syscall/js"
)

// inbox holds what has arrived and was not read. It stays in the browser's
// memory until then. Guarded by Conn.mu.
type inbox struct {
	messages []arrival
	stream   *messageReader // the message that a Reader reads
}

// arrival is a message that has arrived.
type arrival struct {
	typ  MessageType
	data js.Value // a Uint8Array
	size int
}

// arrivalCost is counted for each message beside its bytes, so that empty ones
// cannot pile up either.
const arrivalCost = 64

func (a *arrival) cost() int { return a.size + arrivalCost }

// appendTo appends the message to dst.
func (a *arrival) appendTo(dst []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, a.size)[:n+a.size]
	js.CopyBytesToGo(dst[n:], a.data)
	return dst
}

// arrived takes a message from the browser, which has checked its UTF-8.
func (c *Conn) arrived(data js.Value) {
	a := arrival{typ: Binary}
	if data.Type() == js.TypeString {
		a.typ = Text
		a.data = textEncoder().Call("encode", data)
	} else {
		a.data = bytesClass().New(data)
	}
	a.size = a.data.Get("byteLength").Int()
	if limit := c.set.MaxMessage; limit >= 0 && int64(a.size) > limit {
		c.refuse(StatusMessageTooBig, ErrTooBig)
		return
	}
	if c.hold(a.cost()) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.Load() != nil {
		c.unhold(a.cost())
		return
	}
	c.in.messages = append(c.in.messages, a)
	c.signal()
}

// next waits for a message.
func (c *Conn) next(ctx context.Context) (arrival, error) {
	if err := ctx.Err(); err != nil {
		return arrival{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if len(c.in.messages) > 0 {
			a := c.in.messages[0]
			c.in.messages[0] = arrival{}
			c.in.messages = c.in.messages[1:]
			if len(c.in.messages) == 0 {
				c.in.messages = nil
			}
			c.unhold(a.cost())
			return a, nil
		}
		if ce := c.ended.Load(); ce != nil {
			return arrival{}, ce
		}
		if err := c.wait(ctx, false); err != nil {
			return arrival{}, err
		}
	}
}

// beginRead makes the caller the reader.
func (c *Conn) beginRead(ctx context.Context) error {
	if !c.reading.CompareAndSwap(false, true) {
		if c.flags.has(flagLoop) {
			return ErrAttached
		}
		if ce := c.ended.Load(); ce != nil {
			return ce
		}
		return ErrReading
	}
	err := ctx.Err()
	c.mu.Lock()
	// What came before the peer's close can still be read.
	if ce := c.ended.Load(); ce != nil && len(c.in.messages) == 0 && c.in.stream == nil {
		err = ce
	}
	c.mu.Unlock()
	if err != nil {
		c.endRead()
	}
	return err
}

// endRead gives reading back.
func (c *Conn) endRead() { c.reading.Store(false) }

// readError says which of the possible reasons ended a call: here, next has said
// it.
func (c *Conn) readError(_ context.Context, err error) error { return err }

func (c *Conn) readMessage(ctx context.Context, buf []byte) (MessageType, []byte, error) {
	c.setStream(nil)
	a, err := c.next(ctx)
	if err != nil {
		return 0, buf, err
	}
	return a.typ, a.appendTo(buf), nil
}

func (c *Conn) setStream(m *messageReader) {
	c.mu.Lock()
	c.in.stream = m
	c.mu.Unlock()
}

// readNoData reads until the end, and sees to it that a message is the end.
func (c *Conn) readNoData() error {
	return c.run(func(MessageType, []byte) bool {
		c.refuse(StatusPolicyViolation, errUnexpectedData)
		return true
	})
}
