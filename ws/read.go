//go:build !js

package ws

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/tidewire/tidewire/ws/engine"
	"github.com/tidewire/tidewire/ws/frame"
)

// errWouldBlock ends a pass over what has arrived, where the loop that reads is
// woken again by the socket.
var errWouldBlock = errors.New("ws: would block")

func (c *Conn) readMessage(ctx context.Context, buf []byte) (MessageType, []byte, error) {
	if err := c.discardReader(); err != nil {
		return 0, buf, c.readError(ctx, err)
	}
	p, err := c.whole(buf, false)
	if err != nil {
		return 0, buf, c.readError(ctx, err)
	}
	return c.read.typ, p, nil
}

// beginRead makes the caller the reader.
func (c *Conn) beginRead(ctx context.Context) error {
	if !c.read.watch.begin(c.ownContext(ctx), (*reading)(c)) {
		return c.whyBusy(ctx)
	}
	if t := &c.ticks; t.paused != 0 {
		t.excuse(c.wheel.now.Load() - t.paused)
		t.paused = 0
	}
	// The context is looked at after the watch is armed: one that ends later
	// fires it.
	err := ctx.Err()
	if ce := c.ended.Load(); ce != nil {
		err = ce
	}
	if err != nil {
		c.endRead()
		return err
	}
	c.read.lend()
	return nil
}

// awaitPeer completes a closing handshake that a Close began while another
// goroutine was reading, if that one reads no more. The wheel bounds it.
func (c *Conn) awaitPeer() {
	if !c.closing() || !c.read.watch.begin(context.Background(), (*reading)(c)) {
		return
	}
	go func() {
		c.read.lend()
		for c.ended.Load() == nil {
			if err := c.discardMessage(); err != nil && c.ended.Load() == nil {
				c.broken(err)
			}
		}
		c.endRead()
	}()
}

// closing reports whether our close frame is queued.
func (c *Conn) closing() bool {
	c.out.lock()
	defer c.out.mu.Unlock()
	return c.out.closing != nil
}

// whyBusy says why a call cannot read now. Where a Close is reading, to complete
// the handshake, it waits for that: the answer is how the connection ended.
func (c *Conn) whyBusy(ctx context.Context) error {
	if c.flags.has(flagLoop) {
		return ErrAttached
	}
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	if !c.closing() {
		return ErrReading
	}
	select {
	case <-c.Context().Done():
		return c.ended.Load()
	case <-ctx.Done():
		return c.orEnd(ctx.Err())
	}
}

// ownContext spares the watch for a context that ends with the connection: it
// cannot interrupt anything that the end does not.
func (c *Conn) ownContext(ctx context.Context) context.Context {
	if x, ok := ctx.(*connContext); ok && x.conn == c {
		return context.Background()
	}
	return ctx
}

// endRead gives reading back, and everything that an idle connection need not
// hold. The reader that saw the end sees to the stream.
func (c *Conn) endRead() {
	r := &c.read
	if c.slowFirst || !c.flags.has(flagOther) {
		r.giveBack()
	} // Other streams have a buffer while they wait for bytes: it may as well stay.
	if c.ended.Load() == nil {
		if c.ticks.begun.Load() != 0 {
			c.ticks.paused = moment(c.wheel.now.Load())
		}
		r.watch.end((*reading)(c))
		if c.ended.Load() == nil {
			// sendClose sets dead before Close looks for a reader: one of the two
			// sees the other.
			if c.ticks.dead.Load() != 0 {
				c.awaitPeer()
			}
			return
		}
		// The end came between the two looks.
		if !r.watch.state.CompareAndSwap(idle, busy) {
			return
		}
	}
	c.depart()
}

// readError says which of the possible reasons ended a call.
func (c *Conn) readError(ctx context.Context, err error) error {
	if ce := c.ended.Load(); ce != nil {
		return ce
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if cerr := ctx.Err(); cerr != nil {
			return cerr
		}
	}
	return err
}

