package ws

import (
	"context"
	"errors"
	"iter"
)

// Message is a message in a [Conn.Messages] loop.
type Message struct {
	Type MessageType
	Data []byte // valid until the next iteration; may be changed
}

// Messages returns an iterator over the messages that arrive. It is the way to
// read with the fewest system calls: one read(2) for everything that has
// arrived, and the replies that the loop's body writes leave together when that
// is handled, or after about a millisecond.
//
// The loop ends when the connection does: without an error when it was closed
// with 1000 or 1001, and otherwise with one last iteration that carries the
// error. It also ends with ctx, whose error it then yields; breaking out of it
// or a ctx that ends leaves the connection whole, and it can be read on by any
// means. Inside the body, reading calls return ErrAttached, and Close sends and
// returns.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if err := c.beginLoop(ctx, nil); err != nil {
			if !endsQuietly(err) {
				yield(Message{}, err)
			}
			return
		}
		err, broke := c.loopOver(ctx, yield)
		if err != nil && !broke && !endsQuietly(err) {
			yield(Message{}, err)
		}
	}
}

// loopOver runs the loop, and gives reading back even if the body panics.
func (c *Conn) loopOver(ctx context.Context, yield func(Message, error) bool) (err error, broke bool) {
	defer c.endLoop()
	err = c.run(func(typ MessageType, p []byte) bool {
		broke = !yield(Message{Type: typ, Data: p}, nil)
		return !broke
	})
	if err != nil {
		err = c.readError(ctx, err)
	}
	return err, broke
}

// endsQuietly reports whether err is a close that a loop ends with as planned.
func endsQuietly(err error) bool {
	var ce *CloseError
	if !errors.As(err, &ce) || ce.By == Network {
		return false
	}
	return ce.Code == StatusNormalClosure || ce.Code == StatusGoingAway
}
