//go:build !js

package websocket_test

import (
	"io"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/compat/websocket"
	"github.com/tidewire/tidewire/ws/frame"
)

func TestPreparedMessageToMany(t *testing.T) {
	data := words(3000)
	prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data) // the message has its own copy
	var wg sync.WaitGroup
	for _, compress := range []bool{false, true, true} {
		client, server := pair(t, &websocket.Upgrader{EnableCompression: compress}, &websocket.Dialer{EnableCompression: compress})
		for _, ends := range [][2]*websocket.Conn{{client, server}, {server, client}} {
			wg.Go(func() {
				for range 3 {
					if err := ends[0].WritePreparedMessage(prepared); err != nil {
						t.Error(err)
					}
				}
			})
			for range 3 {
				mustRead(t, ends[1], websocket.TextMessage, words(3000))
			}
		}
	}
	wg.Wait()
}

func TestPreparedControlMessages(t *testing.T) {
	peer, server := rawPair(t, &websocket.Upgrader{})
	ping, err := websocket.NewPreparedMessage(websocket.PingMessage, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	bye, err := websocket.NewPreparedMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*websocket.PreparedMessage{ping, bye} {
		if err := server.WritePreparedMessage(m); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, peer, frame.Header{Fin: true, Opcode: frame.Ping}, "x")
	expect(t, peer, frame.Header{Fin: true, Opcode: frame.Close}, "\x03\xe8")
	if err := server.WritePreparedMessage(ping); err != websocket.ErrCloseSent {
		t.Fatalf("behind the close frame: %v", err)
	}
}

// TestPreparedBesideAWriter: a prepared message never comes between the frames of
// another.
func TestPreparedBesideAWriter(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{WriteBufferSize: 10}, &websocket.Dialer{})
	prepared, err := websocket.NewPreparedMessage(websocket.BinaryMessage, []byte("prepared"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := server.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "short")
	if err := server.WritePreparedMessage(prepared); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, ", and then long")
	if err := server.WritePreparedMessage(prepared); err != nil {
		t.Fatal(err)
	}
	mustRead(t, client, websocket.BinaryMessage, []byte("prepared"))
	mustRead(t, client, websocket.TextMessage, []byte("short, and then long"))
	mustRead(t, client, websocket.BinaryMessage, []byte("prepared"))
}