// whole reads until a message is complete and appends it to dst. With view, the
// result may be a part of the read buffer instead, or of a pooled one: it is
// valid until the next call.
//
// On an error that does not end the connection, what has arrived is kept and the
// next call goes on.
func (c *Conn) whole(dst []byte, view bool) ([]byte, error) {
	r := &c.read
	base := len(dst)
	if !r.begun && !r.open {
		if len(r.rest) == 0 {
			c.markBegun(false)
			if err := c.fill(); err != nil {
				return nil, err
			}
		}
		if begin, end := r.frames.Short(r.rest); end > 0 && c.fits(end-begin) {
			return c.short(dst, begin, end, view)
		}
	}
	direct := false // the message's bytes are in dst, not in r.parts
	if r.begun && view {
		dst, direct = *r.view, true
	} else if r.begun {
		if err := r.settle(c); err != nil {
			return nil, err
		}
	}
	for {
		ev, err := c.parse()
		if err != nil {
			return nil, err
		}
		switch ev {
		case evChunk:
			k := r.chunk()
			if int64(k) == r.left && r.fin && r.size == 0 {
				return c.single(dst, r.rest[:k], view)
			}
			if !direct {
				dst, direct = c.goDirect(dst, view)
			}
			if direct {
				n := len(dst)
				dst = dst[:n+k]
				if c.client {
					copy(dst[n:], r.rest[:k])
				} else {
					frame.MaskCopy(dst[n:], r.rest[:k], r.key, int(r.pos))
				}
				r.take(k)
				err = c.checkText(dst[n:])
			} else {
				p := r.rest[:k]
				if !c.client {
					frame.Mask(p, r.key, int(r.pos))
				}
				if err = r.parts.add(c, p); err == nil {
					r.take(k)
					err = c.checkText(p)
				}
			}
		case evMore:
			if len(r.rest) == 0 && r.left >= smallBuffer {
				if !direct {
					dst, direct = c.goDirect(dst, view)
				}
				dst, err = c.fillMessage(dst, direct)
			} else {
				err = c.fill()
			}
		case evEnd:
			return c.complete(dst, direct, view)
		}
		if err != nil {
			if direct && view {
				*r.view = dst
				if herr := c.holdView(); herr != nil {
					return nil, herr
				}
			} else if direct {
				// The caller's memory is the caller's again.
				if kerr := r.parts.add(c, dst[base:]); kerr != nil {
					return nil, kerr
				}
			}
			return nil, err
		}
	}
}

// goDirect moves a message into dst, or into the view, where its end is in sight:
// the rest fits what dst has, or is small enough to allocate ahead.
func (c *Conn) goDirect(dst []byte, view bool) ([]byte, bool) {
	r := &c.read
	if r.compressed || !r.fin {
		return dst, false
	}
	total := int64(r.parts.n) + r.left
	if int64(cap(dst)-len(dst)) < total {
		// An announced length is worth no more than a few times what has come.
		come := max(smallBuffer, 4*(r.parts.n+len(r.rest)))
		if far := r.left > int64(min(chunkBuffer, come)); far && view && come >= chunkBuffer && total <= maxPooled {
			// Memory that is there already: nothing is allocated on the peer's word.
			b := findBuffer(int(total))
			if b == nil {
				return dst, false
			}
			c.dropView()
			r.view = b
			dst = *b
		} else if far {
			return dst, false
		} else if view {
			dst = *c.viewBuffer(int(total))
		} else {
			dst = append(make([]byte, 0, len(dst)+int(total)), dst...)
		}
	}
	return r.parts.appendTo(c, dst), true
}

// fillMessage reads payload past the read buffer, straight to where it stays.
func (c *Conn) fillMessage(dst []byte, direct bool) ([]byte, error) {
	r := &c.read
	var p []byte
	if direct {
		p = dst[len(dst) : len(dst)+int(r.left)]
	} else {
		var err error
		if p, err = r.parts.space(c, r.left); err != nil {
			return dst, err
		}
	}
	n, err := c.receive(p)
	if err != nil {
		return dst, err
	}
	p = p[:n]
	if !c.client {
		frame.Mask(p, r.key, int(r.pos))
	}
	if direct {
		dst = dst[:len(dst)+n]
	} else {
		r.parts.filled(n)
	}
	r.passed(n)
	return dst, c.checkText(p)
}

// complete ends a message that came in pieces.
func (c *Conn) complete(dst []byte, direct, view bool) ([]byte, error) {
	r := &c.read
	switch {
	case r.compressed:
		// Inflating wants the payload in one piece.
		b := getBuffer(r.parts.n)
		*b = r.parts.appendTo(c, *b)
		dst, err := c.inflated(dst, *b, view)
		putBuffer(b)
		return dst, err
	case !direct && view:
		b := c.viewBuffer(r.parts.n)
		*b = r.parts.appendTo(c, *b)
		dst = *b
	case direct && view:
		*r.view = dst
		c.unholdView()
	case !direct:
		dst = r.parts.appendTo(c, slices.Grow(dst, r.parts.n))
	}
	return dst, c.endMessage(false)
}

