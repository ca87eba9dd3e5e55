//go:build !js

package websocket_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/compat/websocket"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// FuzzRead gives a client any bytes behind a good handshake. Reading must come to an
// end, keep to the limit, and stay at the error that it ends with.
func FuzzRead(f *testing.F) {
	const limit = 1 << 16
	one := func(h frame.Header, p string) []byte { return frame.Append(nil, h, []byte(p)) }
	text := frame.Header{Fin: true, Opcode: frame.Text}
	zipped := frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}
	f.Add(one(text, "hello"))
	f.Add(slices.Concat(one(frame.Header{Opcode: frame.Text}, "he"), one(frame.Header{Fin: true, Opcode: frame.Ping}, "p"),
		one(frame.Header{Fin: true, Opcode: frame.Continuation}, "llo"), one(frame.Header{Fin: true, Opcode: frame.Close}, "\x03\xe8bye")))
	f.Add(one(zipped, "\xf2\x48\xcd\xc9\xc9\x07\x00"))
	f.Add(one(zipped, "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))
	f.Add(one(zipped, "\x07"))
	f.Add(one(text, "\xff"))
	f.Add([]byte{0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		c := dialBytes(t, p)
		defer c.Close()
		c.SetReadLimit(limit)
		for {
			typ, message, err := c.ReadMessage()
			if err != nil {
				if _, _, again := c.ReadMessage(); again != err {
					t.Fatalf("ReadMessage: %v, and then %v", err, again)
				}
				return
			}
			if typ != websocket.TextMessage && typ != websocket.BinaryMessage || len(message) > limit {
				t.Fatalf("ReadMessage: type %d, %d bytes", typ, len(message))
			}
		}
	})
}

// dialBytes returns a client whose server, in memory, sends p and nothing more.
func dialBytes(t *testing.T, p []byte) *websocket.Conn {
	t.Helper()
	client, server := wstest.Pipe()
	server.SetDeadline(time.Now().Add(patience))
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer server.Close()
		r, err := http.ReadRequest(bufio.NewReader(server))
		if err != nil {
			t.Error(err)
			return
		}
		// RFC 6455 section 4.2.2, item 5.4.
		sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(server, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		server.Write(p)
		server.CloseWrite()
		io.Copy(io.Discard, server)
	}()
	t.Cleanup(func() { <-over })
	d := websocket.Dialer{EnableCompression: true, NetDial: func(string, string) (net.Conn, error) { return client, nil }}
	c, _, err := d.Dial("ws://memory.example/", nil)
	if err != nil {
		client.Close()
		t.Fatal(err)
	}
	return c
}

// FuzzSubprotocols: every element is part of the header, and has no comma or blank
// at its edges.
func FuzzSubprotocols(f *testing.F) {
	f.Add("chat, superchat", "")
	f.Add(" ,,\ta\t, b c,", "d")
	f.Fuzz(func(t *testing.T, first, second string) {
		r := &http.Request{Header: http.Header{"Sec-Websocket-Protocol": {first, second}}}
		all := websocket.Subprotocols(r)
		for _, p := range all {
			if p == "" || strings.Contains(p, ",") || strings.Trim(p, " \t") != p || !strings.Contains(first+","+second, p) {
				t.Fatalf("element %q of %q and %q", p, first, second)
			}
		}
		if joined := websocket.Subprotocols(&http.Request{Header: http.Header{"Sec-Websocket-Protocol": {first + "," + second}}}); !slices.Equal(joined, all) {
			t.Fatalf("two fields give %q, one gives %q", all, joined)
		}
	})
}
