//go:build linux

package natsbroker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/client"
)

// slowBuffer is what the kernel holds on either side for who reads slowly: so little that the hub notices.
const slowBuffer = 4 << 10

// brake stops who reads from a connection.
type brake struct {
	mu   sync.Mutex
	free chan struct{} // closed while it is let go
}

type slowConn struct {
	net.Conn
	b *brake
}

func (c slowConn) Read(p []byte) (int, error) {
	c.b.mu.Lock()
	free := c.b.free
	c.b.mu.Unlock()
	<-free
	return c.Conn.Read(p)
}

// slow returns a client that reads nothing for seconds, again and again until ctx ends.
func (c *crew) slow(ctx context.Context) *client.Client {
	b := &brake{free: make(chan struct{})}
	close(b.free)
	go func() {
		for ctx.Err() == nil {
			pass(ctx, time.Duration(rand.Int64N(int64(3*time.Second))))
			free := make(chan struct{})
			b.mu.Lock()
			b.free = free
			b.mu.Unlock()
			pass(ctx, 2*time.Second+time.Duration(rand.Int64N(int64(4*time.Second))))
			close(free)
		}
	}()
	return c.dialing(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := c.dialWith(ctx, net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, slowBuffer) })
		}})
		if err != nil {
			return nil, err
		}
		return slowConn{conn, b}, nil
	})
}

// pass lets time go by, until ctx ends.
func pass(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// smallBuffers accepts connections for which the kernel holds little.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		c.(*net.TCPConn).SetWriteBuffer(slowBuffer)
	}
	return c, err
}

// report says on stdout what a node has counted, as it grows, until ctx ends.
func report(ctx context.Context, what string, n func() int64) {
	for said := int64(0); ctx.Err() == nil; pass(ctx, 100*time.Millisecond) {
		if now := n(); now > said {
			fmt.Println(what, now-said)
			said = now
		}
	}
}
