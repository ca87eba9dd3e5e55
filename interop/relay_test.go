package interop_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// relay stands between a client and a server and counts the bytes on the wire,
// which tell whether a message was really compressed.
type relay struct {
	up, down atomic.Int64 // to the server, to the client
}

// relayTo starts a relay to the server at url, and returns the URL to dial.
func relayTo(t testing.TB, url string) (*relay, string) {
	r, ln := &relay{}, listenTCP(t)
	target := strings.TrimPrefix(url, "ws://")
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			a, err := ln.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", target)
			if err != nil {
				t.Error(err)
				a.Close()
				continue
			}
			wg.Go(func() { pump(b, a, &r.up) })
			wg.Go(func() { pump(a, b, &r.down) })
		}
	})
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { ln.Close() })
	return r, "ws://" + ln.Addr().String()
}

// pump copies until the source ends, and counts before it writes, so that
// whoever has received a message finds it counted.
func pump(dst, src net.Conn, n *atomic.Int64) {
	defer src.Close()
	defer dst.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(&counter{dst, n}, struct{ io.Reader }{src})
}

type counter struct {
	w io.Writer
	n *atomic.Int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.w.Write(p)
}
