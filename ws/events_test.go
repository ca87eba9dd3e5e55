//go:build !js

package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// evented are the kinds of stream that an attached connection hands to the engine.
var evented = []string{"tcp", "unix"}

// isEvented reports whether the engine drives c, which is attached.
func isEvented(c *ws.Conn) bool { return fmt.Sprintf("%T", c.NetConn()) == "*engine.Conn" }

// await receives from ch, or fails the test.
func await[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("in vain waited for: %s", what)
		panic("unreachable")
	}
}

// The engine has the connection from Attach on, whatever is asked of it meanwhile
// and afterwards.
func TestAddressesSurviveAttachAndTheEnd(t *testing.T) {
	for _, kind := range evented {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{})
			before := srv.LocalAddr().String() + srv.RemoteAddr().String() + srv.RemoteAddr().Network()
			stop, done := make(chan struct{}), make(chan struct{})
			go func() { // who asks while Attach replaces what it asks
				defer close(done)
				for {
					if got := srv.LocalAddr().String() + srv.RemoteAddr().String() + srv.RemoteAddr().Network(); got != before {
						t.Errorf("%s became %s", before, got)
						return
					}
					if raw, err := srv.NetConn().(syscall.Conn).SyscallConn(); err == nil {
						raw.Control(func(uintptr) {})
					}
					select {
					case <-stop:
						return
					default:
						runtime.Gosched()
					}
				}
			}()
			closed := make(chan error, 1)
			srv.Attach(&events{
				message: func(c *ws.Conn, typ ws.MessageType, p []byte) { c.Write(context.Background(), typ, p) },
				closed:  func(_ *ws.Conn, err error) { closed <- err },
			})
			mustWrite(t, client, ws.Text, []byte("x"))
			mustRead(t, client)
			if !isEvented(srv) {
				t.Errorf("the stream is a %T", srv.NetConn())
			}
			client.Close(ws.StatusNormalClosure, "")
			await(t, closed, "Closed")
			close(stop)
			<-done
		})
	}
}

// The socket options of an attached connection are reached by SyscallConn, which is
// all that its NetConn can do.
func TestNetConnOfAnAttachedConnection(t *testing.T) {
	leakCheck(t)
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	closed := make(chan error, 1)
	srv.Attach(&events{
		message: func(c *ws.Conn, typ ws.MessageType, p []byte) { c.Write(context.Background(), typ, p) },
		closed:  func(_ *ws.Conn, err error) { closed <- err },
	})
	mustWrite(t, client, ws.Text, []byte("x"))
	mustRead(t, client)
	nc := srv.NetConn()
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	called := 0
	if err := raw.Control(func(uintptr) { called++ }); err != nil || called != 1 {
		t.Errorf("Control: %v, called %d times", err, called)
	}
	never := func(uintptr) bool { t.Error("called"); return true }
	for what, err := range map[string]error{
		"Read": second(nc.Read(make([]byte, 1))), "Write": second(nc.Write([]byte("x"))),
		"RawConn.Read": raw.Read(never), "RawConn.Write": raw.Write(never),
		"SetDeadline": nc.SetDeadline(time.Time{}), "SetReadDeadline": nc.SetReadDeadline(time.Time{}), "SetWriteDeadline": nc.SetWriteDeadline(time.Time{}),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	mustWrite(t, client, ws.Text, []byte("unharmed"))
	mustRead(t, client)
	client.CloseNow()
	await(t, closed, "Closed")
	waitFor(t, func() bool { return errors.Is(raw.Control(func(uintptr) {}), net.ErrClosed) })
}

func second(_ int, err error) error { return err }

// Who closes the stream below an attached connection ends the connection.
func TestStreamClosedBelowAnAttachedConnection(t *testing.T) {
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			_, srv := pair(t, kind, ws.ConnOptions{})
			opened, closed := make(chan struct{}), make(chan error, 1)
			srv.Attach(&events{
				opened: func(*ws.Conn) { close(opened) },
				closed: func(_ *ws.Conn, err error) { closed <- err },
			})
			await(t, opened, "Opened")
			waitFor(t, func() bool { return kind == "plain" || srv.NetConn() != nil })
			if nc := srv.NetConn(); nc != nil {
				nc.Close()
			} else {
				srv.CloseNow()
			}
			await(t, closed, "Closed")
		})
	}
}

// What the peer sends as one segment is handled as one: replies leave by one write,
// and in order, whatever the sizes.
func TestAttachedStreamOfEverySize(t *testing.T) {
	for _, kind := range evented {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			nc, c := server(t, kind, ws.ConnOptions{WriteQueue: 16 << 20})
			c.Attach(echoHandler)
			var want []byte
			go func() {
				for i := range 300 {
					nc.Write(rawFrame(true, frame.Binary, randomBytes(i*i)))
				}
			}()
			for i := range 300 {
				p := randomBytes(i * i)
				want = frame.Append(want[:0], frame.Header{Fin: true, Opcode: frame.Binary, Length: int64(len(p))}, p)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(nc, got); err != nil || string(got) != string(want) {
					t.Fatalf("message %d: %v", i, err)
				}
			}
		})
	}
}

