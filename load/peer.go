package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// peer is one connection to the server.
type peer struct {
	run   *run
	shard *shard
	conn  net.Conn
	raw   syscall.RawConn // for plain sockets; nil elsewhere

	mu      sync.Mutex
	out     []byte // what the kernel has not taken
	writing bool   // drain has it
	flight  []sent // echoes that are awaited, the oldest first
	head    int    // where flight begins
	number  stamp  // of the next message
	ending  bool   // the close frame is queued
	over    bool
	start   stamp // compression: where in the cycle it began
	window  int   // compression: the bytes sent, up to a window

	// Of the reader alone.
	in      parser
	at      int    // bytes of the message that has begun
	packed  bool   // it is compressed
	parts   []byte // of it, if it is compressed and came in several
	volume  Volume // of the message that is whole, if it was compressed
	replies replies
	next    stamp // fan-out: the message that is expected
	free    int   // fan-out: messages that everybody has now
	ended   chan struct{}

	member *member // live: its part in a room
}

// sent is a message that is under way. Moments are nanoseconds since the run began.
type sent struct {
	*message
	n    stamp
	due  int64 // when it was to be sent
	sent int64
}

var (
	errEnded   = errors.New("the run is over")
	errStalled = errors.New("nothing is read any more")
)

func (r *run) newPeer(c net.Conn, n int) *peer {
	p := &peer{run: r, conn: c, shard: r.shards[n%len(r.shards)], ended: make(chan struct{})}
	if tcp, ok := c.(*net.TCPConn); ok && rawSockets {
		p.raw, _ = tcp.SyscallConn()
	}
	p.in.deflate = r.plan.Compression != ""
	if r.cycle != nil {
		p.start = r.cycle.start(n)
	}
	if r.live != nil {
		p.member = &member{room: r.live.rooms[n%len(r.live.rooms)], number: n, joined: make(chan struct{}), resume: make(chan struct{})}
	}
	return p
}

// choose is the message that is sent next. Called with mu held.
func (p *peer) choose() *message {
	if c := p.run.cycle; c != nil {
		return c.at(p.start + p.number)
	}
	return p.run.mix.choose(p.shard)
}

// queue appends a message. Called with mu held.
func (p *peer) queue(m *message, due int64) {
	if p.over || p.ending {
		return
	}
	now := p.run.now()
	if due == 0 {
		due = now
	}
	if p.head > 64 && p.head*2 > len(p.flight) {
		p.flight = append(p.flight[:0], p.flight[p.head:]...)
		p.head = 0
	}
	if p.run.fan == nil {
		p.flight = append(p.flight, sent{m, p.number, due, now})
	}
	if m.prepared != nil {
		p.queuePrepared(m)
	} else {
		p.out = m.appendTo(p.out, p.number)
		p.shard.sent.Add(1)
	}
	p.number++
}

func (p *peer) queuePrepared(m *message) {
	use := &m.prepared.after
	if p.window < p.run.cycle.full {
		use = &m.prepared.alone
		p.window += len(m.payload)
	}
	p.out = append(p.out, use.frame...)
	p.shard.ask(len(m.payload), use.size)
}

// flush writes what is queued: at once where the socket takes it, by a goroutine
// of its own else, so that nobody who reads ever waits to write. Called with mu held.
func (p *peer) flush() {
	if len(p.out) == 0 || p.writing || p.over {
		return
	}
	if p.raw != nil {
		var n int
		var err error
		if werr := p.raw.Write(func(fd uintptr) bool {
			n, err = rawWrite(fd, p.out)
			return true
		}); werr != nil {
			err = werr
		}
		if err == nil && n == len(p.out) {
			p.out = p.out[:0]
			if cap(p.out) > 256<<10 {
				p.out = nil
			}
			return
		}
		if n > 0 {
			p.out = append(p.out[:0], p.out[n:]...)
		}
		// An error shows itself again below.
	}
	p.writing = true
	p.run.group.Go(p.drain)
}

