//go:build !js

package ws

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// writeState is the sending half of a connection. Frames are appended to
// pending in order; one goroutine at a time, the flusher, takes all that is
// pending to the stream. Whoever finds the stream free flushes; whoever finds it
// busy leaves its frame to the flusher.
type writeState struct {
	mu       sync.Mutex
	pending  *[]byte // pooled; nil when empty
	inflight int     // bytes that the flusher has taken
	flushing bool
	corked   bool          // a reading loop is draining its buffer and will flush
	corks    uint32        // counts corkings, for the monitor
	noted    bool          // the monitor knows of this corking
	full     bool          // a handler is owed a Drained
	attached bool          // Write never waits for the peer
	message  bool          // a Writer is in the middle of a message
	changed  chan struct{} // closed and dropped when a waiter should look again
	closing  *CloseError   // set when our close frame is queued
	deflate  *deflate.Compressor
	held     int // bytes counted against the budget
	watch    watch
}

const (
	// maxRounds is how often a flusher goes on with what others have queued
	// meanwhile, before a goroutine takes over so that its Write returns.
	maxRounds = 8
	// writePiece bounds one write(2), so that a slow peer's progress shows.
	writePiece = 256 << 10
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
	defer w.mu.Lock()
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
	n := w.inflight
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
// in the middle of a message; on an attached connection it never waits. Text
// that is not UTF-8 is refused.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	if err := checkMessage(typ, p); err != nil {
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
	w.mu.Lock()
	if c.cannotWrite() != nil || w.message || !w.room(c, len(p)) {
		if w.queued() > 0 {
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
	c.out.mu.Lock()
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
		return err
	}
	w := &c.out
	w.mu.Lock()
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
			w.mu.Lock()
			continue
		}
		if !free && w.attached {
			return c.slowPeer()
		}
		if err := w.wait(ctx); err != nil {
			w.mu.Unlock()
			return err
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
		c.appendFrame(frame.Header{Fin: true, Opcode: frame.Opcode(typ)}, p)
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
	return nil
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
		if p, err = frame.AppendClose(make([]byte, 0, frame.MaxControlPayload), code, reason); err != nil {
			p = nil
		}
	}
	c.appendFrame(frame.Header{Fin: true, Opcode: frame.Close}, p)
}

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

	w.mu.Lock()
	w.inflight = 0
	if err == nil {
		putBuffer(head)
		return c.flushRest(ctx)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.ended.Load() != nil {
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
	return cerr
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

	w.mu.Lock()
	w.inflight = 0
	if err == nil {
		putBuffer(b)
		return c.flushRest(ctx)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.ended.Load() != nil {
		putBuffer(b)
		return c.writeBroken(err)
	}
	if cerr := ctx.Err(); n == 0 && recall && cerr != nil {
		putBuffer(b)
		c.handOver()
		return cerr
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
		b := w.pending
		w.pending = nil
		w.inflight = len(*b)
		w.signal()
		w.mu.Unlock()

		n, err := c.send(ctx, *b, nil)

		w.mu.Lock()
		w.inflight = 0
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) || c.ended.Load() != nil {
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
	c.ticks.stuck.Store(0)
	w.signal()
	drained := w.full && w.attached && w.pending == nil
	if drained {
		w.full = false
	}
	held := w.held
	w.held = 0
	w.mu.Unlock()
	if held > 0 {
		c.unhold(held)
	}
	if drained {
		c.drained()
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
	w.signal()
	w.mu.Unlock()
	if over {
		c.overBudget()
	}
	go c.flushAll()
}

// flushAll is the goroutine of handOver.
func (c *Conn) flushAll() {
	w := &c.out
	w.mu.Lock()
	for {
		if c.gone.Load() && w.pending != nil {
			putBuffer(w.pending)
			w.pending = nil
		}
		if w.pending == nil {
			c.flushed()
			return
		}
		b := w.pending
		w.pending = nil
		w.inflight = len(*b)
		w.mu.Unlock()

		n, err := c.send(context.Background(), *b, nil)

		w.mu.Lock()
		w.inflight = 0
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && c.ended.Load() == nil {
			*b = append((*b)[:0], (*b)[n:]...)
			c.putBack(b, nil)
			continue
		}
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
			w.mu.Lock()
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
	closing := w.closing
	c.flushed()
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	ce := &CloseError{By: Network, Code: StatusAbnormalClosure, Cause: err}
	if closing != nil && closing.By == Us {
		ce = &CloseError{By: Us, Code: closing.Code, Reason: closing.Reason, Cause: errNoReply}
	}
	c.finish(ce)
	c.kill()
	return c.ended.Load()
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
	defer w.watch.end((*writing)(c))
	if ctx.Err() != nil {
		return 0, os.ErrDeadlineExceeded
	}
	now := &c.wheel.now
	sent := 0
	if len(p) > 0 && len(head)+len(p) <= 4*writePiece {
		c.ticks.stuck.Store(moment(now.Load()))
		v := net.Buffers{head, p}
		n, err := v.WriteTo(c.stream)
		return int(n), err
	}
	for _, b := range [2][]byte{head, p} {
		for len(b) > 0 {
			c.ticks.stuck.Store(moment(now.Load()))
			n, err := c.stream.Write(b[:min(len(b), writePiece)])
			sent += n
			if err != nil {
				return sent, err
			}
			b = b[n:]
		}
	}
	return sent, nil
}

var errTwoFlushers = errors.New("ws: internal error: two flushers")

// flushLater sees to it that what is pending leaves, without waiting: at once if
// the socket takes it, else by a goroutine. It is called with mu held and
// releases it.
func (c *Conn) flushLater() {
	w := &c.out
	if w.corked && w.pendingLen() < chunkBuffer {
		c.noteCork()
		w.mu.Unlock()
		return
	}
	if w.flushing || w.pending == nil {
		over := c.countQueue()
		w.mu.Unlock()
		if over {
			c.overBudget()
		}
		return
	}
	w.flushing = true
	if !c.plain() {
		c.handOver()
		return
	}
	b := w.pending
	w.pending = nil
	w.inflight = len(*b)
	w.mu.Unlock()
	n, err := c.socket.TryWrite(*b)
	w.mu.Lock()
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

// drainQueue waits until everything queued has left, and reports whether it did
// before the deadline.
func (c *Conn) drainQueue(deadline time.Time) bool {
	w := &c.out
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.flushing || w.pending != nil {
		if c.gone.Load() {
			return false
		}
		if !w.flushing {
			w.corked = false
			c.flushLater()
			w.mu.Lock()
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
	w.mu.Lock()
	if w.pending != nil && !w.flushing {
		putBuffer(w.pending)
		w.pending = nil
	}
	held := 0
	if !w.flushing {
		held, w.held = w.held, 0
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

// countQueue brings what is counted for the write queue up to date, and reports
// whether overBudget must be called once mu is released. Called with out.mu held.
func (c *Conn) countQueue() bool {
	w := &c.out
	n := w.queued() - w.held
	if n == 0 {
		return false
	}
	w.held += n
	return c.set.Budget.add(c, int64(n))
}

func (c *Conn) overBudget() { c.set.Budget.evict() }
