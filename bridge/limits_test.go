package bridge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// TestMaxConnections has more clients come than there is room for, and one go.
func TestMaxConnections(t *testing.T) {
	t.Run("ws", func(t *testing.T) {
		rule := pairRule(t, "ws", echo(t, "tcp"))
		rule.MaxConnections = 2
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		first := dialWS(t, where)
		dialWS(t, where)
		_, resp, err := tryWS(where, ws.DialOptions{})
		if err == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Fatal(err)
		}
		first.Close(ws.StatusNormalClosure, "")
		eventually(t, "there is room again", func() bool { return b.Open() == 1 })
		dialWS(t, where)
		eventually(t, "three are let in", func() bool { return b.Stats()[0].Accepted == 3 })
		if s := b.Stats()[0]; s.RefusedLimit != 1 {
			t.Fatalf("%+v", s)
		}
	})
	t.Run("tcp", func(t *testing.T) {
		rule := pairRule(t, "tcp", echo(t, "tcp"))
		rule.MaxConnections = 1
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		first := dialStream(t, where)
		first.Write([]byte("x"))
		first.Read(make([]byte, 1))
		second, err := net.Dial("tcp", b.Addr(0).String())
		if err == nil { // otherwise the reset was quicker than we
			defer second.Close()
			second.SetReadDeadline(time.Now().Add(patience))
			_, err = second.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		first.(halfCloser).CloseWrite()
		eventually(t, "there is room again", func() bool { return b.Open() == 0 })
		said(t, dialStream(t, where))
	})
	t.Run("udp", func(t *testing.T) {
		rule := pairRule(t, "udp", echo(t, "udp"))
		rule.MaxConnections = 1
		rule.Idle = 2 * time.Second
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		answers := func(c net.Conn) bool {
			c.Write([]byte("x"))
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			return err == nil
		}
		first, second := dialStream(t, where), dialStream(t, where)
		eventually(t, "the first has an answer", func() bool { return answers(first) })
		if answers(second) {
			t.Fatal("so has the second")
		}
		eventually(t, "the second is refused", func() bool { s := b.Stats()[0]; return s.RefusedLimit > 0 && s.Dropped > 0 })
		eventually(t, "the second takes the place of the first", func() bool { return answers(second) })
	})
	t.Run("an address", func(t *testing.T) {
		rule := pairRule(t, "ws", echo(t, "tcp"))
		rule.MaxAddressConnections = 1
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		dialWS(t, where)
		if _, resp, err := tryWS(where, ws.DialOptions{}); err == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatal(err)
		}
		other := ws.DialOptions{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(ctx, network, addr)
		}}
		c, _, err := tryWS(where, other)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	})
}