// viewBuffer replaces the pooled buffer that the last view lay in.
func (c *Conn) viewBuffer(n int) *[]byte {
	r := &c.read
	c.dropView()
	r.view = getBuffer(n)
	return r.view
}

// settle moves a message that has begun to arrive in the view where any other way of
// reading goes on with it.
func (r *readState) settle(c *Conn) error {
	err := r.parts.add(c, *r.view)
	c.dropView()
	return err
}

// holdView counts the view against the budget while a message is incomplete in it.
func (c *Conn) holdView() error {
	r := &c.read
	if r.begun {
		return nil
	}
	err := c.hold(cap(*r.view))
	r.begun = err == nil
	return err
}

func (c *Conn) unholdView() {
	if r := &c.read; r.begun {
		r.begun = false
		c.unhold(cap(*r.view))
	}
}

// dropView gives back the buffer of the last view.
func (c *Conn) dropView() {
	if r := &c.read; r.view != nil {
		c.unholdView()
		putBuffer(r.view)
		r.view = nil
	}
}

// fill reads more bytes behind rest.
func (c *Conn) fill() error {
	_, err := c.receive(nil)
	return err
}

// receive reads once from the stream: into p, or behind rest when p is nil. It
// ends the connection when the stream does.
func (c *Conn) receive(p []byte) (int, error) {
	r := &c.read
	r.into = p
	n, err := c.receiveOnce()
	r.into = nil
	if err != nil {
		if err == errWouldBlock || errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		return 0, c.broken(err)
	}
	if p == nil {
		r.rest = r.rest[:len(r.rest)+n]
	}
	if now := c.wheel.now.Load(); c.ticks.heard.Load() != now {
		c.ticks.heard.Store(now)
	}
	return n, nil
}

func (c *Conn) receiveOnce() (int, error) {
	r := &c.read
	if r.polled {
		if c.flags.has(flagEvents) {
			return c.receiveEvent()
		}
		return c.receivePolled()
	}
	if r.looping {
		c.uncork()
		c.flags.set(flagWaiting)
		n, err := c.receiveFrom()
		c.flags.clear(flagWaiting)
		c.cork()
		return n, err
	}
	return c.receiveFrom()
}

// receiveFrom reads once from a stream that may have it wait.
func (c *Conn) receiveFrom() (int, error) {
	r := &c.read
	if c.plain() {
		return c.socket.Read(r)
	}
	if c.slowFirst && len(r.rest) == 0 && r.left == 0 && r.into == nil {
		// crypto/tls keeps what it decrypted: a few bytes are enough to wait
		// for, and the rest comes without waiting.
		r.Wait()
		n, err := c.stream.Read(r.peek[:])
		if n > 0 {
			copy(r.Space(), r.peek[:n])
			return n, nil
		}
		return n, err
	}
	for range 100 {
		n, err := c.stream.Read(r.Space())
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// receivePolled reads what is there, and knows from the kernel when that was
// all.
func (c *Conn) receivePolled() (int, error) {
	r := &c.read
	if r.watch.state.Load() == fired {
		return 0, os.ErrDeadlineExceeded // polling does not wait, and so sees no deadline
	}
	if r.drained {
		return 0, errWouldBlock
	}
	n, left, err := engine.Recv(r.fd, r.Space())
	switch {
	case err != nil && engine.WouldBlock(err):
		return 0, errWouldBlock
	case err != nil:
		return 0, c.socket.OpError(err)
	case n == 0:
		return 0, io.EOF
	}
	r.drained = left == 0
	return n, nil
}

// readNoData reads until something other than a control frame comes.
func (c *Conn) readNoData() error {
	c.read.looping = false // nothing to cork: no user code runs
	// What a Reader left of its message is nobody's now.
	if err := c.discardReader(); err != nil {
		return err
	}
	for {
		_, err := c.parse()
		if err == nil && c.read.open {
			err = c.refuse(StatusPolicyViolation, errUnexpectedData)
		}
		if err == nil {
			err = c.fill()
		}
		if err != nil {
			return err
		}
	}
}
