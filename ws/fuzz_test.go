//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// scriptConn plays bytes in chunks and then ends; it takes whatever is written.
type scriptConn struct {
	wire  []byte
	chunk int
}

func (c *scriptConn) Read(p []byte) (int, error) {
	if len(c.wire) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.wire[:min(c.chunk, len(c.wire))])
	c.wire = c.wire[n:]
	return n, nil
}

func (c *scriptConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *scriptConn) Close() error                     { return nil }
func (c *scriptConn) LocalAddr() net.Addr              { return addr{} }
func (c *scriptConn) RemoteAddr() net.Addr             { return addr{} }
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

type addr struct{}

func (addr) Network() string { return "script" }
func (addr) String() string  { return "script" }

const fuzzMax = 20_000

// play reads everything that wire holds, in one of the ways there are, and
// returns what was seen.
func play(t *testing.T, wire []byte, client bool, z *deflate.Params, chunk int, way string) string {
	budget := ws.NewBudget(1 << 30)
	c := ws.NewConn(&scriptConn{bytes.Clone(wire), chunk}, ws.Params{
		Client: client, Deflate: z,
		ConnOptions: ws.ConnOptions{MaxMessage: fuzzMax, Budget: budget, ControlRate: -1, CloseTimeout: time.Second},
	})
	defer c.CloseNow()
	var log bytes.Buffer
	see := func(typ ws.MessageType, p []byte) {
		if len(p) > fuzzMax {
			t.Fatalf("a message of %d bytes passed a limit of %d", len(p), fuzzMax)
		}
		if used := budget.Used(); used > 300<<10 {
			t.Fatalf("%d bytes are held for messages of at most %d", used, fuzzMax)
		}
		fmt.Fprintf(&log, "%s %x\n", typ, p)
	}
	ctx := context.Background()
	var err error
	switch way {
	case "read":
		for err == nil {
			var typ ws.MessageType
			var p []byte
			if typ, p, err = c.Read(ctx); err == nil {
				see(typ, p)
			}
		}
	case "reader":
		for err == nil {
			var typ ws.MessageType
			var r io.Reader
			if typ, r, err = c.Reader(ctx); err == nil {
				var p []byte
				if p, err = io.ReadAll(r); err == nil {
					see(typ, p)
				}
			}
		}
	case "messages":
		for m, e := range c.Messages(ctx) {
			if e == nil {
				see(m.Type, m.Data)
			}
		}
		_, _, err = c.Read(ctx)
	}
	fmt.Fprintf(&log, "%d", ws.CloseStatus(err))
	if ws.CloseStatus(err) == 0 {
		t.Fatalf("%s ended with %v", way, err)
	}
	return log.String()
}

// FuzzConn gives a connection of either role any bytes. It must not panic, hang
// or pass its limits, and what it makes of the bytes must not depend on how they
// are cut or by which call they are read.
func FuzzConn(f *testing.F) {
	text := []byte("κόσμε and some more, some more, some more")
	add := func(frames ...[]byte) {
		for _, client := range []bool{false, true} {
			f.Add(bytes.Join(frames, nil), client, uint8(0), uint8(3))
			f.Add(bytes.Join(frames, nil), client, uint8(1), uint8(200))
		}
	}
	closing := rawFrame(true, frame.Close, binary.BigEndian.AppendUint16(nil, 1000))
	add(rawFrame(true, frame.Text, text), closing)
	add(rawFrame(false, frame.Text, text[:1]), rawFrame(true, frame.Ping, []byte("ping")), rawFrame(true, frame.Continuation, text[1:]), closing)
	add(rawFrame(true, frame.Binary, randomBytes(300)), rawFrame(true, frame.Binary, nil), closing)
	add(rawFrame(true, frame.Binary, make([]byte, fuzzMax)), rawFrame(true, frame.Binary, make([]byte, fuzzMax+1)))
	add(rawFrame(true, frame.Text, []byte("\xce\xba\xed\xa0\x80")), closing)
	add(rawFrame(false, frame.Text, text), rawFrame(true, frame.Text, text))
	add(rawFrame(true, frame.Close, []byte{3}))
	add(rawFrame(true, frame.Pong, make([]byte, 125)), rawFrame(true, frame.Close, nil), rawFrame(true, frame.Text, text))
	add(frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Text, Length: 5}, []byte("plain")), []byte{0x88, 0x00})
	add([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 0, 0, 0, 0, 0})
	p := deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}
	zip := deflate.NewCompressor(&deflate.Options{Threshold: -1}, p, true)
	var zipped []byte
	for range 3 {
		z, err := zip.Append(nil, bytes.Repeat(text, 5))
		if err != nil {
			f.Fatal(err)
		}
		zipped = frame.Append(zipped, frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text, Masked: true, Key: [4]byte{9, 8, 7, 6}, Length: int64(len(z))}, z)
	}
	add(zipped, closing)
	f.Fuzz(func(t *testing.T, wire []byte, client bool, compressed, chunk uint8) {
		if len(wire) > 1<<17 {
			return
		}
		var z *deflate.Params
		if compressed%2 == 1 {
			z = &p
		}
		want := play(t, wire, client, z, 1<<20, "read")
		for _, way := range []string{"read", "reader", "messages"} {
			if got := play(t, wire, client, z, 1+int(chunk), way); got != want {
				t.Fatalf("by %s in chunks of %d:\n%s\nwant:\n%s", way, 1+int(chunk), got, want)
			}
		}
	})
}
