//go:build !js

package ws_test

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// FuzzUpgrade throws requests at the whole raw door: it answers each with one
// well-formed HTTP answer or with silence, and never lets input into the answer's
// head.
func FuzzUpgrade(f *testing.F) {
	f.Add([]byte(handshakeRequest()))
	f.Add([]byte(handshakeRequest() + clientFrame(0x81, "hello")))
	f.Add([]byte(handshakeRequest("GET http://server.example.com/x HTTP/1.1", "Sec-WebSocket-Protocol: a, b")))
	f.Add([]byte(handshakeRequest("Origin: http://evil.example", "Sec-WebSocket-Extensions: permessage-deflate")))
	for _, c := range badRequests {
		f.Add([]byte(c.request))
	}
	o := &ws.UpgradeOptions{
		OnURI:        func([]byte) error { return nil },
		OnHeader:     func(_, _ []byte) error { return nil },
		Subprotocols: []string{"b"},
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		nc := upgradeLoop(string(in))
		c, err := ws.Upgrade(nc, o)
		answer := bytes.Clone(nc.out.Bytes())
		if c != nil {
			c.CloseNow()
		}
		if !nc.closed || (c == nil) != (err != nil) {
			t.Fatalf("closed %v, %v, %v", nc.closed, c, err)
		}
		if len(answer) == 0 {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil || (resp.StatusCode == 101) != (c != nil) {
			t.Fatalf("answered %q: %v", answer, err)
		}
		for name := range resp.Header {
			switch name {
			case "Upgrade", "Connection", "Sec-Websocket-Accept", "Sec-Websocket-Protocol", "Sec-Websocket-Version",
				"Content-Type", "Content-Length", "X-Content-Type-Options", "Allow":
			default:
				t.Fatalf("answered %q", answer)
			}
		}
	})
}
