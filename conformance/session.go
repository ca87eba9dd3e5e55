package conformance

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"
	"unicode/utf8"
)

// session is one case being played on one connection.
type session struct {
	r    *Runner
	run  *run
	c    *Case
	role Role // of the peer
	ctx  context.Context
	log  *transcript
	rng  *rand.Rand

	wire    *wire
	unguard func() bool   // takes the connection's end off the context
	flood   chan struct{} // closed when the writing of a flood is over; nil without one
	br      *bufio.Reader
	in      inbox
	done    chan struct{} // closed when the reading goroutine is gone; nil before it starts

	request, response head // the peer's one, and the runner's one as far as raw goes
	deflate           *exchange

	// What the frames so far add up to.
	sentClose bool
	gotClose  bool
	badClose  bool // the fault is what the runner's close frame says, not its header
	asked     bool // pings or pongs were sent: pongs are counted exactly
	opcode    byte // of the message being received, 0 between messages
	packed    bool // it is compressed
	message   []byte
	keys      [][4]byte
	broken    bool // a write failed; nothing more is sent

	out []byte
	lax []string // why the verdict is no better than NotStrict
}

// The ways in which a case ends early.

//go:noinline
func (s *session) failf(format string, args ...any) {
	panic(outcome{Fail, fmt.Sprintf(format, args...)})
}

//go:noinline
func (s *session) unsupportedf(format string, args ...any) {
	panic(outcome{Unsupported, fmt.Sprintf(format, args...)})
}

//go:noinline
func (s *session) informf(format string, args ...any) {
	panic(outcome{Informational, fmt.Sprintf(format, args...)})
}

// laxf makes NotStrict the best verdict that is left; the case goes on.
//
//go:noinline
func (s *session) laxf(format string, args ...any) {
	if reason := fmt.Sprintf(format, args...); len(s.lax) < 4 {
		s.lax = append(s.lax, reason)
	}
}

func (s *session) notef(format string, args ...any) {
	s.log.add(Noted, 0, nil, fmt.Sprintf(format, args...))
}

// masks tells whether the runner's frames are masked: it is the client when the
// peer is the server. RFC 6455 5.1.
func (s *session) masks() bool { return s.role == Server }

// bound is how many bytes the case takes in from the peer.
func (s *session) bound() int64 {
	most := or(s.r.MaxBytes, 40<<20)
	if s.c.heavy {
		return most
	}
	return min(most, max(4<<20, 4*int64(s.r.volume())))
}

// start begins to read frames.
func (s *session) start() {
	s.done = make(chan struct{})
	s.in.bell = make(chan struct{}, 1)
	go readFrames(s.br, s.wire, &s.in, s.log, s.bound(), s.done)
}

// end closes the connection and waits for the reading goroutine.
func (s *session) end() {
	if s.wire != nil {
		s.unguard()
		s.wire.Conn.Close()
	}
	if s.flood != nil {
		<-s.flood
	}
	if s.done != nil {
		<-s.done
	}
}

// send writes frames. chop 0 writes them together, a positive chop in pieces
// of so many bytes, a negative one frame by frame.
func (s *session) send(chop int, frames ...frame) {
	buf := s.out[:0]
	flush := func(all bool) {
		rest := buf
		for len(rest) > 0 {
			n := len(rest)
			if chop > 0 {
				if len(rest) < chop && !all {
					break
				}
				n = min(n, chop)
			}
			if _, err := s.wire.Write(rest[:n]); err != nil {
				s.notef("sending failed: %v", err)
				s.broken = true
				rest = nil
				break
			}
			rest = rest[n:]
		}
		buf = append(buf[:0], rest...)
	}
	for _, f := range frames { // copies: scripts are shared between runs
		if s.broken {
			break
		}
		mask := s.masks() != f.wrong
		if mask && !f.fixedKey {
			binary.LittleEndian.PutUint32(f.key[:], s.rng.Uint32())
		}
		at := len(buf)
		buf = f.appendHeader(buf, mask)
		header := len(buf) - at
		for pos := 0; pos < len(f.payload); {
			n := min(len(f.payload)-pos, 64<<10)
			from := len(buf)
			buf = append(buf, f.payload[pos:pos+n]...)
			if mask {
				xor(buf[from:], f.key, pos)
			}
			if pos == 0 {
				s.log.addFrame(Sent, header+len(f.payload), buf[at:], &f)
			}
			if pos += n; len(buf) >= 64<<10 {
				flush(false)
			}
		}
		if len(f.payload) == 0 {
			s.log.addFrame(Sent, header, buf[at:], &f)
		}
		switch f.op {
		case opClose:
			s.sentClose = true
		case opPing, opPong:
			s.asked = true
		}
		if chop < 0 {
			flush(true)
		}
	}
	flush(true)
	if cap(buf) <= 256<<10 {
		s.out = buf[:0]
	}
}

