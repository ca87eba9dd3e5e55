//go:build !js

package ws

import (
	"context"

	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// writeState is the sending half of a connection. Frames are appended to
// pending in order; one goroutine at a time, the flusher, takes all that is
// pending to the stream. Whoever finds the stream free flushes; whoever finds it
// busy leaves its frame to the flusher.
//
// A Write that finds nothing at all going on does not even take mu: see quick.go.
type writeState struct {
	mu       writeLock
	watch    watch
	pending  *[]byte     // pooled; nil when empty
	tail     *sharedTail // evented: behind pending; nil when empty
	wire     *wire       // evented: below TLS; nil without
	inflight int         // bytes that the flusher has taken
	held     int         // bytes counted against the budget
	flushing bool
	corked   bool          // a reading loop is draining its buffer and will flush
	noted    bool          // the monitor knows of this corking
	full     bool          // a handler is owed a Drained
	apart    bool          // evented: nobody calls hurry if the reading pass takes long
	stalled  bool          // evented: the socket takes no more, until writable
	again    bool          // evented: writable came while somebody was flushing
	attached bool          // Write never waits for the peer
	message  bool          // a Writer is in the middle of a message
	history  int32         // bytes that deflate holds, as counted against the budget
	changed  chan struct{} // closed and dropped when a waiter should look again
	closing  *CloseError   // set when our close frame is queued
	failed   *CloseError   // set when the stream takes nothing more
	deflate  *deflate.Compressor
	corks    uint32 // counts corkings, for the monitor
	telling  int32  // calls of Drained under way
}

const (
	// maxRounds is how often a flusher goes on with what others have queued
	// meanwhile, before a goroutine takes over so that its Write returns.
	maxRounds = 8
	// writePiece bounds one Write to a stream that is no plain socket, so that a
	// slow peer's progress shows. It is a record of TLS.
	writePiece = 16 << 10
	// shareLimit is the payload size from which a message is not copied into
	// the pending buffer but written from the caller's memory.
	shareLimit = 16 << 10
)

// signal wakes those who wait for room, for the message lock or for the end.
func (w *writeState) signal() {
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// wait lets mu go until something changes. The caller looks again.
func (w *writeState) wait(ctx context.Context) error {
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	ch := w.changed
	w.mu.Unlock()
	defer w.lock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// queued returns the bytes that have not reached the stream. Called with mu
// held.
func (w *writeState) queued() int {
	n := w.inflight + w.tail.len()
	if w.inflight == 0 { // else it is a part of that
		n += w.wire.len()
	}
	if w.pending != nil {
		n += len(*w.pending)
	}
	return n
}

// Write sends one message. It may be called from any goroutine at any time;
// messages leave in the order in which their Writes took effect.
//
// nil means that the message has its place in that order, not that it was
// delivered. On an error, nothing of it was queued: neither a context that ends
// nor a full queue leaves half a message. Write neither modifies nor keeps p. It
// waits while the queue is full (ConnOptions.WriteQueue) and while a [Writer] is
// in the middle of a message; on an attached connection it never waits for the
// peer. Text that is not UTF-8 is refused.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if err := checkMessage(typ, p); err != nil {
		return err
	}
	if done, err := c.writeQuick(ctx, typ, p); done {
		return err
	}
	if err := c.lockMessage(ctx, len(p)); err != nil {
		return err
	}
	return c.writeLocked(ctx, typ, p)
}

// TryWrite is Write where it need not wait: it reports whether the message was
// queued.
func (c *Conn) TryWrite(typ MessageType, p []byte) bool {
	if checkMessage(typ, p) != nil {
		return false
	}
	w := &c.out
	w.lock()
	if c.cannotWrite() != nil || w.message || !w.room(c, len(p)) {
		if w.message || w.queued() > 0 {
			w.full = true
		}
		w.mu.Unlock()
		return false
	}
	if c.appendMessage(typ, p) != nil {
		w.mu.Unlock()
		return false
	}
	c.flushLater()
	return true
}

// Buffered returns how many bytes wait for the peer to take them.
func (c *Conn) Buffered() int {
	c.out.lock()
	defer c.out.mu.Unlock()
	return c.out.queued()
}

// cannotWrite returns why nothing more may be queued. Called with mu held.
func (c *Conn) cannotWrite() error {
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	if ce := c.out.closing; ce != nil {
		return ce
	}
	if ce := c.out.failed; ce != nil {
		return ce
	}
	return nil
}

// room reports whether n more bytes may be queued: a message of any size fits an
// empty queue.
func (w *writeState) room(c *Conn, n int) bool {
	q := w.queued()
	return q == 0 || q+n <= c.set.WriteQueue
}

// lockMessage takes mu when a message of n bytes may be queued, waiting for it
// as Write's contract says.
func (c *Conn) lockMessage(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return c.orEnd(err)
	}
	w := &c.out
	w.lock()
	for {
		if err := c.cannotWrite(); err != nil {
			w.mu.Unlock()
			return err
		}
		free := w.room(c, n)
		if !w.message && free {
			return nil
		}
		if !free && w.corked && !w.flushing {
			// Replies were held back to leave together; now is the time.
			w.corked = false
			c.flushLater()
			w.lock()
			continue
		}
		if !free && w.attached {
			return c.slowPeer()
		}
		if err := w.wait(ctx); err != nil {
			w.mu.Unlock()
			return c.orEnd(err)
		}
	}
}

