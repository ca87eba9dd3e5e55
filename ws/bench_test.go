//go:build !js

package ws_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// loopConn is a net.Conn in memory that gives the same bytes for ever and takes
// everything: the cheapest stream there is, so that what is measured is ours.
type loopConn struct {
	wire []byte
	at   int
}

func (c *loopConn) Read(p []byte) (int, error) {
	n := copy(p, c.wire[c.at:])
	if c.at += n; c.at == len(c.wire) {
		c.at = 0
	}
	return n, nil
}

func (c *loopConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *loopConn) InterruptibleWrites()             {}
func (c *loopConn) Close() error                     { return nil }
func (c *loopConn) LocalAddr() net.Addr              { return nil }
func (c *loopConn) RemoteAddr() net.Addr             { return nil }
func (c *loopConn) SetDeadline(time.Time) error      { return nil }
func (c *loopConn) SetReadDeadline(time.Time) error  { return nil }
func (c *loopConn) SetWriteDeadline(time.Time) error { return nil }

func loop(tb testing.TB, o ws.ConnOptions, payload []byte) *ws.Conn {
	wire := rawFrame(true, frame.Binary, payload)
	p := ws.Params{ConnOptions: o}
	if o.Compression != nil {
		d, _, err := negotiate(o.Compression)
		if err != nil {
			tb.Fatal(err)
		}
		p.Deflate = &d
		z, err := deflate.NewCompressor(o.Compression, d, true).Append(nil, payload)
		if err != nil {
			tb.Fatal(err)
		}
		h := frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Binary, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: int64(len(z))}
		wire = frame.Append(nil, h, z)
	}
	c := ws.NewConn(&loopConn{wire: wire}, p)
	tb.Cleanup(func() { c.CloseNow() })
	return c
}

func BenchmarkReadWrite(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, bb := range []struct {
		name string
		n    int
		z    *deflate.Options
	}{{"125B", 125, nil}, {"1KiB", 1024, nil}, {"64KiB", 64 << 10, nil}, {"1KiB/deflate", 1024, &deflate.Options{NoContextTakeover: true, PeerNoContextTakeover: true}}} {
		b.Run(bb.name, func(b *testing.B) {
			p := randomBytes(bb.n)
			if bb.z != nil {
				p = words(bb.n)
			}
			c := loop(b, ws.ConnOptions{Compression: bb.z}, p)
			buf := make([]byte, 0, bb.n)
			b.SetBytes(int64(bb.n))
			b.ReportAllocs()
			for b.Loop() {
				typ, p, err := c.ReadInto(ctx, buf)
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Write(ctx, typ, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
