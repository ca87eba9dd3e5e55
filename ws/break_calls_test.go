//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestBreakCancelThenClose(t *testing.T) {
	for _, kind := range []string{"tcp", "memory", "tls", "wire"} {
		t.Run(kind, func(t *testing.T) {
			client, server := pair(t, kind, ws.ConnOptions{CloseTimeout: patience})
			go client.Read(context.Background()) // answers the close
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				for err := ws.ErrReading; errors.Is(err, ws.ErrReading); { // the look below may have it
					_, _, err = server.Read(ctx)
				}
			}()
			waitFor(t, func() bool { // until that Read has the reading
				short, stop := context.WithTimeout(context.Background(), time.Millisecond)
				defer stop()
				_, _, err := server.Read(short)
				return errors.Is(err, ws.ErrReading)
			})
			cancel()
			if err := server.Close(ws.StatusNormalClosure, ""); err != nil {
				t.Errorf("Close behind a cancelled Read: %v", err)
			}
			<-done
		})
	}
}

func TestBreakReaderThenMessages(t *testing.T) {
	client, server := pair(t, "tcp", ws.ConnOptions{})
	mustWrite(t, client, ws.Text, []byte("0123456789"))
	mustWrite(t, client, ws.Text, []byte("next"))
	_, r, err := server.Reader(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(r, make([]byte, 3))
	for m, err := range server.Messages(testContext(t)) {
		if err != nil || string(m.Data) != "next" {
			t.Errorf("Messages after a half-read Reader: %q, %v; want \"next\"", m.Data, err)
		}
		break
	}
	mustWrite(t, client, ws.Text, []byte("third"))
	b := make([]byte, 10)
	n, err := r.Read(b)
	if err == nil {
		t.Errorf("the old Reader read %q of a later message", b[:n])
	}
}

// 3
type blockOnWrite struct {
	entered chan struct{}
	closed  chan error
}

func (h blockOnWrite) Opened(c *ws.Conn) {}
func (h blockOnWrite) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	close(h.entered)
	c.Write(context.Background(), typ, p)
}
func (h blockOnWrite) Closed(c *ws.Conn, err error) { h.closed <- err }

func TestBreakCloseNowWakesWriteBehindWriter(t *testing.T) {
	client, server := pair(t, "tcp", ws.ConnOptions{})
	w, err := server.Writer(context.Background(), ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	h := blockOnWrite{make(chan struct{}), make(chan error, 1)}
	if err := server.Attach(h); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, client, ws.Text, []byte("x"))
	<-h.entered
	waitForStack(t, "[select", "blockOnWrite.Message")
	server.CloseNow()
	select {
	case <-h.closed:
	case <-time.After(patience):
		t.Error("CloseNow left the handler blocked in Write behind an unfinished Writer")
		w.Cancel()
		<-h.closed
	}
}

func TestBreakPingVersusCloseNow(t *testing.T) {
	for i := range 3000 {
		client, server := pair(t, "memory", ws.ConnOptions{})
		var wg sync.WaitGroup
		start := make(chan struct{})
		done := make(chan struct{})
		for range 4 {
			wg.Go(func() { <-start; server.Ping(context.Background()) })
		}
		wg.Go(func() { <-start; server.CloseNow() })
		close(start)
		go func() { wg.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatalf("round %d: Ping hangs on a closed connection", i)
		}
		client.CloseNow()
	}
}