func (p *peer) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.out) > 0 && !p.over {
		b := p.out
		p.out = nil
		p.mu.Unlock()
		p.conn.SetWriteDeadline(time.Now().Add(p.run.plan.Timeout))
		_, err := p.conn.Write(b)
		p.mu.Lock()
		if err != nil {
			p.fail("writing: " + kind(err))
			break
		}
	}
	p.writing = false
}

// control queues a control frame. Called with mu held.
func (p *peer) control(op byte, payload []byte) {
	p.out = appendHeader(p.out, 0x80|op, len(payload))
	for i, b := range payload {
		p.out = append(p.out, b^maskKey[i&3])
	}
}

// fail counts an error and ends the connection. Called with mu held.
func (p *peer) fail(why string) {
	if p.over {
		return
	}
	p.shard.fault(why)
	p.leave()
	p.conn.SetDeadline(time.Unix(1, 0)) // the reader closes it
}

// leave takes the connection out of the run. Called with mu held.
func (p *peer) leave() {
	if !p.over {
		p.over = true
		p.run.gone(p)
	}
}

// kind is an error without what differs from one connection to the next.
func kind(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, io.EOF):
		return "the server closed the stream"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "time-out"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}

// read reads until the connection ends.
func (p *peer) read(rest []byte) {
	defer close(p.ended)
	err := p.feed(rest)
	for err == nil {
		if p.raw != nil {
			err = p.readRaw()
		} else {
			err = p.readPlain()
		}
		if errors.Is(err, errStalled) {
			<-p.member.resume
			err = errEnded
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.mu.Lock()
			if !p.over {
				err = nil // somebody wanted another look: see nudge
				p.conn.SetReadDeadline(time.Time{})
			}
			p.mu.Unlock()
		}
	}
	p.mu.Lock()
	if !errors.Is(err, errEnded) {
		p.fail(kind(err))
	}
	p.leave()
	p.mu.Unlock()
	p.conn.Close()
}

// nudge has the reader look at the socket once more: the end of a stream that came in one
// event with data gives no other.
func (p *peer) nudge() { p.conn.SetReadDeadline(time.Unix(1, 0)) }

func (p *peer) readPlain() error {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	n, err := p.conn.Read(*b)
	if n > 0 {
		if ferr := p.feed((*b)[:n]); ferr != nil {
			return ferr
		}
	}
	return err
}

// readRaw is one long call that reads whenever there is something: one read(2) per event, and
// no buffer while there is nothing.
func (p *peer) readRaw() error {
	var ended error
	err := p.raw.Read(func(fd uintptr) bool {
		if p.stalls() {
			ended = errStalled
			return true
		}
		b := buffers.Get().(*[]byte)
		defer buffers.Put(b)
		for {
			n, err := rawRead(fd, *b)
			switch {
			case errors.Is(err, syscall.EAGAIN):
				return false
			case err != nil:
				ended = err
				return true
			case n == 0:
				ended = io.EOF
				return true
			}
			if ended = p.feed((*b)[:n]); ended != nil {
				return true
			}
			if n < len(*b) {
				return false
			}
		}
	})
	if ended != nil {
		return ended
	}
	return err
}

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 64<<10)
	return &b
}}

// feed takes what has arrived, checks every byte of it, and sends what is due next.
func (p *peer) feed(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if p.stalls() {
		return errStalled
	}
	now := p.run.now()
	p.shard.bytes.Add(int64(len(b)))
	p.mu.Lock()
	err := p.take(b, now)
	if err == nil {
		p.flush()
	}
	p.mu.Unlock()
	if p.free > 0 {
		if p.run.plan.Rate == 0 {
			p.run.fan.publish(p.run, p.free, 0)
		}
		p.free = 0
	}
	if m := p.member; m != nil && len(m.free) > 0 {
		for _, f := range m.free {
			f.from.publish(p.run, f.n, 0)
		}
		m.free = m.free[:0]
	}
	return err
}

