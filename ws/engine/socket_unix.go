//go:build unix

package engine

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Source gives a Socket the memory to read into.
type Source interface {
	// Space returns where the next bytes go. It is called when there is
	// something to try.
	Space() []byte
	// Wait is called when there was nothing: the space of before is not used,
	// and whatever holds it may be given back.
	Wait()
}

// Socket is a plain TCP or Unix stream socket. The zero value is closed to all
// use until Open.
//
// One goroutine at a time may read, one may write; Shutdown and CloseWrite may
// be called at any time.
type Socket struct {
	nc  net.Conn
	raw syscall.RawConn

	source  Source
	readN   int
	readErr error
	onRead  func(fd uintptr) bool

	progress Progress
	behind   []byte // what Write sends after writeP
	onSend   func(fd uintptr) bool
	writeP   []byte
	writeN   int
	writeErr error
	onWrite  func(fd uintptr) bool
}

// Open takes nc if it is exactly a *net.TCPConn or a *net.UnixConn of stream
// type, and reports whether it did. A type that embeds one is refused: its own
// Read and Write would be bypassed.
func (s *Socket) Open(nc net.Conn) bool {
	if s.raw != nil {
		return true
	}
	s.raw = rawOf(nc)
	if s.raw == nil {
		return false
	}
	s.nc = nc
	return true
}

// rawOf returns nil unless nc is a plain socket. A type that embeds one is
// refused: its own Read and Write would be bypassed.
func rawOf(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, _ = nc.SyscallConn()
	case *net.UnixConn:
		if a := nc.LocalAddr(); a != nil && a.Network() == "unix" {
			raw, _ = nc.SyscallConn()
		}
	}
	return raw
}

// Read reads once into the memory that src gives, waiting for the socket to
// become readable while holding none. Deadlines of the net.Conn apply.
func (s *Socket) Read(src Source) (int, error) {
	if s.onRead == nil {
		s.onRead = s.tryRead
	}
	s.source = src
	err := s.raw.Read(s.onRead)
	s.source = nil
	if err != nil {
		return 0, err
	}
	return s.readN, s.readErr
}

func (s *Socket) tryRead(fd uintptr) bool {
	p := s.source.Space()
	for {
		n, err := unix.Read(int(fd), p)
		switch err {
		case nil:
			s.readN, s.readErr = n, nil
			if n == 0 {
				s.readErr = io.EOF
			}
			return true
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			s.source.Wait()
			return false
		}
		s.readN, s.readErr = 0, s.opError("read", err)
		return true
	}
}

// Wakes calls wake now and each time the socket becomes readable, until wake
// returns true. It is one long RawConn.Read: wake must read until it knows that
// nothing is left (see [Recv]), must not close the net.Conn, and may run for as
// long as it likes. Deadlines of the net.Conn end the wait.
func (s *Socket) Wakes(wake func(fd uintptr) bool) error {
	s.countInput()
	return s.raw.Read(wake)
}

// Progress hears of a Write that goes on.
type Progress interface {
	// Moved is called when the socket has taken something and not all.
	Moved()
}

// Write writes head and then rest, waiting as long as it takes. It returns how
// many bytes the socket took. Deadlines of the net.Conn end it.
func (s *Socket) Write(head, rest []byte, p Progress) (int, error) {
	if s.onSend == nil {
		s.onSend = s.send
	}
	s.writeP, s.behind, s.progress = head, rest, p
	s.writeN, s.writeErr = 0, nil
	err := s.raw.Write(s.onSend)
	s.writeP, s.behind, s.progress = nil, nil, nil
	if err == nil {
		err = s.writeErr
	}
	return s.writeN, err
}

// send is the callback of Write: it takes no more than a try for as long as the
// socket takes something.
func (s *Socket) send(fd uintptr) bool {
	for {
		var n int
		var err error
		switch {
		case len(s.writeP) > 0 && len(s.behind) > 0:
			n, err = writePair(int(fd), s.writeP, s.behind)
		case len(s.writeP) > 0:
			n, err = unix.Write(int(fd), s.writeP)
		case len(s.behind) > 0:
			n, err = unix.Write(int(fd), s.behind)
		default:
			return true
		}
		switch err {
		case nil:
			s.writeN += n
			k := min(n, len(s.writeP))
			s.writeP, s.behind = s.writeP[k:], s.behind[n-k:]
			if len(s.writeP)+len(s.behind) > 0 {
				s.progress.Moved()
			}
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			s.writeErr = s.opError("write", err)
			return true
		}
	}
}

// TryWrite writes what the socket takes without waiting. It returns how much
// that was; short is no error.
func (s *Socket) TryWrite(p []byte) (int, error) {
	if s.onWrite == nil {
		s.onWrite = s.tryWrite
	}
	s.writeP, s.writeN, s.writeErr = p, 0, nil
	err := s.raw.Write(s.onWrite)
	s.writeP = nil
	if err != nil {
		return s.writeN, err
	}
	return s.writeN, s.writeErr
}

func (s *Socket) tryWrite(fd uintptr) bool {
	for s.writeN < len(s.writeP) {
		n, err := unix.Write(int(fd), s.writeP[s.writeN:])
		switch err {
		case nil:
			s.writeN += n
		case unix.EINTR:
		case unix.EAGAIN:
			return true
		default:
			s.writeErr = s.opError("write", err)
			return true
		}
	}
	return true
}

// Unread reports whether bytes wait to be read. It never waits.
func (s *Socket) Unread() bool {
	some := false
	s.raw.Control(func(fd uintptr) { some = unread(int(fd)) })
	return some
}

func unread(fd int) bool {
	var b [1]byte
	n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil && n > 0
}

// Available returns how many bytes can be read without waiting, as far as the kernel says.
func (s *Socket) Available() int {
	n := 0
	s.raw.Control(func(fd uintptr) { n = available(int(fd)) })
	return n
}

// Unsent returns how many bytes the peer has not acknowledged yet, or -1 where
// the kernel does not say. It never waits.
func (s *Socket) Unsent() int {
	n := -1
	s.raw.Control(func(fd uintptr) { n = unsent(int(fd)) })
	return n
}

// CloseWrite sends the end of the stream (shutdown(2) of the writing half).
func (s *Socket) CloseWrite() error { return s.shutdown(unix.SHUT_WR) }

// Shutdown ends both halves and wakes whoever waits, without closing the
// descriptor: unlike net.Conn.Close it may be called inside Wakes.
func (s *Socket) Shutdown() error { return s.shutdown(unix.SHUT_RDWR) }

func (s *Socket) shutdown(how int) error {
	var err error
	if e := s.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), how) }); e != nil {
		return e
	}
	return err
}

func (s *Socket) opError(op string, err error) error {
	return &net.OpError{
		Op: op, Net: s.nc.LocalAddr().Network(),
		Source: s.nc.LocalAddr(), Addr: s.nc.RemoteAddr(),
		Err: os.NewSyscallError(op, err),
	}
}

// OpError describes a failed read on the socket as package net would.
func (s *Socket) OpError(err error) error { return s.opError("read", err) }

// WouldBlock reports whether err says that there was nothing to read.
func WouldBlock(err error) bool { return err == unix.EAGAIN }
