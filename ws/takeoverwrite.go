//go:build !js

package ws

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

var (
	errControlPayload = errors.New("ws: a control frame must be whole and carry at most 125 bytes")
	errFrameOpcode    = errors.New("ws: frame opcode is reserved")
)

// WriteFrame sends one frame and returns when the stream has taken it, and all
// that was queued before it. Of h, the fields Fin, RSV and Opcode count; the mask
// is added where this end is the client. The sequence of fragments, their UTF-8
// and their compression are the caller's; control frames are checked. A close
// frame is the last one. p is neither changed nor kept.
//
// When ctx ends first, WriteFrame returns its error; part of the frame may have
// left, and the rest will, unless the connection is closed.
func (t *Takeover) WriteFrame(ctx context.Context, h frame.Header, p []byte) error {
	h = frame.Header{Fin: h.Fin, RSV: h.RSV, Opcode: h.Opcode}
	closing, err := checkTakenFrame(h, p)
	if err != nil {
		return err
	}
	c, w := t.c, &t.c.out
	if err := ctx.Err(); err != nil {
		return c.orEnd(err)
	}
	w.lock()
	if err := t.cannotWrite(); err != nil {
		w.mu.Unlock()
		return err
	}
	if closing != nil {
		w.closing = closing
		w.signal()
	}
	if w.flushing {
		c.appendFrame(h, p)
		w.mu.Unlock()
		err = t.Flush(ctx)
	} else {
		err = t.flush(ctx, h, p)
	}
	if closing != nil {
		w.lock()
		over := t.over
		w.mu.Unlock()
		if over != nil && c.finish(over) {
			c.leave()
		}
	}
	return err
}

// checkTakenFrame checks what WriteFrame checks. For a close frame it returns how
// the connection is then closed.
func checkTakenFrame(h frame.Header, p []byte) (closing *CloseError, err error) {
	if h.Opcode.IsReserved() {
		return nil, errFrameOpcode
	}
	if !h.Opcode.IsControl() {
		return nil, nil
	}
	if !h.Fin || h.RSV != 0 || len(p) > frame.MaxControlPayload {
		return nil, errControlPayload
	}
	if h.Opcode != frame.Close {
		return nil, nil
	}
	code, reason, err := frame.ParseClose(p)
	if err != nil {
		return nil, prefixed(err)
	}
	return &CloseError{By: Us, Code: code, Reason: string(reason), At: time.Now()}, nil
}

// cannotWrite returns why nothing more may be queued. Called with out.mu held.
func (t *Takeover) cannotWrite() error {
	if t.broken != nil {
		return t.broken
	}
	return t.c.cannotWrite()
}

// flush sends what is pending and then a frame, as the flusher. It is called with
// out.mu held and releases it.
func (t *Takeover) flush(ctx context.Context, h frame.Header, p []byte) error {
	c, w := t.c, &t.c.out
	w.flushing = true
	// A goroutine cannot keep p, and a mask cannot be put on it.
	apart := c.patient && ctx.Done() != nil
	if !apart && !c.client && len(p) >= shareLimit {
		h.Length = int64(len(p))
		b := w.grow(frame.MaxHeaderSize)
		*b = frame.AppendHeader(*b, h)
	} else {
		c.appendFrame(h, p)
		p = nil
	}
	head := w.pending
	w.pending = nil
	w.inflight = len(*head) + len(p)
	w.mu.Unlock()
	if apart {
		go t.send(context.Background(), head, nil)
		return t.Flush(ctx)
	}
	return t.send(ctx, head, p)
}

// send writes head and then p, as the flusher, and gives that duty back or hands it
// over. A stream that has failed is the reader's to find, behind what it still
// holds.
func (t *Takeover) send(ctx context.Context, head *[]byte, p []byte) error {
	c, w := t.c, &t.c.out
	n, err := c.send(ctx, *head, p)
	w.lock()
	w.inflight = 0
	switch {
	case err == nil:
		putBuffer(head)
		c.handOver()
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil && c.ended.Load() == nil:
		rest := p[max(0, n-len(*head)):]
		*head = append((*head)[:0], (*head)[min(n, len(*head)):]...)
		c.putBack(head, rest)
		c.handOver()
		return ctx.Err()
	}
	putBuffer(head)
	if w.pending != nil {
		putBuffer(w.pending)
		w.pending = nil
	}
	broken := c.ended.Load()
	if broken == nil {
		broken = &CloseError{By: Network, Code: StatusAbnormalClosure, Cause: err, At: time.Now()}
	}
	t.broken = broken
	c.flushed()
	return broken
}

// Flush waits until the stream has taken all that is queued. It returns ctx's
// error when that ends first, and the *CloseError when the stream failed.
func (t *Takeover) Flush(ctx context.Context) error {
	c, w := t.c, &t.c.out
	w.lock()
	defer w.mu.Unlock()
	for w.flushing || w.pending != nil {
		if c.flags.has(flagGone) {
			break
		}
		if !w.flushing {
			w.corked = false
			c.flushLater()
			w.lock()
			continue
		}
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
	if t.broken != nil {
		return t.broken
	}
	if ce := c.ended.Load(); ce != nil && (ce.By == Network || ce.Cause != nil) {
		return ce
	}
	return nil
}
