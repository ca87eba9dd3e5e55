//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// The peer of a connection that is attached may take nothing before it has been
// heard: a Write that is under way then, and waits for it, does not keep the handler
// from reading, and every byte of it arrives.
func TestAttachWhileAWriteWaitsForThePeer(t *testing.T) {
	const size = 8 << 20
	for kind := range streams {
		for _, way := range []string{"small", "large", "cancelled"} {
			t.Run(kind+" "+way, func(t *testing.T) {
				leakCheck(t)
				nc, c := server(t, kind, ws.ConnOptions{WriteQueue: 64 << 20})
				ctx := context.Background()
				ending, cancel := context.WithCancel(ctx)
				defer cancel()
				if way == "cancelled" { // a goroutine of ours writes on
					ctx = ending
				}
				piece := make([]byte, size)
				if way == "small" {
					piece = piece[:8<<10]
				}
				written := make(chan int, 1)
				go func() {
					n := 0
					for n < size && c.Write(ctx, ws.Binary, piece) == nil {
						n += len(piece)
					}
					written <- n
				}()
				if way == "cancelled" {
					waitFor(t, func() bool { return c.Buffered() > 0 })
					cancel()
					waitFor(t, func() bool { return len(written) > 0 })
				} else {
					waitStuck(t, "TestAttachWhileAWriteWaitsForThePeer.")
				}
				heard := make(chan struct{})
				c.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
					c.Write(context.Background(), typ, p)
					close(heard)
				}))
				nc.Write(rawFrame(true, frame.Text, []byte("hear me")))
				await(t, heard, "the handler")
				want := size
				if way == "cancelled" {
					want = await(t, written, "Write")
				}
				got, answered := 0, false
				for !answered || got < want {
					if h := readRaw(t, nc); h.Opcode == frame.Text {
						answered = true
					} else {
						got += int(h.Length)
					}
				}
				total := want
				if way != "cancelled" {
					total = await(t, written, "Write")
				}
				if got != total {
					t.Errorf("%d bytes of %d came", got, total)
				}
			})
		}
	}
}

// Whatever ends a connection while it is being attached, its handler is told: Opened
// and Closed come, once each and in this order.
func TestAttachRaces(t *testing.T) {
	enders := map[string]func(c *ws.Conn, peer net.Conn){
		"CloseNow": func(c *ws.Conn, _ net.Conn) { c.CloseNow() },
		"Close":    func(c *ws.Conn, _ net.Conn) { c.Close(ws.StatusNormalClosure, "") },
		"peer":     func(_ *ws.Conn, peer net.Conn) { peer.Close() },
		"stream": func(c *ws.Conn, _ net.Conn) {
			for c.NetConn().Close() != nil && c.Context().Err() == nil { // it was another one by then
			}
		},
		"both":       func(c *ws.Conn, peer net.Conn) { go peer.Close(); c.CloseNow() },
		"after Read": func(c *ws.Conn, peer net.Conn) { peer.Write(rawFrame(true, 3, nil)) },
	}
	for _, kind := range evented {
		for name, end := range enders {
			t.Run(kind+" "+name, func(t *testing.T) {
				leakCheck(t)
				e := ws.NewEngine()
				var all sync.WaitGroup
				for i := range 50 {
					nc, c := server(t, kind, ws.ConnOptions{Engine: e, CloseTimeout: time.Millisecond})
					all.Go(func() { attachRace(t, i, nc, c, end) })
				}
				all.Wait()
				waitFor(t, func() bool { return e.Open() == 0 })
			})
		}
	}
}

func attachRace(t *testing.T, i int, nc net.Conn, c *ws.Conn, end func(*ws.Conn, net.Conn)) {
	h := &recorder{closed: make(chan error, 2)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range i % 5 {
			runtime.Gosched()
		}
		end(c, nc)
	})
	wg.Go(func() { c.Write(context.Background(), ws.Binary, make([]byte, 100)) })
	for range rand.IntN(5) {
		runtime.Gosched()
	}
	err := c.Attach(h)
	if ce := (*ws.CloseError)(nil); err == nil {
		select {
		case <-h.closed:
		case <-time.After(patience):
			t.Error("Closed did not come")
		}
		h.mu.Lock()
		if h.opened != 1 {
			t.Errorf("Opened came %d times", h.opened)
		}
		h.mu.Unlock()
	} else if !errors.As(err, &ce) && !errors.Is(err, ws.ErrReading) {
		t.Errorf("Attach: %v", err)
	}
	wg.Wait()
	nc.Close()
	c.CloseNow()
	if len(h.closed) != 0 {
		t.Error("Closed came twice")
	}
}

// Writes of many goroutines before, during and after Attach leave whole, and each
// goroutine's in order.
func TestWritesRaceWithAttach(t *testing.T) {
	for _, kind := range evented {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			for round := range 15 {
				client, srv := pair(t, kind, ws.ConnOptions{WriteQueue: 64 << 20})
				const writers, each = 6, 40
				size := []int{10, 3000, 40_000}[round%3]
				for k := range writers {
					go func() {
						for i := range each {
							p := make([]byte, size)
							p[0], p[1] = byte(k), byte(i)
							srv.Write(context.Background(), ws.Binary, p)
						}
					}()
				}
				for range rand.IntN(50) {
					runtime.Gosched()
				}
				if err := srv.Attach(echoHandler); err != nil {
					t.Fatal(err)
				}
				var next [writers]int
				for range writers * each {
					_, p := mustRead(t, client)
					if len(p) != size || next[p[0]] != int(p[1]) {
						t.Fatalf("writer %d: %d bytes, number %d, not %d", p[0], len(p), p[1], next[p[0]])
					}
					next[p[0]]++
				}
				mustWrite(t, client, ws.Text, []byte("x"))
				mustRead(t, client)
				client.CloseNow()
				srv.CloseNow()
			}
		})
	}
}

// What came before Attach, in whatever pieces it was read, is delivered after it.
func TestAttachGoesOnWhereReadStopped(t *testing.T) {
	for _, kind := range evented {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			nc, c := server(t, kind, ws.ConnOptions{})
			nc.Write(append(rawFrame(true, frame.Text, []byte("one")), rawFrame(false, frame.Text, []byte("tw"))...))
			if _, p := mustRead(t, c); string(p) != "one" {
				t.Fatalf("got %q", p)
			}
			_, r, err := c.Reader(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(r, make([]byte, 1)) // the rest of "two" is nobody's
			got := make(chan string, 3)
			c.Attach(ws.HandlerFunc(func(_ *ws.Conn, _ ws.MessageType, p []byte) { got <- string(p) }))
			nc.Write(rawFrame(true, frame.Continuation, []byte("o")))
			nc.Write(append(rawFrame(true, frame.Text, []byte("three")), rawFrame(true, frame.Text, []byte("four"))...))
			if a, b := await(t, got, "three"), await(t, got, "four"); a != "three" || b != "four" {
				t.Errorf("got %q and %q", a, b)
			}
		})
	}
}
