//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// rawFrame is a frame as a client sends it.
func rawFrame(fin bool, op frame.Opcode, p []byte) []byte {
	return frame.Append(nil, frame.Header{Fin: fin, Opcode: op, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: int64(len(p))}, p)
}

// server returns a Conn in the server's role and the bare stream to it.
func server(t testing.TB, kind string, o ws.ConnOptions) (net.Conn, *ws.Conn) {
	a, b := streams[kind](t)
	c := ws.NewConn(b, ws.Params{ConnOptions: o})
	nc, ok := a.(net.Conn)
	if !ok {
		nc = a.(struct{ io.ReadWriteCloser }).ReadWriteCloser.(net.Conn)
	}
	t.Cleanup(func() {
		c.CloseNow()
		nc.Close()
	})
	return nc, c
}

// A Read that is cancelled anywhere, in the middle of a frame too, leaves the
// next one everything.
func TestCancelledReadLosesNothing(t *testing.T) {
	for kind := range streams {
		for _, n := range []int{1, 100, 5000, 70_000, 200_000} {
			t.Run(fmt.Sprintf("%s/%d", kind, n), func(t *testing.T) {
				leakCheck(t)
				nc, c := server(t, kind, ws.ConnOptions{})
				want := randomBytes(n)
				wire := append(rawFrame(false, frame.Binary, want[:n/2]), rawFrame(true, frame.Continuation, want[n/2:])...)
				wire = append(wire, rawFrame(true, frame.Text, []byte("next"))...)
				chunks := make(chan []byte, 20)
				defer close(chunks)
				go func() {
					for p := range chunks {
						nc.Write(p)
					}
				}()
				cuts := []int{0, 1, 2, 5, 6, 7, len(wire) / 3, len(wire) / 2, len(wire) - 20, len(wire) - 3}
				at := 0
				for i, cut := range cuts {
					if cut <= at || cut > len(wire)-12 {
						continue
					}
					chunks <- wire[at:cut]
					at = cut
					ctx, cancel := context.WithCancel(context.Background())
					got := make(chan error, 1)
					go func() {
						_, _, err := c.ReadInto(ctx, make([]byte, 0, 10))
						got <- err
					}()
					if i%3 != 0 {
						waitStuck(t, "ReadInto(")
					}
					cancel() // often before it blocks, and often while it does
					if err := <-got; !errors.Is(err, context.Canceled) {
						t.Fatalf("cut at %d: %v", cut, err)
					}
				}
				chunks <- wire[at:]
				if typ, p := mustRead(t, c); typ != ws.Binary || !bytes.Equal(p, want) {
					t.Fatalf("got %s of %d bytes", typ, len(p))
				}
				if _, p := mustRead(t, c); string(p) != "next" {
					t.Fatalf("got %q", p)
				}
			})
		}
	}
}

func TestReadAfterCancelledReadStreamsTheWholeMessage(t *testing.T) {
	budget := ws.NewBudget(1 << 30)
	nc, c := server(t, "tcp", ws.ConnOptions{Budget: budget})
	want := randomBytes(150_000)
	wire := rawFrame(true, frame.Binary, want)
	go nc.Write(wire[:80_000])
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for budget.Used() < 64<<10 {
			runtime.Gosched()
		}
		cancel()
	}()
	if _, _, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	go nc.Write(wire[80_000:])
	_, r, err := c.Reader(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
}

func TestContextThatHasEnded(t *testing.T) {
	nc, c := server(t, "tcp", ws.ConnOptions{})
	nc.Write(rawFrame(true, frame.Text, []byte("there")))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v", err)
	}
	if err := c.Write(ctx, ws.Text, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v", err)
	}
	if _, err := c.Writer(ctx, ws.Text); !errors.Is(err, context.Canceled) {
		t.Errorf("Writer: %v", err)
	}
	if _, err := c.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping: %v", err)
	}
	if _, p := mustRead(t, c); string(p) != "there" {
		t.Errorf("got %q", p)
	}
}

// A Write that is cancelled while the peer takes nothing has queued its message
// whole, and says nil, or not at all, and says why.
func TestCancelledWriteIsWholeOrNothing(t *testing.T) {
	for kind := range streams {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/client=%v", kind, client), func(t *testing.T) {
				leakCheck(t)
				a, b := streams[kind](t)
				from := ws.NewConn(a, ws.Params{Client: client, ConnOptions: ws.ConnOptions{WriteQueue: 4 << 20}})
				to := ws.NewConn(b, ws.Params{Client: !client})
				defer from.CloseNow()
				defer to.CloseNow()
				var want []uint32
				// Nobody reads yet: sooner or later the stream is full.
				cancelled := 0
				for i := uint32(0); cancelled < 20 && i < 2000; i++ {
					ctx, cancel := context.WithCancel(context.Background())
					p := randomBytes(50_000)
					binary.BigEndian.PutUint32(p, i)
					got := make(chan error, 1)
					go func() { got <- from.Write(ctx, ws.Binary, p) }()
					if i%2 == 0 {
						waitBlocked(from, got)
					}
					cancel()
					switch err := <-got; {
					case err == nil:
						want = append(want, i)
					case errors.Is(err, context.Canceled):
						cancelled++
					default:
						t.Fatal(err)
					}
				}
				if cancelled == 0 {
					t.Fatal("no Write was cancelled")
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					from.Write(testContext(t), ws.Text, []byte("end"))
				}()
				for i := 0; ; i++ {
					typ, p := mustRead(t, to)
					if typ == ws.Text {
						if i != len(want) {
							t.Fatalf("%d messages came, %d were accepted", i, len(want))
						}
						break
					}
					if len(p) != 50_000 || i >= len(want) || binary.BigEndian.Uint32(p) != want[i] || !bytes.Equal(p[4:], randomBytes(50_000)[4:]) {
						t.Fatalf("message %d is wrong", i)
					}
				}
				<-done
			})
		}
	}
}

