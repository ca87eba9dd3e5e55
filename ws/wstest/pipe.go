package wstest

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// PipeOptions configures one end of a pipe and the direction that this end
// writes. The zero value is the default.
type PipeOptions struct {
	// Buffer is how many bytes the direction holds before Write blocks. 0 means
	// 64 KiB. Memory for it is taken as bytes come.
	Buffer int

	// Addr is the end's own address, which its peer sees as RemoteAddr. nil
	// means Addr("a") for the first end and Addr("b") for the second.
	Addr net.Addr

	// Faults of the direction from birth. The zero value has none.
	Faults Faults

	// Tap, if not nil, sees all bytes as they are written, before Faults touch
	// them, in order. It runs with the direction locked: it must not use the
	// pipe and must not keep p. With it Recorder captures a direction.
	Tap func(p []byte)

	// ResetUnread has Close of this end behave as TCP does when input is unread
	// or still arrives: the peer is reset and may lose what it had not read yet.
	// false means that the peer always reads everything, then io.EOF.
	ResetUnread bool
}

// Addr is an address in memory: a name, on the network "wstest".
type Addr string

// Network returns "wstest".
func (Addr) Network() string { return "wstest" }

// String returns the name.
func (a Addr) String() string { return string(a) }

// PipeConn is one end of a pipe: a net.Conn in memory. All methods may be called
// from any goroutine. Concurrent Writes are whole: their bytes do not mix.
//
// Errors other than io.EOF are *net.OpError, as those of the net package are.
// They wrap os.ErrDeadlineExceeded after a deadline, net.ErrClosed after the
// end's own Close, syscall.EPIPE when a write has no reader or comes after
// CloseWrite, and syscall.ECONNRESET after a reset.
type PipeConn struct {
	in, out       *stream
	peer          *PipeConn
	local, remote net.Addr
	closed        atomic.Bool
	resetUnread   bool
}

// Pipe returns the two ends of a full-duplex byte stream in memory. Unlike
// net.Pipe it has a buffer: a Write returns when its bytes are in it.
//
// One PipeOptions holds for both ends, save that Addr is a's; its functions are
// then called from both directions, at the same time even. Of two, the first is
// for a and the second for b. More than two panic.
func Pipe(o ...PipeOptions) (a, b *PipeConn) {
	var oa, ob PipeOptions
	switch len(o) {
	case 0:
	case 1:
		oa, ob = o[0], o[0]
		ob.Addr = nil // two ends with one address would be of no use
	case 2:
		oa, ob = o[0], o[1]
	default:
		panic("wstest: Pipe takes at most two PipeOptions")
	}
	if oa.Addr == nil {
		oa.Addr = Addr("a")
	}
	if ob.Addr == nil {
		ob.Addr = Addr("b")
	}
	both := new([2]stream)
	ab, ba := &both[0], &both[1]
	ab.init(ba, &oa)
	ba.init(ab, &ob)
	ab.setFaults(oa.Faults)
	ba.setFaults(ob.Faults)
	a = &PipeConn{in: ba, out: ab, local: oa.Addr, remote: ob.Addr, resetUnread: oa.ResetUnread}
	b = &PipeConn{in: ab, out: ba, local: ob.Addr, remote: oa.Addr, resetUnread: ob.ResetUnread}
	a.peer, b.peer = b, a
	return a, b
}

// Read reads what has arrived, at most len(p) bytes and at most one chunk (see
// Faults), and blocks while there is nothing.
func (c *PipeConn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	if err != nil {
		err = c.fail("read", err)
	}
	return n, err
}

// Write writes p into the buffer and blocks while it is full. When it fails, n
// is how many bytes the buffer has accepted.
func (c *PipeConn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	if err != nil {
		err = c.fail("write", err)
	}
	return n, err
}

func (c *PipeConn) fail(op string, err error) error {
	if err == io.EOF {
		return err
	}
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "wstest", Source: c.local, Addr: c.remote, Err: err}
}

// InterruptibleWrites tells ws that a deadline may end a Write and the pipe be
// written on.
func (c *PipeConn) InterruptibleWrites() {}

