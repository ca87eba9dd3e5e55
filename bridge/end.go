package bridge

import (
	"context"
	"errors"
	"net"
	"sync"
)

// An end is one side of a relay: a stream, a WebSocket connection, or datagrams. One goroutine calls next, another one put
// and finish; close may be called from any, any number of times, and releases who is in next or put.
type end interface {
	// await returns an error when the peer leaves whose target is being dialled, as far as it can be told without taking anything
	// from next. It returns nil when ctx ends or, before or after that, when something has come. It is called before next, if at all.
	await(ctx context.Context) error

	// next returns what came: a part of a stream, or a whole message or datagram where the boundaries count. It is valid until
	// next is called again. io.EOF means that the peer says no more, and in good order.
	next() ([]byte, error)

	// put sends it. It neither changes nor keeps p, and waits while the peer takes nothing. errGone says that the peer has
	// left in good order, and errDropped that this one datagram could not be taken.
	put(p []byte) error

	// finish tells the peer that nothing more comes, and reports whether it can be told without ending the other direction.
	finish() bool

	// unsent returns how many bytes the kernel has been given that the peer has not taken yet, as far as it says.
	unsent() int

	// gone reports whether the peer has ended both directions with what next returned io.EOF for.
	gone() bool

	// close ends both directions: in good order where why is nil, and otherwise so that the peer sees that it is not.
	close(why error)
}

var (
	errGone    = errors.New("the peer has left")
	errDropped = errors.New("datagram dropped")
)

const bufferSize = 64 << 10 // a datagram of any size fits

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// scratch is memory that is only held while there is something in it.
type scratch struct{ held *[bufferSize]byte }

// take returns a buffer, which belongs to the scratch until drop.
func (s *scratch) take() []byte {
	if s.held == nil {
		s.held = buffers.Get().(*[bufferSize]byte)
	}
	return s.held[:]
}

func (s *scratch) drop() {
	if s.held != nil {
		buffers.Put(s.held)
		s.held = nil
	}
}

// read reads once from a connection, into a buffer that it takes for that, however long it is waited for.
func (s *scratch) read(conn net.Conn) (p []byte, n int, err error) {
	p = s.take()
	n, err = conn.Read(p)
	return p[:n], n, err
}