// TestIdle has a connection on which nothing passes, though pings do.
func TestIdle(t *testing.T) {
	for _, front := range []string{"ws", "tcp"} {
		t.Run(front, func(t *testing.T) {
			rule := pairRule(t, front, echo(t, "tcp"))
			rule.Idle = time.Second
			b := run(t, rule)
			began := time.Now()
			if front == "ws" {
				c, _, err := tryWS(b.at(0, rule.Listen), ws.DialOptions{ConnOptions: ws.ConnOptions{PingInterval: 250 * time.Millisecond}})
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				_, _, err = c.Read(within(t))
				if c.RTT() == 0 {
					t.Error("no ping passed")
				}
				var closed *ws.CloseError
				if !errors.As(err, &closed) || closed.Code != ws.StatusGoingAway || !strings.Contains(closed.Reason, "(Idle): 1s") {
					t.Fatal(err)
				}
			} else {
				_, err := dialStream(t, b.at(0, rule.Listen)).Read(make([]byte, 1))
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Fatal(err)
				}
			}
			if d := time.Since(began); d < time.Second {
				t.Fatalf("ended after %v", d)
			}
			b.settled()
		})
		t.Run("not idle, "+front, func(t *testing.T) {
			t.Parallel()
			rule := pairRule(t, front, echo(t, "tcp"))
			rule.Idle = 3 * time.Second
			b := run(t, rule)
			var c io.ReadWriter
			if front == "ws" {
				c = ws.NetConn(within(t), dialWS(t, b.at(0, rule.Listen)), ws.Binary)
			} else {
				c = dialStream(t, b.at(0, rule.Listen))
			}
			for began := time.Now(); time.Since(began) < 4*time.Second; {
				if _, err := c.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestIdleCaller has a target talk for ever to a UDP client that has gone, which may never have been there.
func TestIdleCaller(t *testing.T) {
	rule := pairRule(t, "udp", streamTarget(t, "tcp", func(conn halfCloser) { io.Copy(conn, endless{}) }))
	rule.Framing, rule.Idle = bridge.Length16, 300*time.Millisecond
	b := run(t, rule)
	c := dialStream(t, b.at(0, rule.Listen))
	c.Write([]byte("hello"))
	if _, err := c.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	b.settled()
}

// TestCallerEnds has a UDP client say no more, which is its end in good order.
func TestCallerEnds(t *testing.T) {
	ended := make(chan error, 1)
	for kind, target := range map[string]bridge.Endpoint{
		"ws": wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
			_, _, err := c.Read(ctx)
			if err == nil {
				_, _, err = c.Read(ctx)
			}
			ended <- err
			return nil
		}),
		"tcp": streamTarget(t, "tcp", func(conn halfCloser) {
			_, err := io.Copy(io.Discard, conn)
			ended <- err
		}),
	} {
		t.Run(kind, func(t *testing.T) {
			rule := pairRule(t, "udp", target)
			rule.Idle = 300 * time.Millisecond
			if kind == "tcp" {
				rule.Framing = bridge.Length16
			}
			b := run(t, rule)
			dialStream(t, b.at(0, rule.Listen)).Write([]byte("hello"))
			if err := <-ended; err != nil && ws.CloseStatus(err) != ws.StatusNormalClosure {
				t.Error(err)
			}
			b.settled()
			if s := b.Stats()[0]; s.Broken != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestTotal has a connection that is busy all the time.
func TestTotal(t *testing.T) {
	rule := pairRule(t, "tcp", echo(t, "tcp"))
	rule.Total = 300 * time.Millisecond
	b := run(t, rule)
	c := dialStream(t, b.at(0, rule.Listen))
	began := time.Now()
	var err error
	for p := []byte("x"); err == nil; {
		if _, err = c.Write(p); err == nil {
			_, err = c.Read(p)
		}
	}
	if d := time.Since(began); d < 300*time.Millisecond || d > patience/2 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("ended after %v: %v", d, err)
	}
	b.settled()
}

// TestShutdown has relays go on until the time is up.
func TestShutdown(t *testing.T) {
	rule := pairRule(t, "ws", echo(t, "tcp"))
	b := run(t, rule)
	where := b.at(0, rule.Listen)
	stays, goes := dialWS(t, where), dialWS(t, where)
	eventually(t, "both are in", func() bool { return b.Open() == 2 })
	ctx, cancel := context.WithCancel(context.Background())
	down := make(chan error, 1)
	go func() { down <- b.Shutdown(ctx) }()
	eventually(t, "nobody is let in", func() bool {
		_, _, err := tryWS(where, ws.DialOptions{})
		return err != nil
	})
	goes.Write(within(t), ws.Binary, []byte("x"))
	if _, p, err := goes.Read(within(t)); string(p) != "x" {
		t.Fatal(err)
	}
	goes.Close(ws.StatusNormalClosure, "")
	eventually(t, "one is left", func() bool { return b.Open() == 1 })
	cancel()
	if _, _, err := stays.Read(within(t)); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Fatal(err)
	}
	if err := <-down; err != context.Canceled {
		t.Fatal(err)
	}
}

// TestShutdownInDial has the target be dialled that a client waits for. That is no fault of the target's.
func TestShutdownInDial(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts by the kernel alone, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	rule := pairRule(t, "ws", parse(t, "tls:"+mute.Addr().String()))
	rule.DialTimeout = time.Hour
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen))
	eventually(t, "the client is let in", func() bool { return b.Open() == 1 })
	go b.stop()
	var closed *ws.CloseError
	if _, _, err := c.Read(within(t)); !errors.As(err, &closed) || closed.Code != ws.StatusGoingAway || closed.Reason != "the bridge is shutting down" {
		t.Error(err)
	}
	b.settled()
	if s := b.Stats()[0]; s.Broken != 1 || s.DialFailed != 0 || strings.Contains(b.logs.String(), "level=WARN") {
		t.Errorf("%+v\n%s", s, b.logs)
	}
}

// TestShutdownQuiet has UDP clients, who never end. The one that talks is heard as long as it does, and they hold nobody up.
func TestShutdownQuiet(t *testing.T) {
	t.Parallel()
	rule := pairRule(t, "udp", echo(t, "udp"))
	rule.Idle, rule.Linger = time.Hour, 2*time.Second
	b := run(t, rule)
	where := b.at(0, rule.Listen)
	talks := func(c net.Conn) {
		t.Helper()
		c.Write([]byte("x"))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	quiet, busy := dialStream(t, where), dialStream(t, where)
	talks(quiet)
	talks(busy)
	down := make(chan error, 1)
	go func() { down <- b.Shutdown(within(t)) }()
	eventually(t, "the quiet one has ended", func() bool {
		talks(busy)
		return b.Open() == 1
	})
	talks(busy)
	if err := <-down; err != nil {
		t.Fatal(err)
	}
	if s := b.Stats()[0]; s.Broken != 0 {
		t.Errorf("%+v", s)
	}
}

// TestShutdownPages has a page be sent for longer than those have who are still to ask. It is sent to its end.
func TestShutdownPages(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	rule := pairRule(t, "ws", echo(t, "tcp"))
	rule.Web = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, "begin")
		rw.(http.Flusher).Flush()
		close(asked)
		select {
		case <-r.Context().Done():
		case <-time.After(7 * time.Second):
		}
		io.WriteString(rw, " end")
	})
	b := run(t, rule)
	page := dialStream(t, parse(t, "tcp:"+b.Addr(0).String()))
	io.WriteString(page, "GET / HTTP/1.0\r\n\r\n")
	<-asked
	if err := b.Shutdown(within(t)); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(page); err != nil || !strings.HasSuffix(string(got), "begin end") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestShutdownCuts has a page be sent for ever, which ends with the time that Shutdown has.
func TestShutdownCuts(t *testing.T) {
	asked := make(chan struct{})
	rule := pairRule(t, "ws", echo(t, "tcp"))
	rule.Web = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		close(asked)
		io.Copy(rw, endless{})
	})
	b := run(t, rule)
	io.WriteString(dialStream(t, parse(t, "tcp:"+b.Addr(0).String())), "GET / HTTP/1.0\r\n\r\n")
	<-asked
	ctx, cancel := context.WithCancel(context.Background())
	down := make(chan error, 1)
	go func() { down <- b.Shutdown(ctx) }()
	cancel()
	if err := <-down; err != context.Canceled {
		t.Error(err)
	}
}

