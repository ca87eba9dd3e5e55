//go:build !js

package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// A connection ends in two steps. First it is ended: the reason is settled, once,
// and every call returns it. Then it is gone: the stream is closed and every
// buffer given back. In between, whoever owns the reading direction sees to it
// that the last frames leave and that a refusal is not overtaken by a reset.

// maxDrain bounds what is read and thrown away after a refusal, so that the
// close frame reaches a peer that is still sending.
const maxDrain = 64 << 20

// Close performs the closing handshake: it sends a close frame behind what is
// queued, waits for the peer's, and closes the stream, all within
// ConnOptions.CloseTimeout. Data messages that still arrive are discarded.
//
// It may be called from any goroutine and any number of times; the first call's
// code and reason count. Where Attach or Messages is reading, Close sends and
// returns, and the loop completes the handshake. Otherwise it returns nil when
// the handshake was completed, or the *CloseError that says what happened
// instead. A code that may not be sent, or a reason that is not UTF-8 or is
// longer than 123 bytes, is an error and closes nothing. [StatusNoStatusRcvd]
// sends a close frame without a code.
func (c *Conn) Close(code StatusCode, reason string) error {
	if code != StatusNoStatusRcvd || reason != "" {
		if err := frame.CheckClose(code, reason); err != nil {
			return prefixed(err)
		}
	}
	c.sendClose(code, reason)
	if c.flags.delivering() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.set.CloseTimeout)
	defer cancel()
	if c.read.watch.begin(ctx, (*reading)(c)) {
		c.read.lend()
		var err error
		for err == nil && c.ended.Load() == nil {
			err = c.discardMessage()
		}
		if c.ended.Load() == nil {
			c.closeTimedOut()
		}
		c.endRead()
	}
	select {
	case <-c.goneChan():
	case <-ctx.Done():
		c.closeTimedOut()
		c.kill()
	}
	if ce := c.ended.Load(); ce != nil && ce.Cause != nil {
		return ce
	}
	return nil
}

// CloseNow ends the connection and closes the stream at once, without a closing
// handshake; what is queued is lost. A connection that has ended already is left
// to depart, which takes CloseTimeout at most: the peer still reads our close
// frame, so that "defer c.CloseNow()" is always right. It returns nil.
func (c *Conn) CloseNow() error {
	if c.finish(&CloseError{By: Us, Code: StatusAbnormalClosure, Cause: errCloseNow}) {
		c.kill()
	}
	return nil
}

// abort is CloseNow for those who cannot wait.
func (c *Conn) abort() {
	c.CloseNow()
	c.kill()
}

// sendClose queues our close frame, once, and does not wait.
func (c *Conn) sendClose(code StatusCode, reason string) {
	w := &c.out
	w.lock()
	if w.closing != nil || c.ended.Load() != nil {
		w.mu.Unlock()
		return
	}
	w.closing = &CloseError{By: Us, Code: code, Reason: reason, At: time.Now()}
	c.appendClose(code, reason)
	w.corked = false
	w.signal()
	c.ticks.dead.Store(moment(c.wheel.now.Load() + ticks(c.set.CloseTimeout) + 1))
	c.flushLater()
}

func (c *Conn) closeTimedOut() {
	ce := &CloseError{By: Us, Code: StatusAbnormalClosure, Cause: errCloseTimeout}
	c.out.lock()
	if cl := c.out.closing; cl != nil {
		ce.Code, ce.Reason = cl.Code, cl.Reason
	}
	c.out.mu.Unlock()
	c.finish(ce)
}

// closeFrame handles the peer's close frame, and returns the error that ends
// reading.
func (c *Conn) closeFrame(p []byte) error {
	code, reason, err := frame.ParseClose(p)
	if err != nil {
		return c.violation(err)
	}
	w := &c.out
	w.lock()
	ours := w.closing
	if ours == nil {
		// RFC 6455 section 5.5.1: answer with a close frame, typically with the
		// status code that was received.
		w.closing = &CloseError{By: Peer, Code: code, Reason: string(reason)}
		c.finish(w.closing)
		c.appendClose(code, "")
	} else {
		c.finish(&CloseError{By: ours.By, Code: ours.Code, Reason: ours.Reason})
	}
	w.corked = false
	w.signal()
	c.read.answered = true
	c.flushLater()
	return c.ended.Load()
}

