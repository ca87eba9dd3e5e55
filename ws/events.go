//go:build !js

package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/tidewire/tidewire/ws/engine"
)

// An attached connection over a plain socket, or over TLS on a wire, is driven by
// the engine: no goroutine, buffer or timer is its own while nothing happens. What
// it does is done by
// whoever brings the event: a worker of the engine, the Write that finds the
// socket free, the wheel.

// stage is how far the events of a connection have come; the reader owns it.
type stage uint8

const (
	stageNew     stage = iota // Opened has not been called
	stageReading              // messages are delivered
	stageClosed               // the connection has ended, Closed has been or is being called
	stageDepart               // the last bytes leave, and the stream is closed
	stageGreet                // Server: the handshake is not over
	stageGone                 // Server: it came to nothing
)

// evented is a Conn as the engine sees it.
type evented Conn

func (e *evented) Readable() bool { return (*Conn)(e).readable() }
func (e *evented) Writable()      { (*Conn)(e).writable() }
func (e *evented) Blocked()       { (*Conn)(e).hurry() }

// enter drives an attached connection: by the engine where it can, and then it
// returns soon; otherwise on the calling goroutine until the end.
func (c *Conn) enter(h Handler) {
	if c.toEngine(true) {
		c.desc.Resume()
	} else {
		c.serve(h)
	}
}

// toEngine hands the socket to the engine, and reports whether it took it. With hold,
// reading is the caller's; without, somebody who is writing just now keeps the
// engine from taking it.
func (c *Conn) toEngine(hold bool) bool {
	w := &c.out
	w.lock()
	stopped := w.flushing
	if stopped && !hold {
		w.mu.Unlock()
		return false
	}
	if stopped && !c.stopFlusher() {
		w.mu.Unlock()
		return false
	}
	ok := c.ended.Load() == nil && c.changeStream(hold)
	if ok { // the contexts of earlier calls, a request's perhaps, interrupt no more
		c.read.watch.drop()
		w.watch.drop()
	}
	if !stopped {
		w.mu.Unlock()
		return ok
	}
	w.stalled, w.flushing = false, true
	if ok {
		c.flushOn()
	} else {
		c.stream.SetWriteDeadline(time.Time{})
		if w.tail != nil { // shared while stalled: who flushes from here on knows bytes alone
			w.grow(0)
		}
		c.handOver()
	}
	return ok
}

// stopFlusher has whoever writes to the stream leave the rest to the caller: the peer
// may not take it before we read. It reports whether the stream can be written to
// without waiting. Called with out.mu held, which it lets go meanwhile.
func (c *Conn) stopFlusher() bool {
	if !c.plain() {
		return false
	}
	w := &c.out
	w.stalled = true
	c.stream.SetWriteDeadline(longAgo)
	for w.flushing {
		w.wait(context.Background())
	}
	return true
}

// changeStream puts the engine's Conn in the stream's place. Called with out.mu held.
func (c *Conn) changeStream(hold bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	below := c.stream
	wire := wireOf(c.stream)
	if wire != nil {
		below = wire.link()
		c.out.wire = wire
		wire.engage(c)
	}
	c.read.polled = true
	c.flags.set(flagEvents)
	nc, err := c.wheel.poller.Add(&c.desc, below, (*evented)(c), hold)
	if err != nil {
		c.flags.clear(flagEvents)
		c.read.polled = false
		if wire != nil {
			c.out.wire = nil
			wire.evented.Store(nil)
		}
		return false
	}
	if wire != nil {
		wire.replace(nc)
		return true
	}
	c.stream = nc
	c.socket = nil // it holds the stream of before
	c.flags.clear(flagPlain | flagOther)
	return true
}

// readable reads and delivers what has come. See engine.Events.
func (c *Conn) readable() bool {
	r := &c.read
	if r.stage >= stageGreet {
		if r.stage == stageGone || !c.greet(c.handler.(*greeting)) {
			return true
		}
	} else {
		r.drained = false
	}
	if r.inside { // runtime.Goexit in a handler cut the pass of before short
		r.inside = false
		if r.stage <= stageReading {
			r.stage = stageReading
			return c.over(errExited)
		}
		r.stage = stageDepart
	}
	if r.stage >= stageClosed {
		r.stage = stageDepart
		c.departOn()
		return true
	}
	r.inside = true
	r.lend()
	h := c.handler
	if r.stage == stageNew {
		r.stage = stageReading
		c.guard(func() { h.Opened(c) })
	}
	done, err := c.pass(func(typ MessageType, p []byte) bool {
		c.guard(func() { h.Message(c, typ, p) })
		return true
	})
	c.uncork()
	if !done {
		r.giveBack()
		r.inside = false
		return true
	}
	r.inside = false
	return c.over(err)
}

