//go:build !js

package ws

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// writeShared writes a large message from the caller's memory, copying only what
// a cancelled write leaves behind. It is called with mu held, as the flusher to
// be, and releases it.
func (c *Conn) writeShared(ctx context.Context, typ MessageType, p []byte) error {
	w := &c.out
	w.flushing = true
	var hdr [frame.MaxHeaderSize]byte
	head := w.pending // control frames that nobody has flushed yet
	w.pending = nil
	if head == nil {
		head = getBuffer(frame.MaxHeaderSize)
	}
	before := len(*head)
	h := frame.AppendHeader(hdr[:0], frame.Header{Fin: true, Opcode: frame.Opcode(typ), Length: int64(len(p))})
	*head = append(*head, h...)
	total := len(*head) + len(p)
	w.inflight = total
	w.mu.Unlock()

	n, err := c.send(ctx, *head, p)

	w.lock()
	w.inflight = 0
	if err == nil {
		putBuffer(head)
		return c.flushRest(ctx)
	}
	if !c.interrupted(ctx, err) {
		putBuffer(head)
		return c.writeBroken(err)
	}
	cerr := ctx.Err()
	if n <= before && cerr != nil {
		// Not a byte of the message has left: take it back.
		*head = append((*head)[:0], (*head)[n:before]...)
		c.putBack(head, nil)
	} else {
		cerr = nil
		rest := p[max(0, n-len(*head)):]
		*head = append((*head)[:0], (*head)[min(n, len(*head)):]...)
		c.putBack(head, rest)
	}
	c.handOver()
	if cerr != nil {
		cerr = c.orEnd(cerr)
	}
	return cerr
}

// interrupted reports whether err is no more than the end of ctx, or the wish of
// stopFlusher, so that what is left can still be sent. Called with mu held.
func (c *Conn) interrupted(ctx context.Context, err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && (ctx.Err() != nil || c.ended.Load() == nil || c.out.stalled)
}

// putBack puts bytes that were taken but not written in front of pending. head
// is the queue's from here on. Called with mu held.
func (c *Conn) putBack(head *[]byte, rest []byte) {
	w := &c.out
	if len(rest) > 0 {
		head = growBuffer(head, len(rest))
		*head = append(*head, rest...)
	}
	if behind := w.pending; behind != nil {
		head = growBuffer(head, len(*behind))
		*head = append(*head, *behind...)
		putBuffer(behind)
	}
	w.pending = head
	if len(*head) == 0 {
		putBuffer(head)
		w.pending = nil
	}
}

// flush writes what is pending, as the flusher, in the caller's goroutine. recall
// says that pending holds nothing but the caller's message, which may be taken
// back as long as no byte has left. It is called with mu held and releases it.
func (c *Conn) flush(ctx context.Context, recall bool) error {
	w := &c.out
	w.flushing = true
	b := w.pending
	w.pending = nil
	w.inflight = len(*b)
	w.mu.Unlock()

	n, err := c.send(ctx, *b, nil)

	w.lock()
	return c.sent(ctx, b, n, err, recall)
}

// sent goes on where the first n bytes of b have left, and err stopped the rest. It
// is called as the flusher with mu held and releases it. See flush.
func (c *Conn) sent(ctx context.Context, b *[]byte, n int, err error, recall bool) error {
	c.out.inflight = 0
	if err == nil {
		putBuffer(b)
		return c.flushRest(ctx)
	}
	if !c.interrupted(ctx, err) {
		putBuffer(b)
		return c.writeBroken(err)
	}
	if cerr := ctx.Err(); n == 0 && recall && cerr != nil {
		putBuffer(b)
		c.handOver()
		return c.orEnd(cerr)
	}
	*b = append((*b)[:0], (*b)[n:]...)
	c.putBack(b, nil)
	c.handOver()
	return nil
}

// flushRest goes on with what others queued meanwhile, for a few rounds. It is
// called as the flusher with mu held and releases it.
func (c *Conn) flushRest(ctx context.Context) error {
	w := &c.out
	for range maxRounds {
		if w.pending == nil {
			c.flushed()
			return nil
		}
		if w.stalled {
			break
		}
		b := w.pending
		w.pending = nil
		w.inflight = len(*b)
		w.signal()
		w.mu.Unlock()

		n, err := c.send(ctx, *b, nil)

		w.lock()
		w.inflight = 0
		if err != nil {
			if !c.interrupted(ctx, err) {
				putBuffer(b)
				c.writeBroken(err)
				return nil // the caller's own message has left
			}
			*b = append((*b)[:0], (*b)[n:]...)
			c.putBack(b, nil)
			c.handOver()
			return nil
		}
		putBuffer(b)
	}
	c.handOver()
	return nil
}