// violation refuses what broke the protocol, with the code that the error
// carries.
func (c *Conn) violation(err error) error {
	code := StatusProtocolError
	if fe := (*frame.Error)(nil); errors.As(err, &fe) {
		code = fe.Code
	}
	return c.refuse(code, err)
}

// refuse ends the connection because of what the peer did: it sends a close
// frame with code, and leaves the stream to the reader, or to a goroutine of its
// own when nobody reads. It returns the connection's error and does not wait.
func (c *Conn) refuse(code StatusCode, cause error) error {
	return c.refuseWith(code, shortReason(cause), cause)
}

// refuseWith is refuse with other words for the peer than for us.
func (c *Conn) refuseWith(code StatusCode, reason string, cause error) error {
	ce := &CloseError{By: Policy, Code: code, Cause: cause}
	if !c.finish(ce) {
		return c.ended.Load()
	}
	countRefusal(code, cause)
	w := &c.out
	w.lock()
	if w.closing == nil {
		w.closing = ce
		c.appendClose(code, reason)
	}
	w.corked = false
	w.signal()
	c.flushLater()
	c.leave()
	return ce
}

// leave gets a connection that has ended on its way: the reader is woken to do
// it, or if there is none, a goroutine does.
func (c *Conn) leave() {
	if c.read.watch.state.CompareAndSwap(idle, busy) {
		go c.depart()
		return
	}
	if c.flags.has(flagEvents) {
		c.desc.Kick()
		return
	}
	c.link().SetReadDeadline(longAgo)
}

// broken ends the connection because the stream failed or ended.
func (c *Conn) broken(err error) error {
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	ce := &CloseError{By: Network, Code: StatusAbnormalClosure, Cause: err}
	c.out.lock()
	if ours := c.out.closing; ours != nil && ours.By == Us {
		ce = &CloseError{By: Us, Code: ours.Code, Reason: ours.Reason, Cause: errNoReply}
	}
	c.out.mu.Unlock()
	// What was accepted before the peer ended its half can still reach it.
	c.read.eof = errors.Is(err, io.EOF)
	c.read.failed = !c.read.eof
	c.finish(ce)
	c.out.lock()
	c.out.signal() // who waits to write learns now, not when the queue is given up
	c.out.mu.Unlock()
	return c.ended.Load()
}

// finish settles why the connection ended, and reports whether it was the first
// to. It does not wait, and may be called with out.mu held.
func (c *Conn) finish(ce *CloseError) bool {
	if ce.At.IsZero() { // else it has been handed out already
		ce.At = time.Now()
	}
	if !c.ended.CompareAndSwap(nil, ce) {
		return false
	}
	count.by[ce.By].Add(1)
	// Whatever comes next is bounded, even if the goroutine that should see to
	// it is held up in a handler.
	if c.ticks.dead.Load() == 0 {
		c.ticks.dead.Store(moment(c.wheel.now.Load() + ticks(c.set.CloseTimeout) + 1))
	}
	c.read.watch.drop()
	c.mu.Lock()
	if x := c.extra; x != nil {
		if x.cancel != nil {
			x.cancel(ce)
		}
		for _, p := range x.pings {
			close(p.done)
		}
		x.pings = nil
	}
	c.mu.Unlock()
	return true
}

// depart takes an ended connection from the last frame to the closed stream. Its
// caller owns the reading direction, for good.
func (c *Conn) depart() {
	r := &c.read
	on := r.watch.watching()
	on.mu.Lock() // from here on, no context interrupts
	on.deaf = true
	r.watch.state.Store(busy)
	on.mu.Unlock()
	if !c.flags.has(flagGone) && !c.departQuickly() {
		if r.attached {
			c.linger()
		} else {
			// The reader's caller gets its answer now.
			go func() {
				c.linger()
				c.vanish()
			}()
			return
		}
	}
	c.vanish()
}