// over ends the delivery of messages. See engine.Events for what it returns.
func (c *Conn) over(err error) bool {
	c.read.inside = true
	c.endRun(err)
	c.read.stage = stageClosed
	c.out.lock()
	telling := c.out.telling > 0
	c.out.mu.Unlock()
	if telling {
		go func() {
			defer c.desc.Resume()
			c.awaitDrained()
			c.tellClosed()
		}()
		return false
	}
	c.tellClosed()
	c.departOn()
	return true
}

func (c *Conn) tellClosed() {
	c.guard(func() { c.handler.Closed(c, c.ended.Load()) })
	c.read.inside = false
	c.read.stage = stageDepart
}

// departOn takes an ended connection from the last frame to the closed stream, as
// far as that goes without waiting: the queue, the end of our half, what the peer
// still sends, so that closing does not answer that with a reset, which would
// overtake our close frame. The wheel bounds it.
func (c *Conn) departOn() {
	r := &c.read
	if c.flags.has(flagKilled) || c.flags.has(flagGone) || c.departQuickly() {
		c.vanish()
		return
	}
	if !c.emptied() {
		return // flushed comes back to it
	}
	if !r.halved {
		if w := c.out.wire; w != nil {
			w.over.CloseWrite() // close_notify, once
			if !c.emptied() {
				return
			}
		}
		r.halved = true
		if c.desc.CloseWrite() != nil {
			c.vanish()
			return
		}
	}
	if r.answered && !c.client && !c.desc.Unread() {
		c.vanish() // RFC 6455 section 7.1.1: the server closes the stream first
		return
	}
	b := getBuffer(chunkBuffer)
	defer putBuffer(b)
	for r.dropped < maxDrain {
		var n int
		var err error
		if w := c.out.wire; w != nil {
			n, err = w.receive((*b)[:cap(*b)])
		} else {
			n, _, err = c.desc.Read((*b)[:cap(*b)])
		}
		if err == errWouldBlock || engine.WouldBlock(err) {
			return
		}
		if n == 0 || err != nil {
			break
		}
		r.dropped += int32(n)
	}
	c.vanish()
}