// flushed gives the flusher's duty back, with nothing pending. It is called with
// mu held and releases it.
func (c *Conn) flushed() {
	w := &c.out
	w.flushing = false
	if c.ticks.stuck.Load() != 0 {
		c.ticks.stuck.Store(0)
	}
	w.signal()
	drained := c.owesDrained()
	held := w.held
	w.held = 0
	c.calmDown()
	w.mu.Unlock()
	if held > 0 {
		c.unhold(held)
	}
	if drained {
		c.drained()
	}
	if c.ended.Load() != nil && c.flags.has(flagEvents) {
		c.desc.Kick() // departOn waits for this
	}
}

// handOver passes the flusher's duty to a goroutine, which ends when nothing is
// pending. It is called as the flusher with mu held and releases it.
func (c *Conn) handOver() {
	w := &c.out
	if w.pending == nil {
		c.flushed()
		return
	}
	over := c.countQueue()
	stopped := w.stalled // see stopFlusher
	if stopped {
		w.flushing = false
	}
	w.signal()
	w.mu.Unlock()
	if over {
		c.overBudget()
	}
	if !stopped {
		go c.flushAll()
	}
}

// flushAll is the goroutine of handOver.
func (c *Conn) flushAll() {
	w := &c.out
	late := false // a deadline passed that nobody of ours had set
	w.lock()
	for {
		if c.flags.has(flagGone) && w.pending != nil {
			putBuffer(w.pending)
			w.pending = nil
		}
		if w.pending == nil {
			c.flushed()
			return
		}
		if w.stalled {
			c.handOver()
			return
		}
		b := w.pending
		w.pending = nil
		w.inflight = len(*b)
		w.mu.Unlock()

		n, err := c.send(context.Background(), *b, nil)

		w.lock()
		w.inflight = 0
		if w.stalled && errors.Is(err, os.ErrDeadlineExceeded) {
			*b = append((*b)[:0], (*b)[n:]...)
			c.putBack(b, nil)
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && c.ended.Load() == nil && (n > 0 || !late) {
			late = n == 0
			c.stream.SetWriteDeadline(time.Time{})
			*b = append((*b)[:0], (*b)[n:]...)
			c.putBack(b, nil)
			continue
		}
		late = false
		putBuffer(b)
		if err != nil {
			c.writeBroken(err)
			return
		}
		w.signal()
		over := c.countQueue()
		if over {
			w.mu.Unlock()
			c.overBudget()
			w.lock()
		}
	}
}

// writeBroken ends the connection after a failed write. It is called as the
// flusher with mu held and releases it.
func (c *Conn) writeBroken(err error) error {
	w := &c.out
	if w.pending != nil {
		putBuffer(w.pending)
		w.pending = nil
	}
	w.tail = nil
	if ce := c.ended.Load(); ce != nil {
		c.flushed()
		return ce
	}
	if w.failed == nil {
		w.failed = &CloseError{By: Network, Code: StatusAbnormalClosure, Cause: err, At: time.Now()}
		if closing := w.closing; closing != nil && closing.By == Us {
			w.failed.By, w.failed.Code, w.failed.Reason = Us, closing.Code, closing.Reason
			w.failed.Cause = errNoReply
		}
	}
	ce := w.failed
	// What the peer sent before it went away, its close frame perhaps, may still
	// be there to be read: the reader finds the end. If none comes by, the wheel
	// settles it.
	if c.ticks.dead.Load() == 0 {
		c.ticks.dead.Store(moment(c.wheel.now.Load() + ticks(c.set.CloseTimeout) + 1))
	}
	c.flushed()
	return ce
}

// send writes head and then p to the stream, as the flusher. It returns how many
// bytes left, and os.ErrDeadlineExceeded when ctx interrupted it.
func (c *Conn) send(ctx context.Context, head, p []byte) (int, error) {
	w := &c.out
	if c.patient {
		ctx = context.Background()
	}
	ctx = c.ownContext(ctx)
	if !w.watch.begin(ctx, (*writing)(c)) {
		return 0, errTwoFlushers
	}
	defer func() {
		w.watch.end((*writing)(c))
		if c.flags.has(flagGone) {
			w.watch.drop()
		}
	}()
	if ctx.Err() != nil {
		return 0, os.ErrDeadlineExceeded
	}
	return c.put(head, p)
}

// put is send without regard to a context.
func (c *Conn) put(head, p []byte) (int, error) {
	if c.plain() {
		return c.socket.Write(head, p, (*writing)(c))
	}
	sent, err := c.putPieces(head)
	if err == nil && p != nil {
		var n int
		n, err = c.putPieces(p)
		sent += n
	}
	return sent, err
}

// putPieces writes b to a stream that is no plain socket.
func (c *Conn) putPieces(b []byte) (sent int, err error) {
	for sent < len(b) {
		if sent > 0 {
			(*writing)(c).Moved()
		}
		n, err := c.stream.Write(b[sent:min(len(b), sent+writePiece)])
		sent += n
		if n == 0 && err == nil {
			err = io.ErrShortWrite
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// Moved implements engine.Progress: the peer has taken something.
func (c *writing) Moved() {
	if c.ticks.stuck.Load() != 0 {
		c.ticks.stuck.Store(moment(c.wheel.now.Load()))
	}
}

var errTwoFlushers = errors.New("ws: internal error: two flushers")

// flushLater sees to it that what is pending leaves, without waiting: at once if
// the socket takes it, else by a goroutine. It is called with mu held and
// releases it.
func (c *Conn) flushLater() {
	w := &c.out
	evented := c.flags.has(flagEvents)
	if w.corked && w.pendingLen() < chunkBuffer {
		if !evented || w.apart {
			c.noteCork()
		}
		w.mu.Unlock()
		return
	}
	if w.flushing || w.stalled || w.pending == nil && w.tail == nil && !w.wire.waits() {
		over := c.countQueue()
		w.mu.Unlock()
		if over {
			c.overBudget()
		}
		return
	}
	w.flushing = true
	if evented {
		c.flushOn()
		return
	}
	if !c.plain() {
		c.handOver()
		return
	}
	b := w.pending
	w.pending = nil
	w.inflight = len(*b)
	w.mu.Unlock()
	n, err := c.socket.TryWrite(*b)
	w.lock()
	w.inflight = 0
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		putBuffer(b)
		c.writeBroken(err)
		return
	}
	if n == len(*b) {
		putBuffer(b)
		if w.pending == nil {
			c.flushed()
			return
		}
	} else {
		c.ticks.stuck.Store(moment(c.wheel.now.Load()))
		*b = append((*b)[:0], (*b)[n:]...)
		c.putBack(b, nil)
	}
	c.handOver()
}

// emptied reports whether everything queued has left.
func (c *Conn) emptied() bool {
	w := &c.out
	w.lock()
	defer w.mu.Unlock()
	return !w.flushing && w.pending == nil && w.tail == nil && !w.wire.waits()
}

// drainQueue waits until everything queued has left, and reports whether it did
// before the deadline.
func (c *Conn) drainQueue(deadline time.Time) bool {
	w := &c.out
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	w.lock()
	defer w.mu.Unlock()
	for w.flushing || w.pending != nil {
		if c.flags.has(flagGone) {
			return false
		}
		if !w.flushing {
			w.corked = false
			c.flushLater()
			w.lock()
			continue
		}
		if w.wait(ctx) != nil {
			return false
		}
	}
	return true
}

// dropQueue throws away what can no longer leave, once the stream is closed.
func (c *Conn) dropQueue() {
	w := &c.out
	w.lock()
	if w.pending != nil && !w.flushing {
		putBuffer(w.pending)
		w.pending = nil
	}
	w.tail = nil
	held := int(w.history)
	w.history = 0
	if !w.flushing {
		held += w.held
		w.held = 0
	}
	if w.deflate != nil {
		w.deflate.Release()
		w.deflate = nil
	}
	w.signal()
	w.mu.Unlock()
	if held > 0 {
		c.unhold(held)
	}
	w.watch.drop()
}
