//go:build !js

package ws_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// bubble runs f in virtual time over a pair in memory, with an engine of its
// own.
func bubble(t *testing.T, o ws.ConnOptions, f func(t *testing.T, client, srv *ws.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		o.Engine = ws.NewEngine()
		a, b := wstest.Pipe()
		client, srv := connect(t, a, b, o)
		defer srv.CloseNow()
		defer client.CloseNow()
		f(t, client, srv)
	})
}

// rawBubble is bubble with a bare stream on the client's side.
func rawBubble(t *testing.T, o ws.ConnOptions, f func(t *testing.T, nc net.Conn, c *ws.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		o.Engine = ws.NewEngine()
		a, b := wstest.Pipe()
		c := ws.NewConn(b, ws.Params{ConnOptions: o})
		defer a.Close()
		defer c.CloseNow()
		f(t, a, c)
	})
}

func TestKeepaliveHoldsASilentConnectionOpen(t *testing.T) {
	bubble(t, ws.ConnOptions{}, func(t *testing.T, client, srv *ws.Conn) {
		var pings atomic.Int32
		client.Attach(&events{ping: func(*ws.Conn, []byte) { pings.Add(1) }})
		srv.Attach(&events{})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if err := context.Cause(srv.Context()); err != nil {
			t.Fatalf("ended: %v", err)
		}
		if n := pings.Load(); n < 10 || n > 30 {
			t.Errorf("%d pings in ten minutes", n)
		}
		if srv.RTT() == 0 {
			t.Error("the pings measured no round trip")
		}
	})
}

func TestSilentPeerIsDeadAfterTwoPings(t *testing.T) {
	rawBubble(t, ws.ConnOptions{}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		start := time.Now()
		_, _, err := c.Read(context.Background())
		if ce := closeError(t, err); ce.By != ws.Network || !errors.Is(err, ws.ErrSilent) {
			t.Fatalf("ended with %v", err)
		}
		if d := time.Since(start); d < 74*time.Second || d > 77*time.Second {
			t.Errorf("dead after %v, want 75 s: three intervals of silence", d)
		}
		for range 2 {
			if h := readRaw(t, nc); h.Opcode != frame.Ping || h.Length != 8 {
				t.Errorf("got %+v", h)
			}
		}
	})
}

// A handler that is busy for longer than any keepalive, and a connection that
// only writes, are not taken for dead.
// A write that waits brings the wheel to the connection at each tick: that is no
// reason to count the pings sooner.
func TestSilentPeerBesideAWriteThatWaits(t *testing.T) {
	rawBubble(t, ws.ConnOptions{WriteTimeout: time.Hour}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		start := time.Now()
		go c.Write(context.Background(), ws.Binary, make([]byte, 8<<20))
		_, _, err := c.Read(context.Background())
		if ce := closeError(t, err); ce.By != ws.Network || !errors.Is(err, ws.ErrSilent) {
			t.Fatalf("ended with %v", err)
		}
		if d := time.Since(start); d < 74*time.Second || d > 77*time.Second {
			t.Errorf("dead after %v, want 75 s: three intervals of silence", d)
		}
	})
}

func TestUnreadPongsDoNotCount(t *testing.T) {
	rawBubble(t, ws.ConnOptions{}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		over := make(chan struct{})
		c.Attach(&events{message: func(*ws.Conn, ws.MessageType, []byte) {
			time.Sleep(10 * time.Minute)
			close(over)
		}})
		nc.Write(rawFrame(true, frame.Text, nil))
		<-over
		if err := context.Cause(c.Context()); err != nil {
			t.Errorf("the busy handler's connection ended: %v", err)
		}
	})
	rawBubble(t, ws.ConnOptions{}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		time.Sleep(10 * time.Minute)
		if err := c.Write(context.Background(), ws.Text, nil); err != nil {
			t.Errorf("the write-only connection ended: %v", err)
		}
	})
}

func TestKeepaliveOff(t *testing.T) {
	rawBubble(t, ws.ConnOptions{PingInterval: -1}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		c.Attach(&events{})
		time.Sleep(time.Hour)
		synctest.Wait()
		if err := context.Cause(c.Context()); err != nil {
			t.Errorf("ended: %v", err)
		}
		if n := c.Buffered(); n != 0 {
			t.Errorf("%d bytes were queued", n)
		}
	})
}

func TestPingMeasuresTheRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ws.ConnOptions{Engine: ws.NewEngine()}
		a, b := wstest.Pipe(wstest.PipeOptions{Faults: wstest.Faults{Delay: 40 * time.Millisecond}})
		client, srv := connect(t, a, b, o)
		go echo(srv)
		go client.Read(context.Background())
		rtt, err := client.Ping(context.Background())
		if err != nil || rtt < 79*time.Millisecond || rtt > 85*time.Millisecond {
			t.Errorf("Ping: %v, %v; want 80 ms", rtt, err)
		}
		if got := client.RTT(); got != rtt.Round(time.Microsecond) {
			t.Errorf("RTT is %v after a Ping of %v", got, rtt)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if _, err := client.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ping past its deadline: %v", err)
		}
		cancel()
		go func() {
			time.Sleep(time.Millisecond)
			client.CloseNow()
		}()
		if _, err := client.Ping(context.Background()); closeError(t, err).By != ws.Us {
			t.Errorf("Ping on a connection that ended: %v", err)
		}
		srv.CloseNow()
	})
}

