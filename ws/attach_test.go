//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// events is a Handler made of functions.
type events struct {
	opened  func(*ws.Conn)
	message func(*ws.Conn, ws.MessageType, []byte)
	closed  func(*ws.Conn, error)
	ping    func(*ws.Conn, []byte)
	pong    func(*ws.Conn, []byte)
	drained func(*ws.Conn)
}

func (e *events) Opened(c *ws.Conn) {
	if e.opened != nil {
		e.opened(c)
	}
}

func (e *events) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	if e.message != nil {
		e.message(c, typ, p)
	}
}

func (e *events) Closed(c *ws.Conn, err error) {
	if e.closed != nil {
		e.closed(c, err)
	}
}

func (e *events) Ping(c *ws.Conn, p []byte) {
	if e.ping != nil {
		e.ping(c, p)
	}
}

func (e *events) Pong(c *ws.Conn, p []byte) {
	if e.pong != nil {
		e.pong(c, p)
	}
}

func (e *events) Drained(c *ws.Conn) {
	if e.drained != nil {
		e.drained(c)
	}
}

var echoHandler = ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
	c.Write(context.Background(), typ, p)
})

func TestAttachEchoesEverySize(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{WriteQueue: 4 << 20})
			if err := srv.Attach(echoHandler); err != nil {
				t.Fatal(err)
			}
			for _, n := range sizes {
				want := randomBytes(n)
				go client.Write(context.Background(), ws.Binary, want)
				if typ, p := mustRead(t, client); typ != ws.Binary || !bytes.Equal(p, want) {
					t.Fatalf("%d bytes came back as %s of %d", n, typ, len(p))
				}
			}
			if err := client.Close(ws.StatusNormalClosure, ""); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestAttachEventsComeInOrder(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			nc, c := server(t, kind, ws.ConnOptions{})
			var mu sync.Mutex
			var log []string
			note := func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				log = append(log, fmt.Sprintf(format, args...))
			}
			over := make(chan struct{})
			c.Attach(&events{
				opened:  func(*ws.Conn) { note("opened") },
				message: func(_ *ws.Conn, typ ws.MessageType, p []byte) { note("%s %s", typ, p) },
				ping:    func(_ *ws.Conn, p []byte) { note("ping %s", p) },
				pong:    func(_ *ws.Conn, p []byte) { note("pong %s", p) },
				closed: func(_ *ws.Conn, err error) {
					note("closed %d", ws.CloseStatus(err))
					close(over)
				},
			})
			go io.Copy(io.Discard, nc)
			for _, f := range [][]byte{
				rawFrame(true, frame.Text, []byte("a")),
				rawFrame(false, frame.Binary, []byte("b")),
				rawFrame(true, frame.Ping, []byte("p")),
				rawFrame(true, frame.Continuation, []byte("c")),
				rawFrame(true, frame.Pong, []byte("q")),
				rawFrame(true, frame.Close, []byte{0x03, 0xe9}),
			} {
				nc.Write(f)
			}
			select {
			case <-over:
			case <-time.After(patience):
				t.Fatal("not closed")
			}
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(log, "|"); got != "opened|text a|ping p|binary bc|pong q|closed 1001" {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestReadingBelongsToTheHandler(t *testing.T) {
	nc, c := server(t, "tcp", ws.ConnOptions{})
	in := make(chan error, 1)
	c.Attach(&events{message: func(c *ws.Conn, _ ws.MessageType, _ []byte) {
		_, _, err := c.Read(context.Background())
		in <- err
	}})
	nc.Write(rawFrame(true, frame.Text, nil))
	if err := <-in; !errors.Is(err, ws.ErrAttached) {
		t.Errorf("Read inside a handler: %v", err)
	}
	if err := c.Attach(echoHandler); !errors.Is(err, ws.ErrAttached) {
		t.Errorf("Attach again: %v", err)
	}
	if _, _, err := c.Reader(context.Background()); !errors.Is(err, ws.ErrAttached) {
		t.Errorf("Reader: %v", err)
	}
	for _, err := range c.Messages(context.Background()) {
		if !errors.Is(err, ws.ErrAttached) {
			t.Errorf("Messages: %v", err)
		}
	}
}

func TestHandlerThatPanics(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			var out lockedBuffer
			client, srv := pair(t, kind, ws.ConnOptions{CloseTimeout: soon, Logger: slog.New(slog.NewTextHandler(&out, nil))})
			closed := make(chan error, 1)
			srv.Attach(&events{
				message: func(*ws.Conn, ws.MessageType, []byte) { panic("the handler broke") },
				closed:  func(_ *ws.Conn, err error) { closed <- err },
			})
			mustWrite(t, client, ws.Text, []byte("x"))
			if _, _, err := client.Read(testContext(t)); ws.CloseStatus(err) != ws.StatusInternalError {
				t.Errorf("the peer was told %v", err)
			}
			if err := <-closed; ws.CloseStatus(err) != ws.StatusInternalError {
				t.Errorf("Closed: %v", err)
			}
			if s := out.String(); !strings.Contains(s, "the handler broke") || !strings.Contains(s, "attach_test.go") {
				t.Errorf("the log has no stack: %s", s)
			}
		})
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A reply leaves although the handler that wrote it goes on for as long as it
// likes.
func TestReplyLeavesWhileTheHandlerBlocks(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{})
			release := make(chan struct{})
			srv.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
				c.Write(context.Background(), typ, p)
				<-release
			}))
			mustWrite(t, client, ws.Text, []byte("answer me"))
			if _, p := mustRead(t, client); string(p) != "answer me" {
				t.Errorf("got %q", p)
			}
			close(release)
		})
	}
}

