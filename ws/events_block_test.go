//go:build !js

package ws_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// A reply leaves although the handler goes on, also when the handler has blocked
// before and the event came meanwhile: the worker that it held up has been replaced,
// and nobody watches it any more.
func TestReplyOfALaterPassLeaves(t *testing.T) {
	for _, kind := range evented {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{Engine: ws.NewEngine()})
			steps := make(chan struct{})
			srv.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
				c.Write(context.Background(), typ, p)
				<-steps
			}))
			for i := range 40 { // more than are handled apart after a takeover
				mustWrite(t, client, ws.Text, fmt.Append(nil, i))
				if _, p := mustRead(t, client); string(p) != fmt.Sprint(i) {
					t.Fatalf("got %q, want %d", p, i)
				}
				// The next comes while this one still blocks.
				mustWrite(t, client, ws.Text, []byte("meanwhile"))
				steps <- struct{}{}
				if _, p := mustRead(t, client); string(p) != "meanwhile" {
					t.Fatalf("got %q", p)
				}
				steps <- struct{}{}
			}
		})
	}
}

// Handlers that block in any event hold nobody up who shares their worker.
func TestBlockedInEveryEvent(t *testing.T) {
	for _, kind := range evented {
		for _, where := range []string{"opened", "message", "ping", "pong", "drained", "closed"} {
			t.Run(kind+" "+where, func(t *testing.T) {
				leakCheck(t)
				o := ws.ConnOptions{Engine: ws.NewEngine(), WriteQueue: 64 << 10, QueuePolicy: ws.RefuseWrite}
				other, otherSrv := pair(t, kind, o)
				otherSrv.Attach(echoHandler)
				nc, srv := server(t, kind, o)
				release, inside, closed := make(chan struct{}), make(chan struct{}, 1), make(chan error, 1)
				block := func(at string) {
					if at == where {
						inside <- struct{}{}
						<-release
					}
				}
				srv.Attach(&events{
					opened:  func(*ws.Conn) { block("opened") },
					message: func(*ws.Conn, ws.MessageType, []byte) { block("message") },
					ping:    func(*ws.Conn, []byte) { block("ping") },
					pong:    func(*ws.Conn, []byte) { block("pong") },
					drained: func(*ws.Conn) { block("drained") },
					closed:  func(_ *ws.Conn, err error) { block("closed"); closed <- err },
				})
				switch where {
				case "message":
					nc.Write(rawFrame(true, frame.Text, nil))
				case "ping":
					nc.Write(rawFrame(true, frame.Ping, nil))
				case "pong":
					nc.Write(rawFrame(true, frame.Pong, nil))
				case "drained":
					n := 0
					for srv.TryWrite(ws.Binary, make([]byte, 32<<10)) {
						n++
					}
					for range n {
						readRaw(t, nc)
					}
				case "closed":
					nc.Write(rawFrame(true, frame.Close, []byte{3, 232}))
				}
				await(t, inside, "the handler")
				for range 20 {
					mustWrite(t, other, ws.Text, []byte("x"))
					mustRead(t, other)
				}
				// The peer of the blocked one sends on, and goes.
				nc.Write(rawFrame(true, frame.Text, []byte("more")))
				nc.Close()
				for range 20 {
					mustWrite(t, other, ws.Text, []byte("x"))
					mustRead(t, other)
				}
				if len(closed) > 0 {
					t.Error("Closed came while another event was under way")
				}
				close(release)
				await(t, closed, "Closed")
			})
		}
	}
}

// With one processor too, a blocked handler holds up nobody, and goroutines that a
// handler starts run.
func TestOneProcessor(t *testing.T) {
	leakCheck(t)
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	o := ws.ConnOptions{Engine: ws.NewEngine()}
	client, srv := pair(t, "tcp", o)
	blockedClient, blocked := pair(t, "tcp", o)
	release := make(chan struct{})
	inside := make(chan struct{})
	blocked.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) { close(inside); <-release }))
	srv.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
		s := string(p)
		go c.Write(context.Background(), typ, []byte(s))
	}))
	mustWrite(t, blockedClient, ws.Text, nil)
	await(t, inside, "the handler")
	for i := range 200 {
		mustWrite(t, client, ws.Text, fmt.Append(nil, i))
		if _, p := mustRead(t, client); string(p) != fmt.Sprint(i) {
			t.Fatalf("got %q, want %d", p, i)
		}
	}
	close(release)
}

// A message may be streamed from inside a handler, larger than the queue, to a peer
// that reads at its leisure.
func TestWriterInsideAHandler(t *testing.T) {
	for _, kind := range evented {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			o := ws.ConnOptions{Engine: ws.NewEngine(), WriteQueue: 64 << 10, MaxMessage: 64 << 20}
			other, otherSrv := pair(t, kind, o)
			otherSrv.Attach(echoHandler)
			client, srv := pair(t, kind, o)
			want := randomBytes(12 << 20) // more than two sockets hold
			began := make(chan struct{})
			srv.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
				w, err := c.Writer(context.Background(), ws.Binary)
				if err != nil {
					t.Error(err)
					return
				}
				close(began)
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 10_000)
					if _, err := w.Write(rest[:n]); err != nil {
						t.Error(err)
						return
					}
					rest = rest[n:]
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}))
			mustWrite(t, client, ws.Text, nil)
			await(t, began, "the Writer")
			waitStuck(t, "TestWriterInsideAHandler.")
			mustWrite(t, other, ws.Text, []byte("x"))
			mustRead(t, other)
			if _, p := mustRead(t, client); string(p) != string(want) {
				t.Errorf("%d bytes came", len(p))
			}
		})
	}
}

// Calls that wait for what only the handler's own goroutine could bring say so, or
// do not wait.
func TestCallsInsideAHandler(t *testing.T) {
	for _, kind := range evented {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{})
			got := make(chan error, 4)
			srv.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
				_, _, err := c.Read(context.Background())
				got <- err
				_, _, err = c.Reader(context.Background())
				got <- err
				got <- c.Attach(echoHandler)
				for _, err := range c.Messages(context.Background()) {
					got <- err
				}
				c.Close(ws.StatusNormalClosure, "")
			}))
			mustWrite(t, client, ws.Text, nil)
			for range 4 {
				if err := await(t, got, "an answer"); err != ws.ErrAttached {
					t.Errorf("got %v", err)
				}
			}
			if _, _, err := client.Read(testContext(t)); ws.CloseStatus(err) != ws.StatusNormalClosure {
				t.Errorf("the peer: %v", err)
			}
		})
	}
}
