package ws

import (
	"context"

	"github.com/tidewire/tidewire/ws/frame"
)

// Writer makes one message of many writes. A browser sends messages whole: what
// is written is gathered, within the Budget, and leaves with Close. Until then,
// no other data message can start. It is for one goroutine at a time.
type Writer struct {
	c    *Conn
	ctx  context.Context
	typ  MessageType
	buf  []byte
	text frame.UTF8
	err  error
}

// Writer begins a message of the given type. It waits, as long as ctx lives, for
// another Writer to finish. ctx also bounds the Writes and the Close.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (*Writer, error) {
	if err := checkMessage(typ, nil); err != nil {
		return nil, err
	}
	if err := c.lockMessage(ctx, 0); err != nil {
		return nil, err
	}
	c.out.message = true
	c.mu.Unlock()
	return &Writer{c: c, ctx: ctx, typ: typ}, nil
}

// Write adds p to the message. Text may be cut anywhere, but must be UTF-8 as a
// whole.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if w.typ == Text && !w.text.Write(p) {
		return 0, errTextUTF8
	}
	if err := w.c.hold(len(p)); err != nil {
		return 0, err
	}
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// Close sends the message. If it fails, nothing was sent, and it may be called
// again.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.typ == Text && !w.text.Complete() {
		return errTextUTF8
	}
	c := w.c
	c.mu.Lock()
	for {
		err := c.cannotWrite()
		if err == nil && c.room(len(w.buf)) {
			break
		}
		if err == nil {
			err = c.wait(w.ctx, true)
		}
		if err != nil {
			c.mu.Unlock()
			return err
		}
	}
	c.post(payload(w.typ, w.buf), len(w.buf))
	c.mu.Unlock()
	w.release(errWriterDone)
	return nil
}

// Cancel gives the message up. None of it has left, so that the connection goes
// on as if it had never begun. After Close it does nothing.
func (w *Writer) Cancel() {
	if w.err == nil {
		w.release(errCancelled)
	}
}

func (w *Writer) release(err error) {
	w.err = err
	c := w.c
	c.unhold(len(w.buf))
	w.buf = nil
	c.mu.Lock()
	c.out.message = false
	c.signal()
	c.mu.Unlock()
}