func TestCloseInsideAHandler(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{})
			closed := make(chan error, 1)
			srv.Attach(&events{
				message: func(c *ws.Conn, _ ws.MessageType, _ []byte) {
					if err := c.Close(ws.StatusNormalClosure, "enough"); err != nil {
						t.Errorf("Close: %v", err)
					}
				},
				closed: func(_ *ws.Conn, err error) { closed <- err },
			})
			mustWrite(t, client, ws.Text, nil)
			_, _, err := client.Read(testContext(t))
			if ce := closeError(t, err); ce.Code != ws.StatusNormalClosure || ce.Reason != "enough" {
				t.Errorf("the peer: %v", err)
			}
			if ce := closeError(t, <-closed); ce.By != ws.Us || ce.Cause != nil {
				t.Errorf("Closed: %v", ce)
			}
		})
	}
}

func TestCloseNowInsideAHandler(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{})
			closed := make(chan error, 1)
			srv.Attach(&events{
				message: func(c *ws.Conn, _ ws.MessageType, _ []byte) { c.CloseNow() },
				closed:  func(_ *ws.Conn, err error) { closed <- err },
			})
			mustWrite(t, client, ws.Text, nil)
			if _, _, err := client.Read(testContext(t)); closeError(t, err).By != ws.Network {
				t.Errorf("the peer: %v", err)
			}
			<-closed
		})
	}
}

// A slow peer of an attached connection costs a bounded queue, and then the
// policy applies; nothing waits for it.
func TestSlowPeerPolicies(t *testing.T) {
	for kind := range streams {
		t.Run(kind+"/close", func(t *testing.T) {
			leakCheck(t)
			_, c := server(t, kind, ws.ConnOptions{WriteQueue: 100_000, CloseTimeout: 10 * time.Millisecond})
			closed := make(chan error, 1)
			c.Attach(&events{closed: func(_ *ws.Conn, err error) { closed <- err }})
			var err error
			for i := 0; err == nil && i < 100_000; i++ {
				err = c.Write(context.Background(), ws.Binary, make([]byte, 10_000))
			}
			if ws.CloseStatus(err) != ws.StatusTryAgainLater || !errors.Is(err, ws.ErrSlowPeer) {
				t.Errorf("Write: %v", err)
			}
			if err := <-closed; !errors.Is(err, ws.ErrSlowPeer) {
				t.Errorf("Closed: %v", err)
			}
		})
		t.Run(kind+"/refuse", func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{WriteQueue: 100_000, QueuePolicy: ws.RefuseWrite})
			drained := make(chan struct{}, 100)
			srv.Attach(&events{drained: func(*ws.Conn) { drained <- struct{}{} }})
			sent := 0
			for {
				err := srv.Write(context.Background(), ws.Binary, make([]byte, 10_000))
				if errors.Is(err, ws.ErrQueueFull) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if sent++; sent > 100_000 {
					t.Fatal("the queue has no bound")
				}
			}
			for range sent {
				mustRead(t, client)
			}
			select {
			case <-drained:
			case <-time.After(patience):
				t.Fatal("Drained was not called")
			}
			mustWrite(t, srv, ws.Text, []byte("on we go"))
			if _, p := mustRead(t, client); string(p) != "on we go" {
				t.Errorf("got %q", p)
			}
		})
	}
}

