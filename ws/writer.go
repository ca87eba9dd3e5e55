//go:build !js

package ws

import (
	"context"

	"github.com/tidewire/tidewire/ws/frame"
)

// Writer streams one message: what is written leaves in frames of up to 16 KiB.
// Until Close, no other data message can start; pings, pongs and a close pass
// between its frames. It is for one goroutine at a time.
type Writer struct {
	c     *Conn
	ctx   context.Context
	typ   MessageType
	buf   *[]byte
	text  frame.UTF8
	begun bool // a frame has left
	zip   bool // its frames are compressed
	err   error
}

// fragment is how much a Writer gathers before it sends a frame.
const fragment = 16 << 10

// Writer begins a message of the given type. It waits, as long as ctx lives, for
// another Writer to finish. ctx also bounds the Writes and the Close; when it
// ends in the middle of a message, Write returns its error and can be tried
// again only by ending the connection with [Writer.Cancel].
func (c *Conn) Writer(ctx context.Context, typ MessageType) (*Writer, error) {
	if err := checkMessage(typ, nil); err != nil {
		return nil, err
	}
	if err := c.lockMessage(ctx, 0); err != nil {
		return nil, err
	}
	c.out.message = true
	c.out.mu.Unlock()
	return &Writer{c: c, ctx: ctx, typ: typ, buf: getBuffer(fragment)}, nil
}

// Write adds p to the message. It returns once p is gathered or queued. Text may
// be cut anywhere, but must be UTF-8 as a whole.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.typ == Text && !w.text.Write(p) {
		return 0, errTextUTF8
	}
	n := 0
	for len(p) > 0 {
		if len(*w.buf) == fragment {
			if err := w.send(false); err != nil {
				return n, err
			}
		}
		k := min(fragment-len(*w.buf), len(p))
		*w.buf = append(*w.buf, p[:k]...)
		p = p[k:]
		n += k
	}
	return n, nil
}

// Close sends what is left and ends the message. If it fails because the context
// ended, it may be called again after nothing but a [Writer.Cancel] remains.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if w.typ == Text && !w.text.Complete() {
		w.Cancel()
		return errTextUTF8
	}
	if err := w.send(true); err != nil {
		return err
	}
	w.release(errWriterDone)
	return nil
}

// Cancel gives the message up. Where none of it has left, the connection goes on
// as if it had never begun; otherwise the connection is closed, because the peer
// waits for the rest. After Close it does nothing.
func (w *Writer) Cancel() {
	if w.err != nil {
		return
	}
	begun := w.begun
	c := w.c
	if begun {
		// First the close frame, then the lock: no other message may follow the
		// broken one.
		c.refuse(StatusInternalError, errCancelled)
	}
	w.release(errCancelled)
}

func (w *Writer) release(err error) {
	w.err = err
	putBuffer(w.buf)
	w.buf = nil
	out := &w.c.out
	out.lock()
	out.message = false
	out.signal()
	w.c.takeBehind()
	drained := w.c.owesDrained()
	w.c.flushLater()
	if drained {
		w.c.drained()
	}
}

// send sends what is gathered as one frame.
func (w *Writer) send(fin bool) error {
	c, out := w.c, &w.c.out
	if err := c.lockFragment(w.ctx, len(*w.buf)); err != nil {
		return err
	}
	h := frame.Header{Fin: fin, Opcode: frame.Opcode(w.typ)}
	if w.begun {
		h.Opcode = frame.Continuation
	}
	if out.deflate != nil && (w.zip || !w.begun && (!fin || out.deflate.Wants(len(*w.buf)))) {
		b := getBuffer(len(*w.buf))
		z, err := out.deflate.Append(*b, *w.buf)
		if err != nil {
			putBuffer(b)
			out.mu.Unlock()
			return prefixed(err)
		}
		if !fin {
			// The end of a flushed block, which only the last frame goes without
			// (RFC 7692 section 7.2.1).
			z = append(z, 0x00, 0x00, 0xff, 0xff)
		}
		if !w.begun {
			h.RSV, w.zip = frame.RSV1, true
		}
		c.appendFrame(h, z)
		*b = z
		putBuffer(b)
		c.countHistory()
	} else {
		c.appendFrame(h, *w.buf)
	}
	w.begun = true
	*w.buf = (*w.buf)[:0]
	if out.flushing || out.corked || out.attached || c.patient && w.ctx.Done() != nil {
		c.flushLater()
		return nil
	}
	return c.flush(w.ctx, false)
}

// lockFragment takes out.mu when the Writer that holds the message may queue n
// bytes.
func (c *Conn) lockFragment(ctx context.Context, n int) error {
	out := &c.out
	out.lock()
	for {
		if err := c.cannotWrite(); err != nil {
			out.mu.Unlock()
			return err
		}
		if out.room(c, n) {
			return nil
		}
		if out.corked && !out.flushing {
			out.corked = false
			c.flushLater()
			out.lock()
			continue
		}
		if err := out.wait(ctx); err != nil {
			out.mu.Unlock()
			return c.orEnd(err)
		}
	}
}