// encode returns a frame as it goes on the wire.
func (s *session) encode(f frame) []byte {
	mask := s.masks() != f.wrong
	if mask && !f.fixedKey {
		binary.LittleEndian.PutUint32(f.key[:], s.rng.Uint32())
	}
	b := f.appendHeader(nil, mask)
	at := len(b)
	b = append(b, f.payload...)
	if mask {
		xor(b[at:], f.key, 0)
	}
	return b
}

// sendCut sends a frame up to and including n bytes of its payload, and returns
// the rest.
func (s *session) sendCut(f frame, n int) []byte {
	b := s.encode(f)
	cut := len(b) - len(f.payload) + n
	s.raw(b[:cut], "the beginning of "+f.String())
	return b[cut:]
}

// raw writes bytes as they are.
func (s *session) raw(p []byte, what string) {
	s.log.add(Sent, len(p), p, what)
	if s.broken {
		return
	}
	if _, err := s.wire.Write(p); err != nil {
		s.notef("sending failed: %v", err)
		s.broken = true
	}
}

// Events that next returns.
type eventKind uint8

const (
	gotMessage eventKind = iota
	gotPong
	gotCloseFrame
	gotEnd
)

type event struct {
	kind eventKind
	op   byte   // of a message
	data []byte // of a message or a pong; a close frame's reason
	code uint16 // of a close frame; 0 if it has none
	err  error  // of an end
}

// wait returns the next arrival. It fails the case when nothing has moved in
// either direction for the runner's patience.
func (s *session) wait(what string) arrival {
	for {
		if a, ok := s.in.take(); ok {
			return a
		}
		patience := s.r.patience()
		t := time.NewTimer(max(time.Millisecond, patience-s.wire.idle()))
		select {
		case <-s.in.bell:
			t.Stop()
			continue
		case <-s.ctx.Done():
			t.Stop()
			s.failf("the case's time is over (%v) while waiting for %s", s.r.timeout(), what)
		case <-t.C:
		}
		if s.in.empty() && s.wire.idle() >= patience {
			s.failf("nothing came for %v; waited for %s", patience, what)
		}
	}
}

// reacts tells whether anything arrives within d. It takes nothing away.
func (s *session) reacts(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for s.in.empty() {
		select {
		case <-s.in.bell:
		case <-t.C:
			return !s.in.empty()
		case <-s.ctx.Done():
			return !s.in.empty()
		}
	}
	return true
}

// next returns the next thing that the peer said, and fails the case if it was
// said wrongly. Pings are answered and not returned.
func (s *session) next(what string) event {
	for {
		a := s.wait(what)
		if a.err != nil {
			if errors.Is(a.err, errTooMuch) {
				s.failf("%v (%d bytes)", a.err, s.bound())
			}
			return event{kind: gotEnd, err: a.err}
		}
		if e, ok := s.judge(&a.frame); ok {
			return e
		}
	}
}

