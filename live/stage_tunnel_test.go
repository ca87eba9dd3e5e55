package live_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws/tunnel"
	"github.com/tidewire/tidewire/ws/wstest"
)

// TestPromiseThroughTunnel plays the histories to clients that open no WebSocket.
func TestPromiseThroughTunnel(t *testing.T) { promise(t, tunnelled, *promiseTunnel, 12) }

// tunnelled is virtual, but for the clients, whose connections are HTTP posts, some of which are
// lost, and the answers of others.
var tunnelled = &stage{
	play: bubble,
	listen: func(*testing.T) (net.Listener, dialer) {
		ln := wstest.Listen(wstest.PipeOptions{Buffer: 8 << 10})
		return ln, func(ctx context.Context) (net.Conn, link, error) {
			l := &posts{}
			l.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := ln.DialContext(ctx, network, addr)
				if err == nil {
					l.add(c.(*wstest.PipeConn))
				}
				return c, err
			}
			c, err := tunnel.Dialer{URL: "http://hub/", Client: &http.Client{Transport: l}}.DialContext(ctx, "", "")
			return closing{c, l}, l, err
		}
	},
	haste: virtual.haste,
	steps: virtual.steps,
	rest:  virtual.rest,
}

// closing is a connection behind which nothing of HTTP is left.
type closing struct {
	net.Conn
	l *posts
}

func (c closing) Close() error {
	err := c.Conn.Close()
	c.l.transport.CloseIdleConnections()
	return err
}

// posts are the connections that carry one through a tunnel.
type posts struct {
	transport http.Transport

	mu      sync.Mutex
	conns   []*wstest.PipeConn
	out, in bool // stalled
	gone    bool
}

var errLost = errors.New("lost")

func (l *posts) RoundTrip(r *http.Request) (*http.Response, error) {
	first := make([]byte, 5)
	io.ReadFull(r.Body, first)
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(string(first)), r.Body), r.Body}
	post := string(first) == "post "
	if post && rand.IntN(20) == 0 {
		r.Body.Close()
		return nil, errLost
	}
	resp, err := l.transport.RoundTrip(r)
	if err == nil && post && rand.IntN(20) == 0 {
		resp.Body.Close()
		return nil, errLost
	}
	return resp, err
}

func (l *posts) add(c *wstest.PipeConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	if l.gone {
		c.Reset()
	}
	l.apply(c)
}

func (l *posts) apply(c *wstest.PipeConn) { pipe{c}.stall(l.out, l.in) }

func (l *posts) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	for _, c := range l.conns {
		c.Reset()
	}
}

func (l *posts) stall(out, in bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out, l.in = out, in
	for _, c := range l.conns {
		l.apply(c)
	}
}