// departQuickly reports whether nothing is left to do but close: the stream has
// ended or both close frames have passed, and no byte waits on either side.
func (c *Conn) departQuickly() bool {
	r := &c.read
	if r.failed {
		return true
	}
	if !r.eof && (!r.answered || c.client || !c.flags.has(flagEvents) && !c.plain()) {
		return false
	}
	return c.emptied() && (r.eof || r.polled && r.drained || !c.unread())
}

// linger lets the queue drain, ends our half of the stream, and reads until the
// peer ends its own, so that closing does not answer what it still sends with a
// reset, which would overtake our close frame.
func (c *Conn) linger() {
	deadline := time.Now().Add(c.set.CloseTimeout)
	w := &c.out.watch
	on := w.watching()
	on.mu.Lock()
	if w.state.Load()&stateMask != fired { // a Write that its context ends must wake first
		c.stream.SetWriteDeadline(deadline)
	}
	on.mu.Unlock()
	if !c.drainQueue(deadline) {
		return
	}
	if hc, ok := c.stream.(interface{ CloseWrite() error }); ok {
		if err := hc.CloseWrite(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return
		}
	}
	if c.read.answered && !c.client && !c.unread() {
		return // RFC 6455 section 7.1.1: the server closes the stream first
	}
	c.stream.SetReadDeadline(deadline)
	b := getBuffer(chunkBuffer)
	defer putBuffer(b)
	for total := 0; total < maxDrain && !c.flags.has(flagGone); {
		n, err := c.stream.Read((*b)[:cap(*b)])
		total += n
		if errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline) {
			c.stream.SetReadDeadline(deadline) // somebody woke the reader late
		} else if err != nil {
			return
		}
	}
}

// kill closes the stream of an ended connection without ceremony. It never
// blocks for long.
func (c *Conn) kill() {
	if c.flags.has(flagGone) {
		return
	}
	c.out.lock()
	c.out.signal() // a handler that waits in Write must not hold its loop up
	c.out.mu.Unlock()
	if c.flags.has(flagEvents) {
		c.flags.set(flagKilled)
		c.desc.Shutdown()
		c.desc.Kick()
		return
	}
	if c.flags.has(flagWakes) {
		// net.Conn.Close waits for RawConn.Read to return, and user code may be
		// running inside: wake the loop, and let it close.
		c.socket.Shutdown()
		return
	}
	if t, ok := c.link().(interface{ NetConn() net.Conn }); ok && c.slowFirst {
		// tls.Conn.Close would wait to send its alert.
		t.NetConn().Close()
	}
	c.closeStream()
	if c.read.watch.state.CompareAndSwap(idle, busy) {
		c.vanish()
	}
}

// vanish is the end of depart: it closes the stream and gives back all that the
// reading direction held.
func (c *Conn) vanish() {
	c.read.drop(c)
	c.closeStream()
	c.desc.Close() // of a stream that was closed while the engine took it over
}

// unread reports whether bytes of a plain socket wait to be read.
func (c *Conn) unread() bool {
	if c.flags.has(flagEvents) {
		return c.desc.Unread()
	}
	return c.plain() && c.socket.Unread()
}

// closeStream closes the stream, once.
func (c *Conn) closeStream() {
	if !c.flags.set(flagGone) {
		return
	}
	c.wheel.leave(c)
	if c.flags.has(flagEvents) {
		if w := c.out.wire; w != nil {
			w.end()
		}
		c.desc.Close()
	} else {
		c.link().Close()
	}
	count.open.Add(-1)
	c.dropQueue()
	c.mu.Lock()
	c.vanished = true
	if x := c.extra; x != nil && x.gone != nil {
		close(x.gone)
	}
	c.mu.Unlock()
	if c.onGone != nil {
		c.onGone(c)
	}
}
