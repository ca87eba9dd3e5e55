package main

import (
	"bufio"
	"errors"
	"io"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// FuzzRecv: whatever a client sends, Recv ends, hands out no more than the limit, and
// no text that is not UTF-8.
func FuzzRecv(f *testing.F) {
	add := func(frames ...frame.Header) {
		var b []byte
		for _, h := range frames {
			h.Masked, h.Key = true, [4]byte{1, 2, 3, 4}
			b = frame.Append(b, h, []byte("tide"))
		}
		f.Add(b)
	}
	add(frame.Header{Fin: true, Opcode: frame.Text})
	add(frame.Header{Opcode: frame.Text}, frame.Header{Fin: true, Opcode: frame.Ping}, frame.Header{Fin: true, Opcode: frame.Continuation})
	add(frame.Header{Fin: true, Opcode: frame.Binary}, frame.Header{Fin: true, Opcode: frame.Close})
	add(frame.Header{Fin: true, Opcode: frame.Continuation})
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff1234"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		const limit = 100
		client, conn := wstest.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			client.Write(sent)
			client.CloseWrite()
			io.Copy(io.Discard, client)
		}()
		defer func() { client.Close(); <-done }()
		ws := &WS{Limit: limit, conn: conn, in: bufio.NewReader(conn), state: frame.State{Role: frame.Server}}
		var message []byte
		text := false
		for {
			fr, err := ws.Recv()
			if err != nil {
				ws.Fail(err)
				if refusal, ok := errors.AsType[*frame.Error](err); ok && !refusal.Code.Valid() {
					t.Errorf("refused with %d", refusal.Code)
				}
				return
			}
			if fr.Opcode != frame.Continuation {
				message, text = message[:0], fr.Opcode == frame.Text
			}
			message = append(message, fr.Payload...)
			if len(message) > limit {
				t.Errorf("a message of %d bytes", len(message))
			}
			if text && !fr.IsFragment && !utf8.Valid(message) {
				t.Errorf("text %q", message)
			}
		}
	})
}