func TestMessagesLoop(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{})
			ctx := testContext(t)
			go func() {
				for i := range 10 {
					client.Write(ctx, ws.Text, fmt.Append(nil, i))
				}
			}()
			n := 0
			for m, err := range srv.Messages(ctx) {
				if err != nil || string(m.Data) != fmt.Sprint(n) {
					t.Fatalf("%d: %q, %v", n, m.Data, err)
				}
				if _, _, err := srv.Read(ctx); !errors.Is(err, ws.ErrAttached) {
					t.Fatalf("Read in the body: %v", err)
				}
				if n++; n == 5 {
					break
				}
			}
			// What the loop left is there for any other way to read.
			if _, p := mustRead(t, srv); string(p) != "5" {
				t.Fatalf("got %q", p)
			}
			short, cancel := context.WithCancel(ctx)
			for m, err := range srv.Messages(short) {
				if err != nil {
					if !errors.Is(err, context.Canceled) || n < 9 {
						t.Fatalf("%d: %v", n, err)
					}
					break
				}
				if n++; string(m.Data) != fmt.Sprint(n) {
					t.Fatalf("got %q for %d", m.Data, n)
				}
				if n == 9 {
					cancel()
				}
			}
			cancel()
			go func() {
				client.Write(ctx, ws.Text, []byte("again"))
				client.Close(ws.StatusGoingAway, "")
			}()
			var all []string
			for m, err := range srv.Messages(ctx) {
				if err != nil {
					t.Fatalf("the loop ended with %v", err)
				}
				all = append(all, string(m.Data))
			}
			if fmt.Sprint(all) != "[again]" {
				t.Fatalf("got %v", all)
			}
		})
	}
}

func TestMessagesBodyThatPanicsGivesReadingBack(t *testing.T) {
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	mustWrite(t, client, ws.Text, []byte("one"))
	mustWrite(t, client, ws.Text, []byte("two"))
	func() {
		defer func() { recover() }()
		for range srv.Messages(context.Background()) {
			panic("the body broke")
		}
	}()
	if _, p := mustRead(t, srv); string(p) != "two" {
		t.Errorf("got %q", p)
	}
}

// All replies to what arrived in one segment leave in one write.
func TestRepliesShareOneWrite(t *testing.T) {
	for _, way := range []string{"attach", "messages"} {
		t.Run(way, func(t *testing.T) {
			// In virtual time the pass takes none, however busy the machine is: what is
			// held back for long would leave by itself.
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.Pipe()
				c := ws.NewConn(&countingConn{PipeConn: b}, ws.Params{ConnOptions: ws.ConnOptions{Engine: ws.NewEngine()}})
				writes := &c.NetConn().(*countingConn).writes
				defer c.CloseNow()
				defer a.Close()
				var wire []byte
				for range 32 {
					wire = append(wire, rawFrame(true, frame.Binary, make([]byte, 125))...)
				}
				a.Write(wire)
				if way == "attach" {
					c.Attach(echoHandler)
				} else {
					go func() {
						for m := range c.Messages(context.Background()) {
							c.Write(context.Background(), m.Type, m.Data)
						}
					}()
				}
				if _, err := io.ReadFull(a, make([]byte, 32*127)); err != nil {
					t.Fatal(err)
				}
				if n := writes.Load(); n > 2 {
					t.Errorf("32 replies took %d writes", n)
				}
			})
		})
	}
}

func TestCloseReadAnswersAndRefuses(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{CloseTimeout: soon})
			ctx := srv.CloseRead(testContext(t))
			reading := make(chan error, 1)
			go func() {
				_, _, err := client.Read(context.Background())
				reading <- err
			}()
			if _, err := client.Ping(testContext(t)); err != nil {
				t.Fatalf("Ping: %v", err)
			}
			mustWrite(t, client, ws.Text, []byte("unwelcome"))
			if err := <-reading; ws.CloseStatus(err) != ws.StatusPolicyViolation {
				t.Errorf("the peer was told %v", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(patience):
				t.Error("the context did not end")
			}
		})
	}
}
