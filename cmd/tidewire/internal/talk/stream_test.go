package talk_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

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