// TestFlood has many come at once, who never say anything or leave at any time.
func TestFlood(t *testing.T) {
	var most, now atomic.Int64
	target := streamTarget(t, "tcp", func(conn halfCloser) {
		n := now.Add(1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		io.Copy(io.Discard, conn)
		now.Add(-1)
	})
	web, plain := pairRule(t, "ws", target), pairRule(t, "tcp", target)
	web.MaxConnections, plain.MaxConnections = 20, 20
	b := run(t, web, plain)
	where, stream := b.at(0, web.Listen), b.at(1, plain.Listen)
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			for i := range 10 {
				if i%2 == 0 {
					conn, err := net.Dial("tcp", strings.TrimPrefix(stream.String(), "tcp:"))
					if err == nil {
						conn.Write([]byte("x"))
						conn.Close()
					}
				} else if c, _, err := tryWS(where, ws.DialOptions{}); err == nil {
					c.Write(context.Background(), ws.Binary, []byte("x"))
					c.CloseNow()
				}
			}
		})
	}
	group.Wait()
	b.settled()
	for _, s := range b.Stats() {
		if s.Accepted == 0 || s.Accepted+s.RefusedLimit > 500 {
			t.Errorf("%+v", s)
		}
	}
	// What the target counts may be late to go, as its connections are.
	if n := most.Load(); n > 2*40 {
		t.Errorf("%d connections to the target at once", n)
	}
}
