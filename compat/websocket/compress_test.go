//go:build !js

package websocket_test

import (
	"compress/flate"
	"io"
	"testing"

	"github.com/tidewire/tidewire/compat/websocket"
	"github.com/tidewire/tidewire/ws/frame"
)

// next reads a frame from a raw peer and says whether it is compressed.
func next(t *testing.T, nc io.Reader) (compressed bool, size int) {
	t.Helper()
	h, err := frame.ReadHeader(nc, make([]byte, frame.MaxHeaderSize))
	if err != nil {
		t.Fatal(err)
	}
	p, err := frame.ReadPayload(nc, h, nil, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return h.RSV&frame.RSV1 != 0, len(p)
}

func TestCompressionSwitches(t *testing.T) {
	peer, server := rawPair(t, &websocket.Upgrader{EnableCompression: true})
	text := words(5000)
	prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, text)
	if err != nil {
		t.Fatal(err)
	}
	both := func(want bool) (size int) {
		t.Helper()
		go server.WriteMessage(websocket.TextMessage, text)
		zipped, size := next(t, peer)
		if zipped != want {
			t.Fatalf("WriteMessage: compressed %v, want %v", zipped, want)
		}
		go server.WritePreparedMessage(prepared)
		if zipped, n := next(t, peer); zipped != want || n != size {
			t.Fatalf("WritePreparedMessage: compressed %v, %d bytes; want %v, %d", zipped, n, want, size)
		}
		return size
	}
	fast := both(true)
	if fast >= len(text)/2 {
		t.Fatalf("%d bytes became %d", len(text), fast)
	}
	server.EnableWriteCompression(false)
	both(false)
	server.EnableWriteCompression(true)
	for _, level := range []int{flate.HuffmanOnly, flate.DefaultCompression, 1, 9} {
		if err := server.SetCompressionLevel(level); err != nil {
			t.Fatal(err)
		}
		both(true)
	}
	if err := server.SetCompressionLevel(flate.NoCompression); err != nil {
		t.Fatal(err)
	}
	both(false)
	for _, level := range []int{-3, 10} {
		if server.SetCompressionLevel(level) == nil {
			t.Errorf("level %d was accepted", level)
		}
	}
}

func TestControlMessagesAreNotCompressed(t *testing.T) {
	peer, server := rawPair(t, &websocket.Upgrader{EnableCompression: true})
	mustWrite(t, server, websocket.PingMessage, []byte("x"))
	expect(t, peer, frame.Header{Fin: true, Opcode: frame.Ping}, "x")
}

func TestCompressionNotNegotiated(t *testing.T) {
	for name, ends := range map[string][2]bool{"server only": {true, false}, "client only": {false, true}} {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, &websocket.Upgrader{EnableCompression: ends[0]}, &websocket.Dialer{EnableCompression: ends[1]})
			server.EnableWriteCompression(true)
			mustWrite(t, server, websocket.TextMessage, words(1000))
			mustRead(t, client, websocket.TextMessage, words(1000))
			mustWrite(t, client, websocket.TextMessage, words(1000))
			mustRead(t, server, websocket.TextMessage, words(1000))
		})
	}
}