// stalls tells whether the connection reads nothing any more.
func (p *peer) stalls() bool { return p.member != nil && p.member.stalled.Load() }

// take is feed without the sending. Called with mu held.
func (p *peer) take(b []byte, now int64) error {
	for len(b) > 0 {
		part, rest, f, err := p.in.next(b)
		if err != nil {
			return err
		}
		b = rest
		if f == nil {
			continue
		}
		if f.op >= 8 {
			if f.done {
				if err := p.controlled(f.op); err != nil {
					return err
				}
			}
			continue
		}
		if err := p.data(f, part, now); err != nil {
			return err
		}
	}
	return nil
}

// controlled answers a control frame.
func (p *peer) controlled(op byte) error {
	payload := p.in.control
	switch op {
	case 9:
		p.control(10, payload)
	case 8:
		if p.ending {
			return errEnded
		}
		code := 1005
		if len(payload) >= 2 {
			code = int(binary.BigEndian.Uint16(payload))
		}
		return fmt.Errorf("the server closed the connection with %d", code)
	}
	return nil
}

// data checks a part of a message. Called with mu held.
func (p *peer) data(f *frame, part []byte, now int64) error {
	if p.member != nil {
		return p.member.take(p, f, part, now)
	}
	m, ok := p.expected()
	if !ok {
		return errors.New("the server sent a message that nobody asked for")
	}
	if f.begins && f.op != p.run.op {
		return fmt.Errorf("the server sent opcode %d, expected %d", f.op, p.run.op)
	}
	if f.begins {
		p.packed = f.packed
	}
	whole := f.done && f.fin
	if p.packed {
		if err := p.unpack(m.message, part, whole); err != nil {
			return err
		}
	} else if !m.matches(part, p.at, m.n) {
		return errChanged
	}
	p.at += len(part)
	if !whole {
		return nil
	}
	if !p.packed && p.at != len(m.payload) {
		return errShort
	}
	p.at = 0
	if p.run.plan.Compression == Takeover {
		p.replies.add(p.run.cycle, m.message, p.packed)
	}
	p.shard.record(p.run, now, m.due, m.sent, p.volume)
	p.volume = Volume{}
	if p.run.fan != nil {
		p.next++
		p.free += p.run.fan.delivered(m.n)
		return nil
	}
	p.flight[p.head] = sent{}
	if p.head++; p.head == len(p.flight) {
		p.flight, p.head = p.flight[:0], 0
	}
	if p.run.sending.Load() && p.run.plan.Rate == 0 {
		p.queue(p.choose(), 0)
	}
	return nil
}

// unpack takes a part of a compressed message, and checks the message when it is whole.
func (p *peer) unpack(m *message, part []byte, whole bool) error {
	if len(p.parts)+len(part) > maxPacked(len(m.payload)) {
		return errOverlarge
	}
	if !whole || len(p.parts) > 0 {
		p.parts = append(p.parts, part...)
		part = p.parts
	}
	if !whole {
		return nil
	}
	if err := p.inflate(m, part); err != nil {
		return err
	}
	p.volume = Volume{1, int64(len(m.payload)), int64(len(part))}
	p.parts = p.parts[:0]
	if cap(p.parts) > 256<<10 {
		p.parts = nil
	}
	return nil
}

// expected is the message that comes next.
func (p *peer) expected() (sent, bool) {
	if fan := p.run.fan; fan != nil {
		return fan.message(p.next)
	}
	if p.member != nil {
		return p.member.oldest()
	}
	if p.head == len(p.flight) {
		return sent{}, false
	}
	return p.flight[p.head], true
}

// finish sends a close frame. The reader ends with the server's.
func (p *peer) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalls() {
		p.leave()
		close(p.member.resume)
		p.conn.SetDeadline(time.Unix(1, 0)) // if it waits for more
		return
	}
	if p.over || p.ending {
		return
	}
	p.control(8, []byte{3, 232})
	p.ending = true
	p.flush()
}