// receiveEvent reads once what the engine has announced.
func (c *Conn) receiveEvent() (int, error) {
	r := &c.read
	if w := c.out.wire; w != nil {
		return w.receive(r.Space()) // drained says nothing of what TLS has
	}
	if r.drained {
		return 0, errWouldBlock
	}
	var n int
	var more bool
	var err error
	if r.into == nil {
		n, more, err = c.desc.Read(r.Space())
	} else { // nothing lies in the read buffer
		n, more, err = c.desc.ReadPast(r.into, r.room())
		if past := n - len(r.into); past > 0 {
			n -= past
			r.rest = r.rest[:len(r.rest)+past]
		}
	}
	switch {
	case err != nil && engine.WouldBlock(err):
		return 0, errWouldBlock
	case err != nil:
		return 0, c.opError("read", err)
	}
	r.drained = !more
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// hurry lets replies that a slow handler holds back leave.
func (c *Conn) hurry() {
	w := &c.out
	w.lock()
	w.corked = false
	c.flushLater()
}

// writable goes on where the socket took no more.
func (c *Conn) writable() {
	w := &c.out
	w.lock()
	switch {
	case w.flushing:
		w.again = true
		w.mu.Unlock()
	case w.stalled || w.wire.waits():
		w.stalled, w.flushing = false, true
		c.flushOn()
	default:
		w.mu.Unlock()
	}
}

// flushOn writes what is pending, as the flusher, and leaves what the socket does
// not take for writable. It is called with mu held and releases it.
func (c *Conn) flushOn() {
	w := &c.out
	for round := 0; ; round++ {
		if w.pending == nil && w.tail == nil && !w.wire.waits() {
			if w.wire != nil {
				w.wire.sated()
			} else {
				c.desc.Sated()
			}
			c.flushed()
			return
		}
		if round == maxRounds { // others keep queuing: the caller's Write must return
			w.mu.Unlock()
			go func() {
				w.lock()
				c.flushOn()
			}()
			return
		}
		if !c.flushRound(nil) {
			return
		}
	}
}

// flushRound takes what is pending and then p to the socket. It is called as the
// flusher with mu held, and reports whether to go on; otherwise it has given the
// duty back and released mu.
func (c *Conn) flushRound(p []byte) bool {
	w := &c.out
	if w.wire != nil {
		return c.flushWire(p)
	}
	b, tail := w.pending, w.tail
	w.inflight = w.queued() + len(p)
	w.pending, w.tail, w.again = nil, nil, false
	w.signal()
	w.mu.Unlock()
	var n int
	var err error
	if tail == nil && p == nil {
		n, err = c.desc.Write(*b)
	} else {
		n, err = c.sendPieces(b, tail, p)
	}
	w.lock()
	total := w.inflight
	w.inflight = 0
	if err != nil {
		if b != nil {
			putBuffer(b)
		}
		c.writeBroken(c.opError("write", err))
		return false
	}
	if n == total {
		if b != nil {
			putBuffer(b)
		}
		return true
	}
	c.takeBack(b, tail, p, n)
	if w.again {
		return true
	}
	c.stall(n > 0)
	return false
}

// sendPieces writes what has several pieces.
func (c *Conn) sendPieces(b *[]byte, tail *sharedTail, p []byte) (int, error) {
	var room [16][]byte
	return c.desc.WriteAll(inPieces(room[:0], b, tail, p))
}

func inPieces(pieces [][]byte, b *[]byte, tail *sharedTail, p []byte) [][]byte {
	if b != nil {
		pieces = append(pieces, *b)
	}
	if tail != nil {
		pieces = append(pieces, tail.frames...)
	}
	if p != nil {
		pieces = append(pieces, p)
	}
	return pieces
}

// takeBack puts what flushRound has taken back in front of the queue, without the n
// bytes that have left. Called with mu held.
func (c *Conn) takeBack(b *[]byte, tail *sharedTail, p []byte, n int) {
	w := &c.out
	if b != nil {
		k := min(n, len(*b))
		n -= k
		if *b = append((*b)[:0], (*b)[k:]...); len(*b) == 0 {
			putBuffer(b)
			b = nil
		}
	}
	tail, n = tail.after(n)
	p = p[max(0, min(n, len(p))):]
	if tail != nil && (len(p) > 0 || w.pending != nil) { // bytes come behind it
		b, tail = tail.appendTo(b), nil
	}
	if len(p) > 0 && b == nil {
		b = getBuffer(len(p))
	}
	if b != nil {
		c.putBack(b, p)
	}
	if tail != nil {
		w.tail = tail.join(w.tail)
	}
}

// stall gives the flusher's duty back while bytes are pending that the socket does
// not take. It is called with mu held and releases it.
func (c *Conn) stall(moved bool) {
	w := &c.out
	if c.flags.has(flagGone) { // since the last write: dropQueue has left what is pending to us
		c.writeBroken(net.ErrClosed)
		return
	}
	if moved || c.ticks.stuck.Load() == 0 {
		c.ticks.stuck.Store(moment(c.wheel.now.Load()))
	}
	w.flushing, w.stalled = false, true
	over := c.countQueue()
	w.signal()
	w.mu.Unlock()
	if over {
		c.overBudget()
	}
}

// writeOn sends a large message, and what is pending before it, by one system call
// from the caller's memory. Only what the socket does not take is copied. It is
// called with mu held and releases it.
func (c *Conn) writeOn(p []byte) error {
	c.out.flushing = true
	if c.flushRound(p) {
		c.flushOn()
	}
	return nil
}

// opError describes a failed call on the socket as package net would.
func (c *Conn) opError(op string, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	nc := c.link()
	local, remote := nc.LocalAddr(), nc.RemoteAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: remote, Err: os.NewSyscallError(op, err)}
}
