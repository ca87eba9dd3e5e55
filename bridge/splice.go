package bridge

import (
	"context"
	"io"
	"math"
	"net"

	"github.com/tidewire/tidewire/ws"
)

// What passes from one socket to another is moved by the kernel where it can be (splice on Linux), which is through package
// net: a *net.TCPConn that reads from a socket. No byte of it comes by here.

// spliceLimit is from how many bytes on that is worth its system calls.
const spliceLimit = 16 << 10

// Messages are no longer than that, for the sake of receivers who take no longer ones. Another bridge takes them in parts.
const (
	maxSpliced       = 256 << 10
	maxSplicedStream = 1 << 20
)

// How many bytes the kernel moves before the relay hears of it: more cost fewer system calls, but whoever takes them slowly is
// taken for silent meanwhile. Between the two it is as many as the slowest takes until that counts.
const (
	watchedPiece = 64 << 10
	piece        = 1 << 20
	slowest      = 4 << 10 // bytes a second
)

// splices reports whether splice is any use from src.
func (s *stream) splices(src *stream) bool {
	_, ok := s.conn.(*net.TCPConn)
	return ok && src.raw != nil && canSplice
}

// splice passes on what comes from src until that ends: what waits there if it is much, at most so many bytes at once, and
// otherwise by reading it, which needs no pipe of the kernel's: one that waits has none.
func (s *stream) splice(src *stream, most int64, moved func(n int64)) error {
	for {
		p, waits, err := src.peek()
		if err != nil {
			return err
		}
		var n int64
		if p == nil {
			n, err = s.conn.(io.ReaderFrom).ReadFrom(&io.LimitedReader{R: src.conn, N: min(int64(waits), most)})
		} else if err = s.put(p); err == nil {
			n = int64(waits)
		}
		if n > 0 {
			moved(n)
		}
		switch {
		case err != nil && (p != nil || s.hungUp()):
			return &putError{err}
		case err != nil:
			return err
		}
	}
}

// hungUp reports whether writing is of no use any more. What is read and what is written fail alike where the kernel moves it.
func (s *stream) hungUp() (is bool) {
	s.raw.Control(func(fd uintptr) { is = hungUp(int(fd)) })
	return is
}

// takeFrom passes on what comes from src as messages, until that ends: what waits there in one frame of at most so many bytes,
// if there is much of it.
func (m *messages) takeFrom(src *stream, most int64, moved func(n int64)) error {
	if m.half {
		most = min(most, maxSplicedStream)
	} else {
		most = min(most, maxSpliced)
	}
	for {
		p, n, err := src.peek()
		n = min(n, int(most))
		switch {
		case err != nil:
			return err
		case p != nil:
			err = m.put(p)
		default:
			err = m.conn.WriteFrom(context.Background(), ws.Binary, src.conn, int64(n))
			if inOrder(err) {
				err = errGone
			}
		}
		if err == errGone {
			return err
		}
		if err != nil {
			return &putError{err}
		}
		moved(int64(n))
	}
}

// peek is next, but behind much, where much more waits to be read, it only says how much: p is nil then. Where little comes at
// once it is not asked for, which saves a system call.
func (s *stream) peek() (p []byte, n int, err error) {
	limit := 0
	if s.much {
		limit = spliceLimit
	}
	p, n, err = s.receive(limit)
	s.much = n >= spliceLimit
	return p, n, err
}

// giveTo writes what the messages hold to a socket, until they end. moved hears of it at least every most bytes.
func (m *messages) giveTo(to *net.TCPConn, most int64, moved func(n int64)) error {
	w := &taker{to: to, most: most, moved: moved}
	for {
		r, err := m.begin()
		if err != nil {
			return err
		}
		_, err = r.(io.WriterTo).WriteTo(w)
		if w.err != nil {
			return &putError{w.err}
		}
		if err != nil {
			return m.ended(err)
		}
	}
}

// A taker is a socket that is written to, with what it took and what went wrong.
type taker struct {
	to    *net.TCPConn
	most  int64
	moved func(n int64)
	err   error
}

func (t *taker) Write(p []byte) (int, error) {
	n, err := t.to.Write(p)
	t.moved(int64(n))
	t.err = err
	return n, err
}

// ReadFrom is the socket's, in pieces. Package net looks into one LimitedReader, not two.
func (t *taker) ReadFrom(r io.Reader) (total int64, err error) {
	all, ok := r.(*io.LimitedReader)
	if !ok {
		all = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	for all.N > 0 {
		n := min(all.N, t.most)
		part := &io.LimitedReader{R: all.R, N: n}
		n, err = t.to.ReadFrom(part)
		all.N -= n
		total += n
		t.moved(n)
		if err != nil || part.N > 0 {
			break
		}
	}
	t.err = err
	return total, err
}
