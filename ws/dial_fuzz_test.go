//go:build !js

package ws_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// FuzzDial answers a whole Dial with anything: it ends with an error that says
// why, and with a bounded body. (An answer to the random key cannot be guessed.)
func FuzzDial(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 302 Found\r\nLocation: ws://[::1]:99/x#y\r\nSet-Cookie: a=b\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\n\nbody"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"), true)
	f.Add([]byte("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno"), true)
	f.Fuzz(func(t *testing.T, in []byte, tunnel bool) {
		nc := upgradeLoop(string(in))
		o := &ws.DialOptions{
			ConnOptions:     ws.ConnOptions{Compression: &deflate.Options{}},
			Subprotocols:    []string{"chat"},
			Proxy:           noProxy,
			FollowRedirects: 3,
			NetDial: func(context.Context, string, string) (net.Conn, error) {
				nc.in.Reset(in)
				nc.closed = false
				return nc, nil
			},
		}
		if tunnel {
			o.Proxy = viaProxy
		}
		c, resp, err := ws.Dial(context.Background(), "ws://example.com/", o)
		if c != nil || err == nil || !nc.closed || !strings.HasPrefix(err.Error(), "ws: dial ws") {
			t.Fatalf("%v, %v, closed %v", c, err, nc.closed)
		}
		if len(err.Error()) > 64<<10 {
			t.Fatalf("the error is %d bytes", len(err.Error()))
		}
		if resp != nil {
			if b, err := io.ReadAll(resp.Body); err != nil || len(b) > 1<<10 {
				t.Fatalf("a body of %d bytes, %v", len(b), err)
			}
		}
	})
}
