package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// lastWords answers, when the client has ended its direction, with all that it said.
func lastWords(conn halfCloser) {
	all, err := io.ReadAll(conn)
	if err == nil {
		conn.Write(all)
		conn.CloseWrite()
	}
}

// chain is two bridges, from a stream of one kind over WebSocket to the target, and where it listens.
func chain(t *testing.T, front, web string, target bridge.Endpoint) (first, second *running, where bridge.Endpoint) {
	t.Helper()
	inner := pairRule(t, web, target)
	second = run(t, inner)
	outer := pairRule(t, front, second.at(0, inner.Listen))
	first = run(t, outer)
	return first, second, first.at(0, outer.Listen)
}

// TestHalfClose has a client end its direction, whose target answers only then.
func TestHalfClose(t *testing.T) {
	streams := []string{"tcp", "tls", "unix"}
	for _, front := range streams {
		for _, back := range streams {
			t.Run(front+" to "+back, func(t *testing.T) {
				t.Parallel()
				rule := pairRule(t, front, streamTarget(t, back, lastWords))
				b := run(t, rule)
				said(t, dialStream(t, b.at(0, rule.Listen)))
				b.settled()
			})
			t.Run(front+" over WebSocket to "+back, func(t *testing.T) {
				t.Parallel()
				first, second, where := chain(t, front, "ws", streamTarget(t, back, lastWords))
				said(t, dialStream(t, where))
				first.settled()
				second.settled()
				for _, b := range []*running{first, second} {
					if s := b.Stats()[0]; s.Broken != 0 || s.In != 200_000 || s.Out != 200_000 {
						t.Fatalf("%+v\n%s", s, b.logs)
					}
				}
			})
		}
	}
}

func said(t *testing.T, c net.Conn) {
	t.Helper()
	want := noise(200_000)
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	c.(halfCloser).CloseWrite()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d came back, %v", len(got), len(want), err)
	}
}

// TestTargetEndsFirst has the target end its direction at once, and the client go on.
func TestTargetEndsFirst(t *testing.T) {
	heard := make(chan []byte, 1)
	_, _, where := chain(t, "tcp", "ws", streamTarget(t, "tcp", func(conn halfCloser) {
		conn.Write([]byte("hello"))
		conn.CloseWrite()
		all, _ := io.ReadAll(conn)
		heard <- all
	}))
	c := dialStream(t, where)
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
	want := noise(100_000)
	c.Write(want)
	c.(halfCloser).CloseWrite()
	if got := <-heard; !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d arrived", len(got), len(want))
	}
}

// TestTargetEndsWebSocket has a client that knows no half-close be closed with 1000 behind all that the target said.
func TestTargetEndsWebSocket(t *testing.T) {
	want := noise(500_000)
	rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) {
		conn.Write(want)
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
	}))
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen))
	var got []byte
	for m, err := range c.Messages(within(t)) {
		if err != nil {
			t.Fatal(err) // 1000 ends the loop without one
		}
		got = append(got, m.Data...)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d came", len(got), len(want))
	}
	b.settled()
	if s := b.Stats()[0]; s.Broken != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestPlainTarget has a WebSocket server that knows no half-close be asked over TCP: it is left to answer, and then closed.
func TestPlainTarget(t *testing.T) {
	closed := make(chan error, 1)
	target := wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
		_, p, err := c.Read(ctx)
		for i := 0; err == nil && i < 3; i++ {
			err = c.Write(ctx, ws.Binary, p)
		}
		if err == nil {
			_, _, err = c.Read(ctx)
		}
		closed <- err
		return nil
	})
	rule := pairRule(t, "tcp", target)
	rule.Linger = 2 * time.Second
	b := run(t, rule)
	c := dialStream(t, b.at(0, rule.Listen))
	c.Write([]byte("question"))
	c.(halfCloser).CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "questionquestionquestion" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := <-closed; ws.CloseStatus(err) != ws.StatusNormalClosure {
		t.Fatal(err)
	}
	b.settled()
}

// TestClientLeaves has a WebSocket client close while the target still talks: the target gets all, and is not reset while it reads.
func TestClientLeaves(t *testing.T) {
	heard := make(chan []byte, 1)
	rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) {
		go io.Copy(conn, endless{})
		all, err := io.ReadAll(conn)
		if err != nil {
			t.Error(err)
		}
		heard <- all
	}))
	rule.Linger = 5 * time.Second
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen))
	want := noise(300_000)
	go func() {
		c.Write(context.Background(), ws.Binary, want)
		c.Close(ws.StatusNormalClosure, "")
	}()
	if got := <-heard; !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d arrived", len(got), len(want))
	}
	b.settled()
	if s := b.Stats()[0]; s.Broken != 0 {
		t.Fatalf("%+v\n%s", s, b.logs)
	}
}

