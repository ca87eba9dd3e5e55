package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
)

// A stream is an end that is a TCP, TLS or Unix connection.
type stream struct {
	conn net.Conn
	raw  syscall.RawConn // nil over TLS
	buf  scratch
	much bool // peek has last found so much
}

// newStream takes the connection over.
func newStream(conn net.Conn) *stream {
	s := &stream{conn: conn}
	if plain, ok := conn.(syscall.Conn); ok {
		s.raw, _ = plain.SyscallConn()
	}
	return s
}

func (s *stream) await(ctx context.Context) error { return watch(ctx, s.conn) }

func (s *stream) next() ([]byte, error) {
	p, _, err := s.receive(0)
	return p, err
}

// receive is that of its socket, whose end is io.EOF.
func (s *stream) receive(limit int) (p []byte, n int, err error) {
	p, n, err = receive(s.conn, s.raw, &s.buf, limit)
	switch {
	case n > 0:
		return p, n, nil // an error comes again
	case err == nil:
		err = io.EOF
	}
	return nil, 0, err
}

func (s *stream) put(p []byte) error {
	_, err := s.conn.Write(p)
	return err
}

func (s *stream) finish() bool {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite() // where it fails, next fails too
		return true
	}
	return false
}

func (s *stream) unsent() int { return unsentOf(s.conn) }

func (s *stream) gone() bool { return false }

func (s *stream) close(why error) {
	if why != nil {
		conn := s.conn
		if c, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS: without its farewell
			conn = c.NetConn()
		}
		if c, ok := conn.(*net.TCPConn); ok {
			c.SetLinger(0) // a reset
		}
		conn.Close()
	}
	s.conn.Close()
}

// framed is a stream in which each message has its length in front, in 16 bits.
type framed struct {
	*stream
	buf     []byte
	pending []byte // in buf: read, in no message yet
}

const maxFrame = 1<<16 - 1

var (
	errFrameCut = errors.New("the stream ended within a frame (Framing)")
	errFrameBig = errors.New("the message is longer than 65,535 bytes, which is the most that a frame has (Framing)")
)

func (f *framed) next() ([]byte, error) {
	for {
		if len(f.pending) >= 2 {
			if n := 2 + int(binary.BigEndian.Uint16(f.pending)); len(f.pending) >= n {
				p := f.pending[2:n]
				f.pending = f.pending[n:]
				return p, nil
			}
		}
		p, err := f.stream.next()
		if err == io.EOF && len(f.pending) > 0 {
			err = errFrameCut
		}
		if err != nil {
			return nil, err
		}
		f.buf = append(append(f.buf[:0], f.pending...), p...)
		f.pending = f.buf
	}
}

func (f *framed) put(p []byte) error {
	if len(p) > maxFrame {
		return errFrameBig
	}
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(p)), uint16(len(p)))
	return f.stream.put(append(b, p...))
}