// slowPeer applies the policy of an attached connection whose queue is full. It
// is called with mu held and releases it.
func (c *Conn) slowPeer() error {
	w := &c.out
	w.full = true
	w.mu.Unlock()
	if c.set.QueuePolicy == RefuseWrite {
		return ErrQueueFull
	}
	return c.refuse(StatusTryAgainLater, ErrSlowPeer)
}

// writeLocked queues a message and flushes if nobody does. It is called with mu
// held and releases it.
func (c *Conn) writeLocked(ctx context.Context, typ MessageType, p []byte) error {
	w := &c.out
	if len(p) >= shareLimit && !c.client && c.flags.has(flagEvents) && !w.flushing && !w.stalled &&
		(w.deflate == nil || !w.deflate.Wants(len(p))) {
		head := w.grow(frame.MaxHeaderSize)
		*head = frame.AppendHeader(*head, frame.Header{Fin: true, Opcode: frame.Opcode(typ), Length: int64(len(p))})
		return c.writeOn(p)
	}
	if w.flushing || w.corked || w.attached || c.patient && ctx.Done() != nil {
		if err := c.appendMessage(typ, p); err != nil {
			w.mu.Unlock()
			return err
		}
		c.flushLater()
		return nil
	}
	if len(p) >= shareLimit && !c.client && (w.deflate == nil || !w.deflate.Wants(len(p))) {
		return c.writeShared(ctx, typ, p)
	}
	mark := w.pendingLen()
	recall := w.deflate == nil || !w.deflate.Wants(len(p)) // the peer need not see it
	if err := c.appendMessage(typ, p); err != nil {
		w.mu.Unlock()
		return err
	}
	return c.flush(ctx, recall && mark == 0)
}

func (w *writeState) pendingLen() int {
	if w.pending == nil {
		return 0
	}
	return len(*w.pending)
}

// grow makes room in pending for n more bytes.
func (w *writeState) grow(n int) *[]byte {
	if w.tail != nil {
		w.pending, w.tail = w.tail.appendTo(w.pending), nil
	}
	if w.pending == nil {
		w.pending = getBuffer(n)
	} else {
		w.pending = growBuffer(w.pending, n)
	}
	return w.pending
}

// appendMessage appends p as a frame of its own, compressed if that was
// negotiated and is worth it. Called with mu held.
func (c *Conn) appendMessage(typ MessageType, p []byte) error {
	w := &c.out
	if w.deflate == nil || !w.deflate.Wants(len(p)) {
		b := w.grow(frame.MaxHeaderSize + len(p))
		*b = c.appendPlain(*b, typ, p)
		return nil
	}
	b := getBuffer(len(p)/2 + 64)
	z, err := w.deflate.Append(*b, p)
	if err != nil {
		putBuffer(b)
		return prefixed(err)
	}
	c.appendFrame(frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Opcode(typ)}, z)
	*b = z
	putBuffer(b)
	c.countHistory()
	return nil
}

// countHistory brings what is counted for the compressor's history up to date.
// Called with mu held: what no longer fits shows when a buffer is asked for next.
func (c *Conn) countHistory() {
	w := &c.out
	if n := w.deflate.Held() - int(w.history); n != 0 {
		w.history += int32(n)
		c.set.Budget.add(c, int64(n))
	}
}

// appendPlain appends p to b as a frame of its own.
func (c *Conn) appendPlain(b []byte, typ MessageType, p []byte) []byte {
	if !c.client {
		return frame.AppendMessage(b, frame.Opcode(typ), p)
	}
	h := frame.Header{Fin: true, Opcode: frame.Opcode(typ), Masked: true, Key: frame.NewKey()}
	return frame.Append(b, h, p)
}

// appendFrame appends one frame, masked where this end is the client. Called
// with mu held.
func (c *Conn) appendFrame(h frame.Header, p []byte) {
	h.Length = int64(len(p))
	if c.client {
		h.Masked, h.Key = true, frame.NewKey()
	}
	b := c.out.grow(frame.MaxHeaderSize + len(p))
	*b = frame.Append(*b, h, p)
}

// appendClose appends a close frame. Called with mu held.
func (c *Conn) appendClose(code StatusCode, reason string) {
	var p []byte
	if code != StatusNoStatusRcvd {
		var err error
		p, err = frame.AppendClose(make([]byte, 0, frame.MaxControlPayload), code, reason)
		if err != nil {
			p, _ = frame.AppendClose(p[:0], code, "")
		}
	}
	c.appendFrame(frame.Header{Fin: true, Opcode: frame.Close}, p)
}

// countQueue brings what is counted for the write queue up to date, and reports
// whether overBudget must be called once mu is released. Called with out.mu held.
func (c *Conn) countQueue() bool {
	w := &c.out
	queued := w.queued() - w.tail.len() // what is shared is not this connection's
	if queued < smallBuffer {
		queued = 0 // not worth the budget's lock, with every message
	}
	n := queued - w.held
	if n == 0 {
		return false
	}
	w.held += n
	return c.set.Budget.add(c, int64(n))
}

func (c *Conn) overBudget() { c.set.Budget.evict() }
