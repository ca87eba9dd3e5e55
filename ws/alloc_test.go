//go:build !js && !race

package ws_test

import (
	"context"
	"io"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

func TestAllocationBudgets(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	small := randomBytes(125)
	budget := func(name string, want float64, f func()) {
		t.Helper()
		f() // what is cached is made once
		if got := testing.AllocsPerRun(200, f); got > want {
			t.Errorf("%s: %v allocations, want at most %v", name, got, want)
		}
	}
	buf := make([]byte, 0, 64<<10)

	c := loop(t, ws.ConnOptions{}, small)
	budget("ReadInto and Write of 125 B with a cancellable context", 0, func() {
		typ, p, err := c.ReadInto(ctx, buf)
		if err != nil || len(p) != 125 {
			t.Fatal(err)
		}
		c.Write(ctx, typ, p)
	})
	budget("Read of 125 B", 1, func() { c.Read(ctx) })
	budget("TryWrite", 0, func() { c.TryWrite(ws.Binary, small) })
	m := ws.Prepare(ws.Binary, small)
	budget("WritePrepared", 0, func() { c.WritePrepared(ctx, m) })

	big := loop(t, ws.ConnOptions{}, randomBytes(40_000))
	budget("ReadInto of 40 kB", 0, func() { big.ReadInto(ctx, buf) })

	z := loop(t, ws.ConnOptions{Compression: &deflate.Options{NoContextTakeover: true, PeerNoContextTakeover: true}}, words(1000))
	budget("ReadInto and Write of 1,000 B, compressed", 0, func() {
		typ, p, err := z.ReadInto(ctx, buf)
		if err != nil || len(p) != 1000 {
			t.Fatal(err)
		}
		z.Write(ctx, typ, p)
	})

	nc, srv := tcpPair(t)
	defer nc.Close()
	conn := ws.NewConn(srv, ws.Params{})
	defer conn.CloseNow()
	wire := rawFrame(true, frame.Binary, small)
	back := make([]byte, 127)
	budget("an echo over TCP", 0, func() {
		nc.Write(wire)
		typ, p, err := conn.ReadInto(ctx, buf)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(ctx, typ, p)
		io.ReadFull(nc, back)
	})
	two := append(append([]byte(nil), wire...), wire...)
	budget("two messages that came over TCP together", 0, func() {
		nc.Write(two)
		for range 2 {
			if _, _, err := conn.ReadInto(ctx, buf); err != nil {
				t.Fatal(err)
			}
		}
	})
}
