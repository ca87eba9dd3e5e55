package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/engine"
)

// A peer that takes what is sent slowly answers a ping late, which waits behind it, and is not silent: neither while a write is
// under way nor while the kernel has it all. One that has stopped to take is.
func TestSlowPeerIsNotSilent(t *testing.T) {
	for name, size := range map[string]int{"a write is under way": 32 << 20, "the kernel has it all": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			a, b := netPair(t, "tcp", "127.0.0.1:0")
			defer a.Close()
			a.(*net.TCPConn).SetReadBuffer(32 << 10)
			b.(*net.TCPConn).SetWriteBuffer(2 << 20)
			e := ws.NewEngine()
			server := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{WriteTimeout: 24 * time.Hour, PingInterval: time.Minute, Engine: e}})
			defer server.CloseNow()
			ended := make(chan error, 2)
			go func() { _, _, err := server.Read(context.Background()); ended <- err }()
			waitForStack(t, "[IO wait", "(*Conn).Read(", "TestSlowPeerIsNotSilent.")
			written := make(chan error, 1)
			go func() { written <- server.Write(context.Background(), ws.Binary, make([]byte, size)) }()
			if size > 2<<20 {
				waitForStack(t, "[IO wait", "(*Conn).Write(", "TestSlowPeerIsNotSilent.")
			} else if err := <-written; err != nil {
				t.Fatal(err)
			}
			var queue engine.Socket
			if !queue.Open(b) {
				t.Fatal("no socket")
			}
			looked := func() { // one look began after this call and is over
				was := e.Ticks()
				waitFor(t, func() bool { return e.Ticks() >= was+2 || context.Cause(server.Context()) != nil })
			}
			looked()
			little := make([]byte, 16<<10)
			for range 6 {
				for was := queue.Unsent(); queue.Unsent() >= was; {
					if _, err := io.ReadFull(a, little); err != nil {
						t.Fatal(err)
					}
				}
				looked()
				if err := context.Cause(server.Context()); err != nil {
					t.Fatalf("the peer was taken for dead: %v", err)
				}
				e.Jump(time.Minute)
			}
			for range 4 {
				looked()
				e.Jump(time.Minute)
			}
			if err := <-ended; !errors.Is(err, ws.ErrSilent) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

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