// TestTargetStays has a WebSocket client close in good order whose target takes note and says nothing for ever: it is left.
func TestTargetStays(t *testing.T) {
	rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) {
		io.Copy(io.Discard, conn)
		<-t.Context().Done()
	}))
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen))
	c.Write(within(t), ws.Binary, []byte("hello"))
	c.Close(ws.StatusNormalClosure, "")
	b.settled()
	if s := b.Stats()[0]; s.Broken != 0 || s.In != 5 {
		t.Errorf("%+v\n%s", s, b.logs)
	}
}

// TestHalfClosedAnswers has a client of StreamProtocol that has ended its direction be answered when it pings, while its target goes
// on; and one be refused whose text means nothing.
func TestHalfClosedAnswers(t *testing.T) {
	rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) {
		io.Copy(io.Discard, conn)
		conn.Write([]byte("going on"))
		<-t.Context().Done()
	}))
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen), bridge.StreamProtocol)
	c.Write(within(t), ws.Text, nil)
	if _, p, err := c.Read(within(t)); string(p) != "going on" {
		t.Fatal(err)
	}
	c.CloseRead(t.Context())
	if _, err := c.Ping(within(t)); err != nil {
		t.Error(err)
	}
	c.CloseNow()
	c = dialWS(t, b.at(0, rule.Listen), bridge.StreamProtocol)
	c.Write(within(t), ws.Text, []byte("x"))
	var closed *ws.CloseError
	if _, _, err := c.Read(within(t)); !errors.As(err, &closed) || closed.Code != ws.StatusBadGateway || !strings.Contains(closed.Reason, "a text message that is not empty") {
		t.Error(err)
	}
}

// TestBreakIsCarried has one side break off: the other one must not take what it got for all.
func TestBreakIsCarried(t *testing.T) {
	reset := func(conn net.Conn) {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	broken := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("%v, want a reset", err)
		}
	}
	for _, over := range []string{"tcp", "ws"} {
		t.Run("by the target, over "+over, func(t *testing.T) {
			told := make(chan struct{})
			target := streamTarget(t, "tcp", func(conn halfCloser) {
				conn.Write([]byte("half"))
				<-told
				reset(conn)
			})
			_, _, where := chain(t, "tcp", over, target)
			c := dialStream(t, where)
			p := make([]byte, 10)
			if n, err := c.Read(p); string(p[:n]) != "half" {
				t.Fatal(n, err)
			}
			close(told)
			_, err := c.Read(p)
			broken(t, err)
		})
		t.Run("by the client, over "+over, func(t *testing.T) {
			read := make(chan error, 1)
			_, _, where := chain(t, "tcp", over, streamTarget(t, "tcp", func(conn halfCloser) {
				p := make([]byte, 10)
				conn.Read(p)
				conn.Write(p[:1])
				_, err := io.ReadAll(conn)
				read <- err
			}))
			c := dialStream(t, where)
			c.Write([]byte("half"))
			c.Read(make([]byte, 1))
			reset(c)
			broken(t, <-read)
		})
	}
	for code, breaks := range map[ws.StatusCode]bool{ws.StatusNoStatusRcvd: false, ws.StatusGoingAway: true} {
		t.Run(fmt.Sprintf("a page that closes with %d", code), func(t *testing.T) {
			read := make(chan error, 1)
			rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) {
				_, err := io.ReadAll(conn)
				read <- err
			}))
			b := run(t, rule)
			c := dialWS(t, b.at(0, rule.Listen))
			c.Write(within(t), ws.Binary, []byte("half"))
			c.Close(code, "")
			count := int64(0)
			if err := <-read; breaks {
				broken(t, err)
				count = 1
			} else if err != nil {
				t.Error(err)
			}
			b.settled()
			if s := b.Stats()[0]; s.Broken != count {
				t.Errorf("%+v\n%s", s, b.logs)
			}
		})
	}
	t.Run("a target that is reset, to a page", func(t *testing.T) {
		rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) {
			conn.Read(make([]byte, 10))
			reset(conn)
		}))
		b := run(t, rule)
		c := dialWS(t, b.at(0, rule.Listen))
		c.Write(within(t), ws.Binary, []byte("x"))
		_, _, err := c.Read(within(t))
		var closed *ws.CloseError
		if !errors.As(err, &closed) || closed.Code != ws.StatusBadGateway || closed.Reason != "target: connection reset by peer" {
			t.Fatal(err)
		}
	})
	t.Run("a target that is not there, to a page", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		rule := pairRule(t, "ws", parse(t, "tcp:"+ln.Addr().String()))
		b := run(t, rule)
		c := dialWS(t, b.at(0, rule.Listen))
		_, _, err = c.Read(within(t))
		var closed *ws.CloseError
		if !errors.As(err, &closed) || closed.Code != ws.StatusBadGateway || closed.Reason != "target: connection refused" {
			t.Fatal(err)
		}
		b.settled()
		if s := b.Stats()[0]; s.DialFailed != 1 {
			t.Fatalf("%+v", s)
		}
	})
}
