//go:build !race && !js

package websocket_test

import (
	"io"
	"testing"
	"time"

	"github.com/tidewire/tidewire/compat/websocket"
	"github.com/tidewire/tidewire/ws/frame"
)

// TestAllocationsOfAWrite: the way of a write pump, a deadline before each message.
func TestAllocationsOfAWrite(t *testing.T) {
	peer, server := rawPair(t, &websocket.Upgrader{})
	go io.Copy(io.Discard, peer)
	p := words(125)
	prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, p)
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func() error{
		"WriteMessage":         func() error { return server.WriteMessage(websocket.TextMessage, p) },
		"WritePreparedMessage": func() error { return server.WritePreparedMessage(prepared) },
	} {
		if n := testing.AllocsPerRun(200, func() {
			server.SetWriteDeadline(time.Now().Add(patience))
			if err := write(); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
	if n := testing.AllocsPerRun(200, func() {
		w, err := server.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(p)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("NextWriter: %v allocations, want the writer alone", n)
	}
}

func TestAllocationsOfARead(t *testing.T) {
	peer, server := rawPair(t, &websocket.Upgrader{})
	message := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: [4]byte{1, 2, 3, 4}}, words(125))
	buf := make([]byte, 1000)
	if n := testing.AllocsPerRun(200, func() {
		server.SetReadDeadline(time.Now().Add(patience))
		if _, err := peer.Write(message); err != nil {
			t.Fatal(err)
		}
		_, r, err := server.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(r, buf[:125]); n != 125 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := r.Read(buf); err != io.EOF {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("NextReader: %v allocations, want the reader alone", n)
	}
}