// waitBlocked returns when the Write whose result goes to got is over, or cannot
// go on.
func waitBlocked(c *ws.Conn, got chan error) {
	for range 50 {
		if len(got) > 0 {
			return
		}
		for range 1000 {
			c.Buffered()
		}
	}
}

// Many writers at once, of which the one that is flushing for the others is
// cancelled: every accepted message arrives, in each writer's order.
func TestWritersOfWhichTheFlusherIsCancelled(t *testing.T) {
	const writers, each = 64, 25
	for kind := range streams {
		t.Run(kind, func(t *testing.T) {
			leakCheck(t)
			client, srv := pair(t, kind, ws.ConnOptions{WriteQueue: 64 << 10})
			accepted := make([][]uint32, writers)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range uint32(each) {
						ctx, cancel := context.WithCancel(context.Background())
						p := make([]byte, 8+int(i)*100)
						binary.BigEndian.PutUint32(p, uint32(w))
						binary.BigEndian.PutUint32(p[4:], i)
						if i%3 == 0 {
							go cancel()
						}
						err := srv.Write(ctx, ws.Binary, p)
						cancel()
						if err == nil {
							accepted[w] = append(accepted[w], i)
						} else if !errors.Is(err, context.Canceled) {
							t.Errorf("writer %d: %v", w, err)
							return
						}
					}
				})
			}
			end := make(chan error, 1)
			go func() {
				wg.Wait()
				end <- srv.Write(context.Background(), ws.Text, []byte("end"))
			}()
			got := make([][]uint32, writers)
			for {
				typ, p := mustRead(t, client)
				if typ == ws.Text {
					break
				}
				w := binary.BigEndian.Uint32(p)
				got[w] = append(got[w], binary.BigEndian.Uint32(p[4:]))
			}
			if err := <-end; err != nil {
				t.Fatal(err)
			}
			for w := range writers {
				if fmt.Sprint(got[w]) != fmt.Sprint(accepted[w]) {
					t.Fatalf("writer %d: accepted %v, arrived %v", w, accepted[w], got[w])
				}
			}
		})
	}
}

// A Write blocked behind an unfinished Writer obeys its context, and control
// frames pass.
func TestWriterBlocksDataNotControl(t *testing.T) {
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	ctx := testContext(t)
	go echo(srv)
	w, err := client.Writer(ctx, ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(bytes.Repeat([]byte("x"), 40_000)) // some of it has left
	short, cancel := context.WithCancel(ctx)
	blocked := make(chan error, 1)
	go func() { blocked <- client.Write(short, ws.Text, []byte("other")) }()
	if client.TryWrite(ws.Text, []byte("other")) {
		t.Error("TryWrite passed an unfinished message")
	}
	reading := make(chan error, 1)
	got := make(chan []byte, 1)
	go func() {
		_, p, err := client.Read(ctx)
		reading <- err
		got <- p
	}()
	if _, err := client.Ping(ctx); err != nil {
		t.Errorf("Ping between fragments: %v", err)
	}
	cancel()
	if err := <-blocked; !errors.Is(err, context.Canceled) {
		t.Errorf("the blocked Write: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-reading; err != nil {
		t.Fatal(err)
	}
	if p := <-got; len(p) != 40_000 {
		t.Errorf("%d bytes came back", len(p))
	}
}

func TestWriterCancelInTheMiddleClosesTheConnection(t *testing.T) {
	client, srv := pair(t, "tcp", ws.ConnOptions{})
	ctx := testContext(t)
	w, _ := client.Writer(ctx, ws.Binary)
	w.Write(make([]byte, 40_000))
	w.Cancel()
	if err := client.Write(ctx, ws.Binary, nil); ws.CloseStatus(err) != ws.StatusInternalError {
		t.Errorf("Write after the Cancel: %v", err)
	}
	if _, _, err := srv.Read(ctx); ws.CloseStatus(err) != ws.StatusInternalError {
		t.Errorf("the peer: %v", err)
	}
}

func TestStalledPeerBlocksOnlyUntilContext(t *testing.T) {
	a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 1})
	a.Write([]byte{0}) // from here on the pipe takes nothing more
	c := ws.NewConn(a, ws.Params{ConnOptions: ws.ConnOptions{WriteQueue: 10_000}})
	defer c.CloseNow()
	defer b.Close()
	n := 0
	for c.TryWrite(ws.Binary, make([]byte, 1000)) {
		if n++; n > 1000 {
			t.Fatal("the queue has no bound")
		}
	}
	if n != 9 { // of 1,004 bytes each
		t.Errorf("a queue of 10,000 bytes holds %d messages", n)
	}
	if b := c.Buffered(); b > 10_000 || b < 8_000 {
		t.Errorf("%d bytes queued", b)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go cancel()
	if err := c.Write(ctx, ws.Binary, make([]byte, 5000)); !errors.Is(err, context.Canceled) {
		t.Errorf("Write to a full queue: %v", err)
	}
}
