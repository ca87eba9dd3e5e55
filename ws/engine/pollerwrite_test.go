//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws/engine"
)

// smallBuffers makes a socket full soon and often.
func smallBuffers(nc net.Conn) {
	if b, ok := nc.(interface{ SetWriteBuffer(int) error }); ok {
		b.SetWriteBuffer(4 << 10)
	}
	if b, ok := nc.(interface{ SetReadBuffer(int) error }); ok {
		b.SetReadBuffer(4 << 10)
	}
}

// However the reading of the peer and the writing here fall together, Writable comes
// when the socket takes bytes again after a Write that it did not take whole.
func TestWritableIsNeverMissed(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			nothingLeft(t)
			var p engine.Poller
			o := &owner{}
			o.peer, o.conn = pair(t, network)
			smallBuffers(o.peer)
			smallBuffers(o.conn)
			room := make(chan struct{}, 1)
			o.writable = func() {
				select {
				case room <- struct{}{}:
				default:
				}
			}
			if _, err := p.Add(&o.Descriptor, o.conn, o, true); err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			o.Resume()
			const total = 16 << 20
			done := make(chan error, 1)
			go func() {
				_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.LimitReader(o.peer, total)}, make([]byte, 64<<10))
				done <- err
			}()
			full := 0
			for sent, piece := 0, make([]byte, 8<<10); sent < total; {
				n, err := o.WriteAll([][]byte{piece[:100], piece[100:min(len(piece), total-sent+100)]})
				if n = min(n, total-sent); err != nil {
					t.Fatal(err)
				}
				if sent += n; n == len(piece) || sent == total {
					continue
				}
				full++
				select {
				case <-room:
					o.Sated() // as who has nothing left to write
				case <-time.After(patience):
					t.Fatalf("no room after %d bytes, and %d times that there was", sent, full)
				}
			}
			if err := <-done; err != nil || full == 0 {
				t.Errorf("%v; the socket was full %d times", err, full)
			}
			t.Logf("full %d times", full)
		})
	}
}
