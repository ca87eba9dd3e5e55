//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/wstest"
)

// E1
func TestBreakDrainedAfterTryWriteBehindWriter(t *testing.T) {
	_, server := pair(t, "tcp", ws.ConnOptions{})
	w, err := server.Writer(context.Background(), ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	h := &drainHandler{closed: make(chan struct{})}
	server.Attach(h)
	if server.TryWrite(ws.Text, []byte("x")) {
		t.Fatal("TryWrite inside a Writer's message")
	}
	w.Close()
	waitFor(t, func() bool { return h.n.Load() > 0 }) // TryWrite said no: Drained must come
}

// E2
func TestBreakPanicValueStaysHere(t *testing.T) {
	for _, v := range []string{"password=hunter2", "bad \xff"} {
		client, server := pair(t, "tcp", ws.ConnOptions{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		server.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) { panic(v) }))
		mustWrite(t, client, ws.Text, []byte("x"))
		_, _, err := client.Read(testContext(t))
		if ws.CloseStatus(err) != ws.StatusInternalError || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the peer of a handler that panicked with %q learns: %v", v, err)
		}
	}
}

// E3
func TestBreakWriterContents(t *testing.T) {
	for _, z := range []bool{false, true} {
		for kind := range streams {
			o := ws.ConnOptions{MaxMessage: 8 << 20}
			if z {
				o.Compression = &deflate.Options{}
			}
			client, server := pair(t, kind, o)
			for i := range 60 {
				n := []int{0, 1, 100, 16383, 16384, 16385, 40000, 200000}[rand.IntN(8)]
				p := words(n)
				if rand.IntN(2) == 0 {
					p = randomBytes(n)
				}
				from, to := client, server
				if rand.IntN(2) == 0 {
					from, to = server, client
				}
				go func() {
					if rand.IntN(3) == 0 {
						from.Write(context.Background(), ws.Binary, p)
						return
					}
					w, err := from.Writer(context.Background(), ws.Binary)
					if err != nil {
						t.Error(err)
						return
					}
					for q := p; len(q) > 0; {
						k := min(len(q), 1+rand.IntN(30000))
						w.Write(q[:k])
						q = q[k:]
						if rand.IntN(10) == 0 {
							ctx, cancel := context.WithTimeout(context.Background(), time.Microsecond)
							from.Ping(ctx)
							cancel()
						}
					}
					if err := w.Close(); err != nil {
						t.Error(err)
					}
				}()
				var got []byte
				var err error
				switch rand.IntN(3) {
				case 0:
					_, got, err = to.Read(testContext(t))
				case 1:
					var r io.Reader
					if _, r, err = to.Reader(testContext(t)); err == nil {
						got, err = io.ReadAll(r)
					}
				case 2:
					for m, e := range to.Messages(testContext(t)) {
						got, err = bytes.Clone(m.Data), e
						break
					}
				}
				if err != nil || !bytes.Equal(got, p) {
					t.Fatal(kind, z, i, n, len(got), err)
				}
			}
		}
	}
}

// E4: idle keepalive under heavy one-way traffic and busy handlers must not kill.
func TestBreakKeepaliveFalsePositives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe()
		engine := ws.NewEngine()
		client := ws.NewConn(a, ws.Params{Client: true, ConnOptions: ws.ConnOptions{Engine: engine, PingInterval: -1}})
		server := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{Engine: engine, PingInterval: 25 * time.Second, PingMisses: 1}})
		defer server.CloseNow()
		defer client.CloseNow()
		server.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) { time.Sleep(2 * time.Minute) }))
		go func() {
			for range 3 {
				client.Write(context.Background(), ws.Text, []byte("x"))
				time.Sleep(130 * time.Second)
			}
		}()
		go client.Read(context.Background())
		time.Sleep(10 * time.Minute)
		if err := context.Cause(server.Context()); err != nil {
			t.Error("server:", err)
		}
	})
}

// E5: Closed comes after everything else, a Drained under way included.
func TestBreakClosedAfterDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, nil)
		wstest.Stream(server).SetFaults(wstest.Faults{Stall: true})
		for server.TryWrite(ws.Binary, make([]byte, 10_000)) {
		}
		h := &slowDrain{began: make(chan struct{}), release: make(chan struct{}), closed: make(chan struct{})}
		server.Attach(h)
		wstest.Stream(server).SetFaults(wstest.Faults{})
		go func() {
			for range client.Messages(t.Context()) {
			}
		}()
		<-h.began
		client.CloseNow()
		synctest.Wait()
		if server.Context().Err() == nil {
			t.Error("the connection has not ended")
		}
		select {
		case <-h.closed:
			t.Error("Closed was called during Drained")
		default:
		}
		close(h.release)
		<-h.closed
	})
}

type slowDrain struct{ began, release, closed chan struct{} }

func (h *slowDrain) Opened(*ws.Conn)                          {}
func (h *slowDrain) Message(*ws.Conn, ws.MessageType, []byte) {}
func (h *slowDrain) Closed(*ws.Conn, error)                   { close(h.closed) }
func (h *slowDrain) Drained(*ws.Conn) {
	close(h.began)
	<-h.release
}
