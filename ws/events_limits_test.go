//go:build !js

package ws_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// attached returns an attached connection and its peer's stream.
func attached(t *testing.T, kind string, o ws.ConnOptions, h *events) (peer interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Close() error
}, c *ws.Conn, closed chan error) {
	nc, c := server(t, kind, o)
	closed = make(chan error, 1)
	h.closed = func(_ *ws.Conn, err error) { closed <- err }
	if err := c.Attach(h); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return isEvented(c) })
	return nc, c, closed
}

// looked returns when the wheel has looked at its connections once more.
func looked(t *testing.T, e *ws.Engine) {
	was := e.Ticks()
	waitFor(t, func() bool { return e.Ticks() >= was+2 || e.Open() == 0 })
}

// The wheel's limits hold for connections that the engine drives.
func TestLimitsOfAttachedConnections(t *testing.T) {
	for _, kind := range evented[:1] { // the wheel is slow
		t.Run(kind+" silent", func(t *testing.T) {
			leakCheck(t)
			e := ws.NewEngine()
			_, _, closed := attached(t, kind, ws.ConnOptions{Engine: e, PingInterval: time.Minute, PingMisses: 2}, &events{})
			for range 4 {
				looked(t, e)
				e.Jump(time.Minute)
			}
			if err := await(t, closed, "Closed"); !errors.Is(err, ws.ErrSilent) {
				t.Errorf("Closed: %v", err)
			}
		})
		t.Run(kind+" blocked is not silent", func(t *testing.T) {
			leakCheck(t)
			e := ws.NewEngine()
			release, inside := make(chan struct{}), make(chan struct{})
			nc, c, closed := attached(t, kind, ws.ConnOptions{Engine: e, PingInterval: time.Minute, PingMisses: 2},
				&events{message: func(*ws.Conn, ws.MessageType, []byte) { close(inside); <-release }})
			nc.Write(rawFrame(true, frame.Text, nil))
			await(t, inside, "the handler")
			for range 3 {
				looked(t, e)
				e.Jump(time.Minute)
			}
			looked(t, e)
			if err := context.Cause(c.Context()); err != nil {
				t.Errorf("ended: %v", err)
			}
			close(release)
			nc.Close()
			await(t, closed, "Closed")
		})
		t.Run(kind+" message", func(t *testing.T) {
			leakCheck(t)
			e := ws.NewEngine()
			begun := make(chan struct{}, 1)
			nc, c, closed := attached(t, kind, ws.ConnOptions{Engine: e, PingInterval: -1, MessageTimeout: time.Minute},
				&events{ping: func(*ws.Conn, []byte) { begun <- struct{}{} }})
			wire := rawFrame(false, frame.Text, []byte("half of a mess"))
			nc.Write(append(wire, rawFrame(true, frame.Ping, nil)...))
			await(t, begun, "the ping behind")
			for range 3 {
				looked(t, e)
				e.Jump(time.Minute)
			}
			if err := await(t, closed, "Closed"); !errors.Is(err, ws.ErrMessageStuck) {
				t.Errorf("Closed: %v", err)
			}
			_ = c
		})
		t.Run(kind+" write", func(t *testing.T) {
			leakCheck(t)
			e := ws.NewEngine()
			_, c, closed := attached(t, kind, ws.ConnOptions{Engine: e, PingInterval: -1, WriteTimeout: time.Minute, WriteQueue: 8 << 20}, &events{})
			for c.Buffered() == 0 {
				if err := c.Write(context.Background(), ws.Binary, make([]byte, 100_000)); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				looked(t, e)
				e.Jump(time.Minute)
			}
			if err := await(t, closed, "Closed"); !errors.Is(err, ws.ErrWriteStuck) {
				t.Errorf("Closed: %v", err)
			}
		})
		t.Run(kind+" budget", func(t *testing.T) {
			leakCheck(t)
			e, b := ws.NewEngine(), ws.NewBudget(1<<20)
			o := ws.ConnOptions{Engine: e, Budget: b, WriteQueue: 8 << 20, CloseTimeout: time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
			_, hoarder, closed := attached(t, kind, o, &events{})
			_, small, smallClosed := attached(t, kind, o, &events{})
			fill := func(c *ws.Conn, queued int) {
				for c.Buffered() < queued && c.Write(context.Background(), ws.Binary, make([]byte, 50_000)) == nil {
				}
			}
			fill(small, 300_000)
			fill(hoarder, 4<<20)
			if err := await(t, closed, "Closed"); !errors.Is(err, ws.ErrBudget) {
				t.Errorf("Closed: %v", err)
			}
			if len(smallClosed) > 0 {
				t.Error("the other one was closed too")
			}
			small.CloseNow()
			await(t, smallClosed, "Closed")
			waitFor(t, func() bool { return b.Used() == 0 })
		})
	}
}

// A peer that ends while its handler blocks, in every way, is noticed when the
// handler returns, behind what it had sent.
func TestPeerEndsWhileTheHandlerBlocks(t *testing.T) {
	for _, kind := range evented {
		for _, end := range []string{"FIN", "RST", "close frame", "half", "by us", "by us now"} {
			t.Run(kind+" "+end, func(t *testing.T) {
				leakCheck(t)
				release, inside := make(chan struct{}), make(chan struct{}, 3)
				var got []string
				nc, c, closed := attached(t, kind, ws.ConnOptions{Engine: ws.NewEngine(), CloseTimeout: time.Millisecond},
					&events{message: func(_ *ws.Conn, _ ws.MessageType, p []byte) {
						if got = append(got, string(p)); len(got) == 1 {
							inside <- struct{}{}
							<-release
						}
					}})
				nc.Write(rawFrame(true, frame.Text, []byte("one")))
				await(t, inside, "the handler")
				nc.Write(rawFrame(true, frame.Text, []byte("two")))
				want := 2
				switch end {
				case "FIN":
					nc.Close()
				case "RST":
					if tcp, ok := nc.(interface{ SetLinger(int) error }); ok {
						tcp.SetLinger(0)
					}
					nc.Close()
				case "close frame":
					nc.Write(rawFrame(true, frame.Close, []byte{3, 232}))
				case "half":
					nc.(interface{ CloseWrite() error }).CloseWrite()
				case "by us":
					c.Close(ws.StatusNormalClosure, "")
				case "by us now":
					c.CloseNow()
					want = 1
				}
				close(release)
				err := await(t, closed, "Closed")
				if end == "by us" {
					want = len(got) // it may time out before
				}
				if len(got) != want || err == nil {
					t.Errorf("got %q, and Closed with %v", got, err)
				}
				nc.Close()
			})
		}
	}
}