// judge checks a frame against what the RFC allows a peer to send, and returns
// what it means. It returns false for frames that mean nothing yet.
func (s *session) judge(f *frame) (event, bool) {
	if s.gotClose {
		// RFC 6455 5.5.1: no more data frames after a close frame; 1.4: further data
		// is discarded, and there is no sense in sending any.
		s.failf("the peer sent a frame after its close frame: %v", f)
	}
	if f.masked != (s.role == Client) {
		if f.masked {
			s.failf("the server masked a frame: %v", f) // RFC 6455 5.1
		}
		s.failf("the client did not mask a frame: %v", f) // RFC 6455 5.1, 5.3
	}
	if f.masked && len(s.keys) < 4096 {
		s.keys = append(s.keys, f.key)
	}
	if !f.lean {
		s.failf("the length %d is not in its shortest form", f.size) // RFC 6455 5.2
	}
	if f.size>>63 != 0 {
		s.failf("the length has its most significant bit set") // RFC 6455 5.2
	}
	if f.isControl() {
		return s.judgeControl(f)
	}
	// RFC 7692 6.1: RSV1 marks a compressed message, on its first frame alone.
	packs := f.rsv == rsv1 && s.deflate != nil && f.op != opContinuation
	if f.rsv != 0 && !packs {
		s.failf("reserved bits %03b are set without an extension that defines them: %v", f.rsv, f)
	}
	switch f.op { // RFC 6455 5.4
	case opContinuation:
		if s.opcode == 0 {
			s.failf("a continuation frame came outside a message")
		}
	case opText, opBinary:
		if s.opcode != 0 {
			s.failf("a new message began inside another one: %v", f)
		}
		s.opcode, s.packed, s.message = f.op, packs, nil
	default:
		s.failf("the peer used the reserved opcode %d", f.op) // RFC 6455 5.2
	}
	if s.message == nil {
		s.message = f.payload
	} else {
		s.message = append(s.message, f.payload...)
	}
	if !f.fin {
		return event{}, false
	}
	e := event{kind: gotMessage, op: s.opcode, data: s.message}
	if s.packed {
		p, err := s.deflate.inflate(s.message, s.bound())
		if err != nil {
			s.failf("the peer's compressed message: %v", err)
		}
		e.data = p
	}
	s.opcode, s.message = 0, nil
	if e.op == opText && !utf8.Valid(e.data) {
		s.failf("the peer sent a text message that is not UTF-8: %s", show(e.data)) // RFC 6455 8.1
	}
	return e, true
}

func (s *session) judgeControl(f *frame) (event, bool) {
	switch {
	case f.op != opClose && f.op != opPing && f.op != opPong:
		s.failf("the peer used the reserved opcode %d", f.op) // RFC 6455 5.2
	case f.rsv != 0:
		s.failf("reserved bits %03b are set on a control frame: %v", f.rsv, f)
	case !f.fin || f.size > 125: // RFC 6455 5.5
		s.failf("a control frame is fragmented or longer than 125 bytes: %v", f)
	}
	switch f.op {
	case opPing:
		if !s.sentClose {
			asked := s.asked
			s.send(0, pong(string(f.payload)))
			s.asked = asked
		}
		return event{}, false
	case opPong:
		return event{kind: gotPong, data: f.payload}, true
	}
	s.gotClose = true
	e := event{kind: gotCloseFrame}
	switch {
	case len(f.payload) == 1: // RFC 6455 5.5.1
		s.failf("the peer's close frame has one byte of payload")
	case len(f.payload) >= 2:
		e.code, e.data = binary.BigEndian.Uint16(f.payload), f.payload[2:]
		if !sendable(e.code) { // RFC 6455 7.4
			s.failf("the peer's close frame has code %d, which must not be sent", e.code)
		}
		if !utf8.Valid(e.data) { // RFC 6455 5.5.1
			s.failf("the reason in the peer's close frame is not UTF-8")
		}
	}
	return e, true
}

// sendable tells whether a code may stand in a close frame: RFC 6455 7.4 and the
// IANA registry (1012 to 1014).
func sendable(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

func (e event) String() string {
	switch e.kind {
	case gotMessage:
		return fmt.Sprintf("the message %s %s", opNames[e.op], show(e.data))
	case gotPong:
		return "the pong " + show(e.data)
	case gotCloseFrame:
		if e.code == 0 {
			return "a close frame without a code"
		}
		return fmt.Sprintf("a close frame with %d %s", e.code, show(e.data))
	}
	return "the end of the connection: " + reading(e.err)
}

// reading words the error that ended the reading.
func reading(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, io.EOF):
		return "closed without a close frame"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "closed in the middle of a frame"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), "read: ")
}