func TestBreakMessagesCtxUnderFlood(t *testing.T) {
	client, server := pair(t, "tcp", ws.ConnOptions{})
	go func() {
		p := make([]byte, 100)
		for client.Write(context.Background(), ws.Binary, p) == nil {
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	after, late := 0, time.Time{}
	for _, err := range server.Messages(ctx) {
		if err != nil {
			break
		}
		for i := 0; i < 2000; i++ { // a body that is slower than the peer
			runtime.KeepAlive(i)
		}
		time.Sleep(20 * time.Microsecond)
		if ctx.Err() != nil {
			if after++; after == 1 {
				late = time.Now()
			}
			if time.Since(late) > patience {
				t.Errorf("%d messages and %v after ctx ended, the loop still runs", after, patience)
				break
			}
		}
	}
	t.Log(after)
}

func TestBreakCloseInBodyThenBreak(t *testing.T) {
	client, server := pair(t, "tcp", ws.ConnOptions{CloseTimeout: patience})
	mustWrite(t, client, ws.Text, []byte("x"))
	go func() {
		for range client.Messages(context.Background()) {
		}
	}()
	for range server.Messages(testContext(t)) {
		server.Close(ws.StatusNormalClosure, "bye")
		break
	}
	<-server.Context().Done()
	err := context.Cause(server.Context())
	if ce := (*ws.CloseError)(nil); !errors.As(err, &ce) || ce.By != ws.Us || ce.Code != 1000 || ce.Cause != nil {
		t.Errorf("Close in a body that breaks: %v", err)
	}
}

func TestBreakCloseUnderCloseRead(t *testing.T) {
	_, server := pair(t, "tcp", ws.ConnOptions{CloseTimeout: 50 * time.Millisecond})
	server.CloseRead(context.Background())
	// The peer never reads: the handshake cannot complete.
	if err := server.Close(ws.StatusNormalClosure, ""); err == nil {
		t.Error("Close returned nil although the peer never answered")
	}
}

func TestBreakMessageTimeoutWhileNobodyReads(t *testing.T) {
	rawBubble(t, ws.ConnOptions{MessageTimeout: 60 * time.Second, PingInterval: -1}, func(t *testing.T, nc net.Conn, server *ws.Conn) {
		go nc.Write([]byte{0x82, 0x84, 0, 0, 0, 0, 'a', 'b'})
		_, r, err := server.Reader(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 2)
		io.ReadFull(r, p)
		time.Sleep(90 * time.Second) // the reader is busy
		time.AfterFunc(40*time.Second, func() { nc.Write([]byte("cd")) })
		if _, err := io.ReadFull(r, p); err != nil {
			t.Errorf("MessageTimeout 60 s counted the time in which nobody read: %v", err)
		}
	})
}

// 10
type closedOnly struct{ closed chan error }

func (h closedOnly) Opened(c *ws.Conn)                        { c.Close(ws.StatusGoingAway, "off") }
func (h closedOnly) Message(*ws.Conn, ws.MessageType, []byte) {}
func (h closedOnly) Closed(c *ws.Conn, err error)             { h.closed <- err }
func TestBreakCloseTimeoutSaysUs(t *testing.T) {
	a, b := netPair(t, "tcp", "127.0.0.1:0")
	defer a.Close()
	server := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{CloseTimeout: 50 * time.Millisecond}})
	h := closedOnly{make(chan error, 1)}
	server.Attach(h)
	err := <-h.closed
	if ce := (*ws.CloseError)(nil); !errors.As(err, &ce) || ce.By != ws.Us || ce.Code != ws.StatusGoingAway {
		t.Errorf("Close in a handler, peer never answers: %v; without a handler it is By Us and our code", err)
	}
}

// 11: a Reader that was not read to its end, as a json.Decoder leaves it, and then
// only writing: its message came before.
func TestBreakReaderThenCloseRead(t *testing.T) {
	for _, rest := range []int{0, 10, 100_000} {
		client, server := wstest.Pair(t, nil)
		go client.Write(t.Context(), ws.Text, append([]byte(`{"a":1}`), make([]byte, rest)...))
		_, r, err := server.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 7)); err != nil {
			t.Fatal(err)
		}
		ctx := server.CloseRead(t.Context())
		go client.Read(t.Context())
		if _, err := client.Ping(t.Context()); err != nil {
			t.Errorf("%d bytes behind: %v", rest, err)
		}
		mustWrite(t, client, ws.Text, nil)
		<-ctx.Done()
		if err := context.Cause(ctx); ws.CloseStatus(err) != ws.StatusPolicyViolation {
			t.Errorf("%d bytes behind, then a message: %v", rest, err)
		}
	}
}
