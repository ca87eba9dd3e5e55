//go:build !js

package ws

import (
	"sync"

	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// readState is the receiving half of a connection. Its owner is whoever holds
// watch's direction.
type readState struct {
	watch watch

	*intake // lent while somebody reads, and while something has begun to arrive

	left    int64 // payload of the current frame still to come
	size    int64 // payload bytes of the message so far, as on the wire
	inflate *deflate.Decompressor
	stream  *messageReader // the Reader that was handed out last
	control controlRate
	window  int32 // bytes that inflate holds, as counted against the budget
	dropped int32 // evented: bytes thrown away since

	key    [4]byte
	pos    uint8 // where in the current frame's payload, modulo the key's length
	fin    bool  // the current frame ends its message
	frames frame.State
	text   frame.UTF8

	open       bool // inside a message
	compressed bool
	typ        MessageType

	eof      bool // the peer has ended its half of the stream
	failed   bool // the stream is of no more use
	answered bool // both close frames have passed

	looping  bool // Attach or Messages reads
	attached bool // Attach reads, on a goroutine of its own
	polled   bool // inside Socket.Wakes: never wait
	drained  bool // polled, and the kernel said that nothing is left

	stage  stage // of an evented connection
	inside bool  // evented: readable has not returned
	halved bool  // evented: our half of the stream is ended
}

// intake is what a connection needs to read, and not while it is idle. Its buf
// stays with it while it is in the pool.
type intake struct {
	buf   *[]byte // pooled; nil while nothing is buffered
	rest  []byte  // what is not parsed yet: a part of *buf, or memory of its own
	parts assembly
	view  *[]byte  // pooled; where the last view lies, if not in buf
	begun bool     // view holds the beginning of a message
	into  []byte   // where the next read goes; nil: behind rest
	peek  [16]byte // what a TLS stream is waited for with
	fd    uintptr  // inside Socket.Wakes
}

var intakes = sync.Pool{New: func() any { return new(intake) }}

// lend gives the reader its intake.
func (r *readState) lend() {
	if r.intake == nil {
		r.intake = intakes.Get().(*intake)
	}
}

// giveBack takes the intake from a reader that is done for now, or if something has
// begun to arrive, what it need not hold. What is there for the next read to take
// stays where it is; a part that has to wait for more needs no buffer of that size.
func (r *readState) giveBack() {
	in := r.intake
	switch {
	case in == nil, len(in.rest) > 0 && (r.left > 0 || wholeFrame(in.rest)):
	case len(in.rest) > 0 || in.parts.chunks != nil || in.view != nil:
		r.Wait()
	default:
		in.rest, in.into = nil, nil
		r.intake = nil
		intakes.Put(in)
	}
}

// wholeFrame reports whether b begins with a whole frame, or with none at all.
func wholeFrame(b []byte) bool {
	h, n, err := frame.ParseHeader(b)
	return err != nil || n > 0 && int64(len(b)-n) >= h.Length
}

// Space implements engine.Source: bytes go behind those not parsed yet.
func (r *readState) Space() []byte {
	if r.into != nil {
		return r.into
	}
	return r.room()
}

// room returns what of the read buffer is behind the bytes not parsed yet.
func (r *readState) room() []byte {
	if r.buf == nil {
		b := getBuffer(max(readBuffer, len(r.rest)+smallBuffer))
		*b = append(*b, r.rest...)
		r.buf, r.rest = b, *b
	} else if len(r.rest) == 0 { // also in an intake from the pool
		*r.buf = (*r.buf)[:0]
		r.rest = *r.buf
	} else if cap(r.rest)-len(r.rest) < smallBuffer/4 {
		n := copy((*r.buf)[:cap(*r.buf)], r.rest)
		r.rest = (*r.buf)[:n]
	}
	return r.rest[len(r.rest):cap(r.rest)]
}

// Wait implements engine.Source: an idle connection holds no pooled buffer.
func (r *readState) Wait() {
	if r.buf == nil {
		return
	}
	var rest []byte
	if len(r.rest) > 0 { // the beginning of a header or of a control frame
		rest = append(rest, r.rest...)
	}
	r.rest = rest
	putBuffer(r.buf)
	r.buf = nil
}

// keep takes a copy of bytes that were read before the connection was made.
func (r *readState) keep(p []byte) {
	r.lend()
	r.rest = append([]byte(nil), p...)
}

// drop gives everything back, at the end.
func (r *readState) drop(c *Conn) {
	if r.intake != nil {
		r.rest = nil
		r.parts.release(c)
		c.dropView()
		r.giveBack()
	}
	if r.inflate != nil {
		r.inflate.Release()
		c.unhold(int(r.window))
		r.inflate, r.window = nil, 0
	}
	r.watch.drop()
}

// event is what parse found.
type event int

const (
	evMore  event = iota // rest is used up, or holds less than it takes
	evChunk              // payload of a data frame lies at the start of rest
	evEnd                // the message is complete
)

// parse walks over rest until there is payload for the caller to take, the end
// of the message, or nothing left. Control frames are answered on the way.
func (c *Conn) parse() (event, error) {
	r := &c.read
	for {
		if r.left > 0 {
			if len(r.rest) == 0 {
				return evMore, nil
			}
			return evChunk, nil
		}
		if r.open && r.fin {
			return evEnd, nil
		}
		if len(r.rest) == 0 {
			c.markBegun(false)
			return evMore, nil
		}
		var h frame.Header
		n, err := r.frames.Next(&h, r.rest)
		if err != nil {
			return evMore, c.violation(err)
		}
		if n == 0 {
			c.markBegun(true)
			return evMore, nil
		}
		if h.Opcode.IsControl() {
			whole := n + int(h.Length)
			if len(r.rest) < whole {
				// A control frame does not change the state of the frames, so
				// that this header may come again.
				c.markBegun(true)
				return evMore, nil
			}
			p := r.rest[n:whole]
			if h.Masked {
				frame.Mask(p, h.Key, 0)
			}
			r.rest = r.rest[whole:]
			if err := c.controlFrame(h.Opcode, p); err != nil {
				return evMore, err
			}
			continue
		}
		r.rest = r.rest[n:]
		if !r.open {
			r.open = true
			r.typ = MessageType(h.Opcode)
			r.compressed = h.RSV&frame.RSV1 != 0
			r.size = 0
			r.text.Reset()
		}
		r.left, r.pos, r.key, r.fin = h.Length, 0, h.Key, h.Fin
		if limit := c.wireLimit(); limit >= 0 && h.Length > limit-r.size {
			return evMore, c.refuse(StatusMessageTooBig, ErrTooBig)
		}
		if !h.Fin || int64(len(r.rest)) < h.Length {
			c.markBegun(true)
		}
	}
}

// markBegun notes, for ConnOptions.MessageTimeout, since when something has begun
// to arrive and not ended.
func (c *Conn) markBegun(begun bool) {
	t := &c.ticks.begun
	switch since := t.Load(); {
	case begun && since == 0:
		t.Store(moment(c.wheel.now.Load()))
	case !begun && since != 0 && !c.read.open:
		t.Store(0)
	}
}

// wireLimit bounds a message as it travels. Deflate can make a message larger,
// by five bytes a stored block and one an empty block; a compressed message that
// is larger still is padding.
func (c *Conn) wireLimit() int64 {
	limit := c.set.MaxMessage
	if limit >= 0 && c.read.compressed {
		limit += limit/8 + 1024
	}
	return limit
}

// take moves past n bytes of payload at the start of rest.
func (r *readState) take(n int) {
	r.rest = r.rest[n:]
	r.passed(n)
}

// passed counts n bytes of payload of the current frame, wherever they were
// read to.
func (r *readState) passed(n int) {
	r.pos = uint8(int(r.pos)+n) % uint8(len(r.key))
	r.left -= int64(n)
	r.size += int64(n)
}

// chunk returns how much of rest is payload of the current frame.
func (r *readState) chunk() int { return int(min(int64(len(r.rest)), r.left)) }

// checkText validates p, the next bytes of the message, failing as soon as no
// continuation could mend it (RFC 6455 section 8.1). Compressed text is checked
// after inflation.
func (c *Conn) checkText(p []byte) error {
	r := &c.read
	if r.typ == Text && !r.compressed && !r.text.Write(p) {
		return c.refuse(StatusInvalidFramePayloadData, frame.ErrInvalidUTF8)
	}
	return nil
}

// endMessage closes the bookkeeping of a message that is complete. whole says
// that its text has been checked in one piece.
func (c *Conn) endMessage(whole bool) error {
	r := &c.read
	r.open = false
	if r.parts.chunks != nil { // room for a Read that was cancelled
		r.parts.release(c)
	}
	c.markBegun(false)
	if !whole && r.typ == Text && !r.text.Complete() {
		return c.refuse(StatusInvalidFramePayloadData, frame.ErrInvalidUTF8)
	}
	return nil
}
