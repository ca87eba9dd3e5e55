package talk_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
)

// unreachable is a connection that is told by a write that nobody is there, and hears of it no more.
type unreachable struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
}

func (c *unreachable) Write([]byte) (int, error) { return 0, syscall.ECONNREFUSED }

func (c *unreachable) Read([]byte) (int, error) {
	<-c.closed
	return 0, net.ErrClosed
}

func (c *unreachable) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func TestDatagramsToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := &unreachable{closed: make(chan struct{})}
		run := &talk.Talk{
			Connect: func(context.Context) (talk.Peer, error) { return talk.Datagrams(nc, "nobody", false), nil },
			Input:   talk.Pipe(strings.NewReader("one\ntwo\n"), talk.Piping{}), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}},
		}
		if err := run.Run(t.Context()); !errors.Is(err, talk.ErrBroken) || !strings.Contains(err.Error(), "connection refused") {
			t.Error(err)
		}
	})
}

// ending is a connection of which reading ends so, once writing has.
type ending struct {
	net.Conn
	as   error
	half chan struct{}
}

func (c *ending) Read([]byte) (int, error) {
	<-c.half
	return 0, c.as
}

func (c *ending) CloseWrite() error {
	close(c.half)
	return nil
}

func (c *ending) Write(p []byte) (int, error)      { return len(p), nil }
func (c *ending) SetReadDeadline(time.Time) error  { return nil }
func (c *ending) SetWriteDeadline(time.Time) error { return nil }
func (c *ending) Close() error                     { return nil }

// A stream that breaks behind the end of the input has broken, and one that ends or falls silent has not.
func TestStreamEndsBehindInput(t *testing.T) {
	for as, want := range map[error]error{
		io.EOF: nil, os.ErrDeadlineExceeded: nil, syscall.ECONNRESET: talk.ErrBroken, io.ErrUnexpectedEOF: talk.ErrBroken,
	} {
		synctest.Test(t, func(t *testing.T) {
			nc := &ending{as: as, half: make(chan struct{})}
			run := &talk.Talk{
				Connect: func(context.Context) (talk.Peer, error) { return talk.Stream(nc, "somebody", false), nil },
				Input:   talk.Pipe(strings.NewReader("one\n"), talk.Piping{}), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}},
			}
			if err := run.Run(t.Context()); !errors.Is(err, want) {
				t.Errorf("%v: %v, want %v", as, err, want)
			}
		})
	}
}