// Close closes both directions. The peer reads what is buffered and then io.EOF
// (see PipeOptions.ResetUnread for TCP's way); its writes fail. Blocked calls on
// this end return. A second Close returns an error that wraps net.ErrClosed.
func (c *PipeConn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return c.fail("close", net.ErrClosed)
	}
	in, out := c.in, c.out

	in.mu.Lock()
	unread := in.n > 0 && c.resetUnread
	open := in.drained == nil
	in.noRead = net.ErrClosed
	in.lose(net.ErrClosed)
	in.rdl.setTo(time.Time{})
	if in.noWrite == nil {
		in.noWrite = syscall.EPIPE
		in.refuse = c.resetUnread && open && !unread
		if unread {
			in.noWrite = syscall.ECONNRESET
		}
	}
	in.wakeAll()
	in.mu.Unlock()

	out.mu.Lock()
	out.noWrite = net.ErrClosed
	out.wdl.setTo(time.Time{})
	out.end(io.EOF, net.ErrClosed)
	out.mu.Unlock()

	if unread {
		in.broken(true)
		out.broken(true)
	}
	return nil
}

// CloseWrite closes the direction that this end writes: the peer reads what is
// buffered and then io.EOF. Reading goes on.
func (c *PipeConn) CloseWrite() error {
	if c.closed.Load() {
		return c.fail("close", net.ErrClosed)
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.end(io.EOF, syscall.EPIPE)
	return nil
}

// CloseRead closes the direction that this end reads, as it does on a Unix
// socket: what is buffered is lost, reads return io.EOF and the peer's writes
// fail. Writing goes on.
func (c *PipeConn) CloseRead() error {
	if c.closed.Load() {
		return c.fail("close", net.ErrClosed)
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.lose(io.EOF)
	c.in.end(io.EOF, syscall.EPIPE)
	return nil
}

// Reset breaks the connection now, in both directions: what is buffered is lost,
// stalled or not, and calls on both ends, blocked ones included, fail with
// ECONNRESET. Both ends are still to be closed. For a reset at a given byte, use
// Faults with CutReset.
func (c *PipeConn) Reset() {
	c.out.broken(true)
	c.in.broken(true)
}

// SetFaults replaces the faults of the direction that this end writes, that is
// what the peer meets when it reads. It may be called at any time. Counting for
// After and Corrupt starts anew.
func (c *PipeConn) SetFaults(f Faults) { c.out.setFaults(f) }

// Peer returns the other end, so that faults of both directions can be set from
// one of them.
func (c *PipeConn) Peer() *PipeConn { return c.peer }

// LocalAddr returns the address of this end.
func (c *PipeConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *PipeConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the read and the write deadline. Past it, blocked and future
// calls fail with os.ErrDeadlineExceeded, until another one is set. The zero
// time means no deadline.
func (c *PipeConn) SetDeadline(t time.Time) error {
	err := c.SetReadDeadline(t)
	if err == nil {
		err = c.SetWriteDeadline(t)
	}
	return err
}

// SetReadDeadline sets the deadline of Read alone, as SetDeadline does.
func (c *PipeConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(c.in, &c.in.rdl, t)
}

// SetWriteDeadline sets the deadline of Write alone, as SetDeadline does. A
// Write that ran out of time may have written a part: it returns how much.
func (c *PipeConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(c.out, &c.out.wdl, t)
}

func (c *PipeConn) setDeadline(s *stream, d *deadline, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed.Load() {
		return c.fail("set", net.ErrClosed)
	}
	d.setTo(t)
	return nil
}

// Counts is what has passed through one end of a pipe.
type Counts struct {
	Reads, Writes           int64 // calls: Reads that got bytes, and all Writes
	BytesRead, BytesWritten int64
}

// Counts returns what has passed through this end so far. The bytes that wait
// for the peer are BytesWritten here less BytesRead there, if nothing was lost.
func (c *PipeConn) Counts() Counts {
	var n Counts
	c.in.mu.Lock()
	n.Reads, n.BytesRead = c.in.reads, c.in.bytesOut
	c.in.mu.Unlock()
	c.out.mu.Lock()
	n.Writes, n.BytesWritten = c.out.writes, c.out.bytesIn
	c.out.mu.Unlock()
	return n
}
