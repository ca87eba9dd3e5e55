package ws

import (
	"context"
	"syscall/js"
)

// Prepared is a message that is handed to the browser's memory once and sent to
// many connections. It is safe for concurrent use and never changes.
type Prepared struct {
	// Value is the caller's own, to know a message again in [Group.Refused]. It is
	// set before the message is first sent, if at all.
	Value any

	data js.Value
	size int
	err  error
}

// Prepare encodes a message for [Conn.WritePrepared]. It copies p. Text that is
// not UTF-8 is refused by WritePrepared.
func Prepare(typ MessageType, p []byte) *Prepared {
	if err := checkMessage(typ, p); err != nil {
		return &Prepared{err: err}
	}
	return &Prepared{data: payload(typ, p), size: len(p)}
}

// Len returns the bytes of the message.
func (m *Prepared) Len() int { return m.size }

// WritePrepared is [Conn.Write] for a prepared message.
func (c *Conn) WritePrepared(ctx context.Context, m *Prepared) error {
	if m.err != nil {
		return m.err
	}
	if err := c.lockMessage(ctx, m.size); err != nil {
		return err
	}
	c.post(m.data, m.size)
	c.mu.Unlock()
	return nil
}

func join([]*Prepared) []byte { return nil }

// vacate ends a membership: nothing is queued for it any more.
func (c *Conn) vacate(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.gone = true
}

// queueAll queues the messages of a batch in order, without waiting.
func (c *Conn) queueAll(s *seat, batch []*Prepared, _ []byte) (refused []*Prepared, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.gone {
		return nil, false
	}
	for i, m := range batch {
		if c.cannotWrite() != nil {
			return nil, true
		}
		if c.out.message || !c.room(m.size) {
			return batch[i:], false
		}
		c.post(m.data, m.size)
	}
	return nil, false
}