// A handler that ends its goroutine ends its connection with 1011, whichever
// goroutine it was, and no other.
func TestGoexitInEveryEvent(t *testing.T) {
	for _, kind := range evented {
		for _, where := range []string{"opened", "message", "ping", "drained", "closed"} {
			t.Run(kind+" "+where, func(t *testing.T) {
				leakCheck(t)
				o := ws.ConnOptions{Engine: ws.NewEngine(), WriteQueue: 64 << 10, QueuePolicy: ws.RefuseWrite}
				other, otherSrv := pair(t, kind, o)
				otherSrv.Attach(echoHandler)
				client, srv := pair(t, kind, o)
				closed := make(chan error, 1)
				exit := func(at string) {
					if at == where {
						runtime.Goexit()
					}
				}
				srv.Attach(&events{
					opened:  func(*ws.Conn) { exit("opened") },
					message: func(*ws.Conn, ws.MessageType, []byte) { exit("message") },
					ping:    func(*ws.Conn, []byte) { exit("ping") },
					drained: func(*ws.Conn) { exit("drained") },
					closed:  func(_ *ws.Conn, err error) { closed <- err; exit("closed") },
				})
				want := ws.StatusInternalError
				switch where {
				case "message", "ping":
					client.Write(context.Background(), ws.Text, []byte("x"))
					if where == "ping" {
						go client.Ping(context.Background())
					}
				case "drained":
					for srv.TryWrite(ws.Binary, make([]byte, 32<<10)) {
					}
					want = ws.StatusNormalClosure // Drained is told apart
					for n := 0; n < 32<<10; {
						_, p := mustRead(t, client)
						n = len(p) // the first
					}
					go func() {
						for {
							if _, _, err := client.Read(context.Background()); err != nil {
								return
							}
						}
					}()
					waitFor(t, func() bool { return srv.Buffered() == 0 })
					client.Close(ws.StatusNormalClosure, "")
				case "closed":
					want = ws.StatusNormalClosure
					client.Close(ws.StatusNormalClosure, "")
				}
				if err := await(t, closed, "Closed"); ws.CloseStatus(err) != want {
					t.Errorf("Closed: %v", err)
				}
				if where != "drained" && want == ws.StatusInternalError {
					if _, _, err := client.Read(testContext(t)); ws.CloseStatus(err) != want {
						t.Errorf("the peer was told %v", err)
					}
				}
				mustWrite(t, other, ws.Text, []byte("unharmed"))
				mustRead(t, other)
			})
		}
	}
}

// An Engine has a goroutine and descriptors while it has connections.
func TestEngineIsGoneWithItsLastConnection(t *testing.T) {
	leakCheck(t)
	e := ws.NewEngine()
	for range 3 {
		before, files := runtime.NumGoroutine(), descriptors(t)
		closed := make(chan error, 2)
		var ends []*ws.Conn
		for range 2 {
			client, srv := pair(t, "tcp", ws.ConnOptions{Engine: e})
			srv.Attach(&events{
				message: func(c *ws.Conn, typ ws.MessageType, p []byte) { c.Write(context.Background(), typ, p) },
				closed:  func(_ *ws.Conn, err error) { closed <- err },
			})
			mustWrite(t, client, ws.Text, []byte("x"))
			mustRead(t, client)
			ends = append(ends, client)
		}
		for _, c := range ends {
			c.CloseNow()
			await(t, closed, "Closed")
		}
		waitFor(t, func() bool { return runtime.NumGoroutine() <= before && descriptors(t) <= files })
	}
}

// Handlers write to each other's connections and to their own, from workers and
// from elsewhere, and no message is lost, doubled or moved.
func TestHandlersWriteAcross(t *testing.T) {
	for _, kind := range evented {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			const n, each = 8, 200
			o := ws.ConnOptions{WriteQueue: 16 << 20}
			var servers [n]*ws.Conn
			var clients [n]*ws.Conn
			for i := range n {
				clients[i], servers[i] = pair(t, kind, o)
			}
			var handled atomic.Int64
			for i := range n {
				servers[i].Attach(ws.HandlerFunc(func(_ *ws.Conn, typ ws.MessageType, p []byte) {
					for _, c := range servers {
						c.Write(context.Background(), typ, p)
					}
					handled.Add(1)
				}))
			}
			for i := range n {
				go func() {
					for k := range each {
						clients[i].Write(context.Background(), ws.Text, fmt.Appendf(nil, "%d %d", i, k))
					}
				}()
			}
			for i := range n {
				var next [n]int
				for range n * each {
					var from, k int
					_, p := mustRead(t, clients[i])
					fmt.Sscan(string(p), &from, &k)
					if next[from] != k {
						t.Fatalf("client %d got number %d of %d, not %d", i, k, from, next[from])
					}
					next[from]++
				}
			}
		})
	}
}
