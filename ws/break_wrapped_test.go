//go:build !js

package ws_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// wrappedConn is what a metrics or PROXY-protocol listener makes of a *tls.Conn.
type wrappedConn struct {
	net.Conn
	writes atomic.Int64
}

func (h *wrappedConn) Write(p []byte) (int, error) { h.writes.Add(1); return h.Conn.Write(p) }

// D1
func TestBreakWrappedTLSCancelledWrite(t *testing.T) {
	a, b := tlsPair(t)
	h := &wrappedConn{Conn: b.(net.Conn)}
	client, server := connect(t, a, h, ws.ConnOptions{MaxMessage: 64 << 20})
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	idle := h.writes.Load()
	go func() { // nobody reads: what has begun does not end
		for h.writes.Load() == idle && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		cancel()
	}()
	err := server.Write(ctx, ws.Binary, make([]byte, 16<<20))
	t.Log("Write:", err, server.Buffered())
	before := h.writes.Load()
	time.Sleep(300 * time.Millisecond)
	if n := h.writes.Load() - before; n > 1000 {
		t.Errorf("%d writes in 300 ms on a stalled connection: a goroutine spins", n)
	}
	_, p, err := client.Read(testContext(t))
	if err != nil || len(p) != 16<<20 {
		t.Errorf("a cancelled Write broke the connection: %d bytes, %v", len(p), err)
	}
	if err := context.Cause(server.Context()); err != nil {
		t.Errorf("a cancelled Write ended the connection: %v", err)
	}
}

// D2: a deadline in the past that somebody left on the stream.
func TestBreakStrayWriteDeadline(t *testing.T) {
	a, b := memoryPair(t)
	h := &wrappedConn{Conn: b.(net.Conn)}
	_, server := connect(t, a, h, ws.ConnOptions{WriteTimeout: time.Second})
	h.SetWriteDeadline(time.Unix(1, 0))
	go server.Write(context.Background(), ws.Binary, []byte("x"))
	time.Sleep(300 * time.Millisecond)
	if n := h.writes.Load(); n > 1000 {
		t.Errorf("%d writes in 300 ms: a goroutine spins", n)
	}
}

// D3: user code blocks for seconds in the handler while others write to the same connection.
func TestBreakOthersWriteWhileHandlerBlocks(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			client, server := pair(t, kind, ws.ConnOptions{})
			release, entered := make(chan struct{}), make(chan struct{}, 10)
			server.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
				c.Write(context.Background(), typ, p)
				entered <- struct{}{}
				<-release
			}))
			mustWrite(t, client, ws.Binary, []byte("a"))
			mustWrite(t, client, ws.Binary, []byte("b"))
			<-entered
			// The handler blocks until all of this has come.
			mustRead(t, client)
			for range 20 {
				server.Write(context.Background(), ws.Binary, []byte("o"))
				mustRead(t, client)
			}
			close(release)
		})
	}
}
