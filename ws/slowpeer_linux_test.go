package ws_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/engine"
)

// A peer that takes a little now and then is slow and not stuck, although what it
// takes makes no room yet for the next write(2). The clock is the test's: a minute
// is past between any two looks, whatever the machine does.
func TestSlowPeerIsNotStuck(t *testing.T) {
	a, b := netPair(t, "tcp", "127.0.0.1:0")
	defer a.Close()
	b.(*net.TCPConn).SetWriteBuffer(2 << 20)
	e := ws.NewEngine()
	server := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{WriteTimeout: 90 * time.Second, PingInterval: -1, Engine: e}})
	defer server.CloseNow()
	const size = 32 << 20
	written := make(chan error, 1)
	go func() { written <- server.Write(context.Background(), ws.Binary, make([]byte, size)) }()
	waitForStack(t, "[IO wait", "(*Conn).Write(", "TestSlowPeerIsNotStuck.")
	var queue engine.Socket
	if !queue.Open(b) {
		t.Fatal("no socket")
	}
	looked := func() { // one look began after this call and is over
		was := e.Ticks()
		waitFor(t, func() bool {
			if err := context.Cause(server.Context()); err != nil {
				t.Fatal(err) // and the clock stands still
			}
			return e.Ticks() >= was+2
		})
	}
	looked()
	took, little := 0, make([]byte, 16<<10)
	for range 4 {
		for was := queue.Unsent(); queue.Unsent() == was; took += len(little) {
			if _, err := io.ReadFull(a, little); err != nil {
				t.Fatal(err)
			}
		}
		looked()
		e.Jump(time.Minute)
	}
	looked()
	if rest, err := io.CopyN(io.Discard, a, int64(size+10-took)); err != nil {
		t.Errorf("after %d bytes in 4 minutes, and %d more: %v", took, rest, err)
	}
	if err := <-written; err != nil {
		t.Errorf("Write, WriteTimeout 90 s: %v", err)
	}
}