func TestMessageThatDoesNotEnd(t *testing.T) {
	rawBubble(t, ws.ConnOptions{}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		f := rawFrame(true, frame.Binary, make([]byte, 1000))
		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(func() {
			// A byte now and then keeps it from being silent.
			for _, b := range f[:100] {
				if _, err := nc.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		start := time.Now()
		_, _, err := c.Read(context.Background())
		if ws.CloseStatus(err) != ws.StatusPolicyViolation || !errors.Is(err, ws.ErrMessageStuck) {
			t.Fatalf("ended with %v", err)
		}
		if d := time.Since(start); d < 60*time.Second || d > 70*time.Second {
			t.Errorf("ended after %v", d)
		}
	})
}

// The header of a message, and a control frame, may not dribble in for ever
// either.
func TestHeaderThatDoesNotEnd(t *testing.T) {
	for _, f := range [][]byte{
		rawFrame(true, frame.Binary, make([]byte, 1000))[:7],
		rawFrame(true, frame.Ping, make([]byte, 100))[:90],
	} {
		rawBubble(t, ws.ConnOptions{PingInterval: -1}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
			go nc.Write(f)
			_, _, err := c.Read(context.Background())
			if !errors.Is(err, ws.ErrMessageStuck) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func TestControlFlood(t *testing.T) {
	rawBubble(t, ws.ConnOptions{}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		go func() {
			for {
				if _, err := nc.Write(rawFrame(true, frame.Pong, nil)); err != nil {
					return
				}
			}
		}()
		_, _, err := c.Read(context.Background())
		if ws.CloseStatus(err) != ws.StatusPolicyViolation || !errors.Is(err, ws.ErrControlFlood) {
			t.Errorf("ended with %v", err)
		}
	})
	rawBubble(t, ws.ConnOptions{}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		go func() {
			for range 5000 {
				nc.Write(rawFrame(true, frame.Pong, nil))
				time.Sleep(2 * time.Millisecond)
			}
			nc.Write(rawFrame(true, frame.Text, nil))
		}()
		if _, _, err := c.Read(context.Background()); err != nil {
			t.Errorf("500 control frames a second: %v", err)
		}
	})
}

func TestAttachedPeerThatNeverAnswersClose(t *testing.T) {
	rawBubble(t, ws.ConnOptions{}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
		start := time.Now()
		closed := make(chan error, 1)
		c.Attach(&events{closed: func(_ *ws.Conn, err error) { closed <- err }})
		if err := c.Close(ws.StatusGoingAway, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
		if ce := closeError(t, <-closed); ce.By != ws.Us && ce.By != ws.Network {
			t.Errorf("Closed: %v", ce)
		}
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// Engines hold nothing once their connections are gone: the bubble would not end
// if a timer or a goroutine were left.
func TestManyBubbles(t *testing.T) {
	for range 50 {
		bubble(t, ws.ConnOptions{}, func(t *testing.T, client, srv *ws.Conn) {
			srv.Attach(echoHandler)
			mustWriteIn(t, client, "hello")
			time.Sleep(time.Minute)
			if err := client.Close(ws.StatusNormalClosure, ""); err != nil {
				t.Error(err)
			}
		})
	}
}

func mustWriteIn(t *testing.T, c *ws.Conn, s string) {
	t.Helper()
	if err := c.Write(context.Background(), ws.Text, []byte(s)); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(context.Background()); err != nil || string(p) != s {
		t.Fatalf("%q, %v", p, err)
	}
}

// A stream whose Close blocks holds nobody else up.
func TestCloseThatBlocksDoesNotStopTheWheel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ws.ConnOptions{Engine: ws.NewEngine(), PingInterval: time.Second}
		a, b := wstest.Pipe()
		defer b.Close()
		release := make(chan struct{})
		bad := ws.NewConn(blockedClose{a, release}, ws.Params{ConnOptions: o})
		go bad.Read(t.Context())
		_, good := wstest.Pair(t, &wstest.PairOptions{Server: o})
		time.Sleep(10 * time.Second) // the bad one is silent, and being closed
		start := time.Now()
		_, _, err := good.Read(t.Context())
		if d := time.Since(start); !errors.Is(err, ws.ErrSilent) || d > 4*time.Second {
			t.Errorf("after %v: %v", d, err)
		}
		close(release)
	})
}

type blockedClose struct {
	*wstest.PipeConn
	release chan struct{}
}

func (s blockedClose) Close() error {
	<-s.release
	return s.PipeConn.Close()
}
