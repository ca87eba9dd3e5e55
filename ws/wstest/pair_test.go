//go:build !js

package wstest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// fakeTB is a test that fails without failing this one.
type fakeTB struct {
	cleanups []func()
	errors   []string
}

func (f *fakeTB) Helper()              {}
func (f *fakeTB) Cleanup(clean func()) { f.cleanups = append(f.cleanups, clean) }
func (f *fakeTB) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeTB) end() {
	for _, clean := range f.cleanups {
		clean()
	}
}

func TestPairEchoesUnderEveryKindOfPipe(t *testing.T) {
	for name, o := range map[string]wstest.PipeOptions{
		"plain":       {},
		"bytes":       {Faults: wstest.Faults{Chunk: 1}},
		"slow":        {Faults: wstest.Faults{Chunk: 1000, Delay: 100 * time.Millisecond}},
		"tiny buffer": {Buffer: 3},
		"tcp close":   {ResetUnread: true},
	} {
		for _, z := range []*deflate.Options{nil, {}, {NoContextTakeover: true, PeerWindowBits: 9}} {
			t.Run(fmt.Sprintf("%s/%v", name, z != nil), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					co := ws.ConnOptions{Compression: z}
					client, server := wstest.Pair(t, &wstest.PairOptions{
						Client: co, Server: co, ClientPipe: o, ServerPipe: o, Subprotocol: "chat",
					})
					if client.Subprotocol() != "chat" || server.Subprotocol() != "chat" {
						t.Errorf("subprotocols %q and %q", client.Subprotocol(), server.Subprotocol())
					}
					go echo(server)
					for _, n := range []int{0, 1, 125, 126, 5000, 20_000} {
						want := bytes.Repeat([]byte("tide "), n/5+1)[:n]
						if err := client.Write(t.Context(), ws.Binary, want); err != nil {
							t.Fatal(err)
						}
						typ, got, err := client.Read(t.Context())
						if typ != ws.Binary || !bytes.Equal(got, want) || err != nil {
							t.Fatalf("%d bytes: got %v of %d, %v", n, typ, len(got), err)
						}
					}
					if err := client.Close(ws.StatusNormalClosure, "bye"); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
			})
		}
	}
}

func TestPairNamesItsEnds(t *testing.T) {
	client, server := wstest.Pair(t, nil)
	if client.LocalAddr() != wstest.Addr("client") || client.RemoteAddr() != wstest.Addr("server") {
		t.Errorf("client's addresses %v and %v", client.LocalAddr(), client.RemoteAddr())
	}
	if wstest.Stream(client).Peer() != wstest.Stream(server) {
		t.Error("the streams are not each other's peers")
	}
	client, _ = wstest.Pair(t, &wstest.PairOptions{ClientPipe: wstest.PipeOptions{Addr: wstest.Addr("me")}})
	if client.LocalAddr() != wstest.Addr("me") {
		t.Errorf("client's address %v", client.LocalAddr())
	}
	a, _ := wstest.Pipe()
	plain := ws.NewConn(struct{ wrapped }{wrapped{a}}, ws.Params{})
	defer plain.CloseNow()
	if wstest.Stream(plain) != nil {
		t.Error("a Stream where there is no net.Conn")
	}
}

// wrapped hides what a PipeConn can do beyond io.ReadWriteCloser.
type wrapped struct{ c *wstest.PipeConn }

func (w wrapped) Read(p []byte) (int, error)  { return w.c.Read(p) }
func (w wrapped) Write(p []byte) (int, error) { return w.c.Write(p) }
func (w wrapped) Close() error                { return w.c.Close() }

// TestPairEndsWithItsTest has everything under way when the test ends.
func TestPairEndsWithItsTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tb fakeTB
		client, server := wstest.Pair(&tb, &wstest.PairOptions{ServerPipe: wstest.PipeOptions{Buffer: 10}})
		errs := make(chan error, 3)
		go func() { _, _, err := client.Read(t.Context()); errs <- err }()
		go func() { _, _, err := server.Read(t.Context()); errs <- err }()
		wstest.Stream(server).SetFaults(wstest.Faults{Stall: true})
		go func() { errs <- server.Write(t.Context(), ws.Binary, make([]byte, 100_000)) }()
		synctest.Wait()
		start := time.Now()
		tb.end()
		for range 3 {
			if err := <-errs; err == nil {
				t.Error("a call under way returned without an error")
			}
		}
		if len(tb.errors) > 0 {
			t.Errorf("the pair left something behind: %q", tb.errors)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("it took %v to end", d)
		}
	})
}

type stuckHandler struct{ release chan struct{} }

func (stuckHandler) Opened(*ws.Conn)                            {}
func (h stuckHandler) Message(*ws.Conn, ws.MessageType, []byte) { <-h.release }
func (stuckHandler) Closed(*ws.Conn, error)                     {}

// TestPairNoticesWhatIsLeft has a handler that never returns.
func TestPairNoticesWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tb fakeTB
		client, server := wstest.Pair(&tb, nil)
		h := stuckHandler{make(chan struct{})}
		if err := server.Attach(h); err != nil {
			t.Fatal(err)
		}
		if err := client.Write(t.Context(), ws.Text, []byte("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		tb.end()
		if len(tb.errors) != 1 || !strings.Contains(tb.errors[0], "stuckHandler") {
			t.Errorf("errors %q, want one with the handler's stack", tb.errors)
		}
		close(h.release)
	})
}

func TestPairSaysWhatIsLeft(t *testing.T) {
	budget := ws.NewBudget(1 << 20)
	client, _ := wstest.Pair(t, &wstest.PairOptions{Client: ws.ConnOptions{Budget: budget}})
	if got := wstest.LeftNow(budget, []*ws.Conn{client}); got != "the open stream of the client" {
		t.Errorf("with an open stream: %q", got)
	}
	stream := wstest.Stream(client)
	stream.Peer().SetFaults(wstest.Faults{Cut: wstest.CutDrop})
	stream.SetFaults(wstest.Faults{Stall: true})
	if !client.TryWrite(ws.Binary, make([]byte, 100_000)) {
		t.Fatal("TryWrite refused")
	}
	if got := wstest.LeftNow(budget, nil); !strings.Contains(got, "bytes in the pair's Budget") {
		t.Errorf("with %d bytes held: %q", budget.Used(), got)
	}
}

func TestPairCompresses(t *testing.T) {
	var sent wstest.Recorder
	co := ws.ConnOptions{Compression: &deflate.Options{}}
	for _, server := range []ws.ConnOptions{co, {}} {
		sent.Reset()
		client, _ := wstest.Pair(t, &wstest.PairOptions{
			Client: co, Server: server, ClientPipe: wstest.PipeOptions{Tap: sent.Tap},
		})
		if err := client.Write(t.Context(), ws.Text, bytes.Repeat([]byte("tide "), 1000)); err != nil {
			t.Fatal(err)
		}
		frames, err := sent.Frames()
		if err != nil || len(frames) != 1 || !frames[0].Masked {
			t.Fatalf("frames %v, %v", frames, err)
		}
		squeezed := frames[0].RSV == frame.RSV1 && len(frames[0].Payload) < 500
		if squeezed != (server.Compression != nil) {
			t.Errorf("rsv %d, %d bytes, with server %v", frames[0].RSV, len(frames[0].Payload), server.Compression)
		}
	}
}

func TestPairSurvivesACorruptByte(t *testing.T) {
	client, server := wstest.Pair(t, nil)
	wstest.Stream(client).SetFaults(wstest.Faults{Corrupt: wstest.Flip(0, 0x70)}) // the reserved bits
	if err := client.Write(t.Context(), ws.Text, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, _, err := server.Read(t.Context())
	if !errors.Is(err, frame.ErrReservedBits) || ws.CloseStatus(err) != ws.StatusProtocolError {
		t.Errorf("server: %v", err)
	}
	_, _, err = client.Read(t.Context())
	if ce := (*ws.CloseError)(nil); !errors.As(err, &ce) || ce.By != ws.Peer || ce.Code != ws.StatusProtocolError {
		t.Errorf("client: %v", err)
	}
}

// TestPairReset breaks a pair in a bubble, with readers on both ends.
func TestPairReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, nil)
		errs := make(chan error)
		for _, c := range []*ws.Conn{client, server} {
			go func() { _, _, err := c.Read(context.Background()); errs <- err }()
		}
		synctest.Wait()
		wstest.Stream(client).Reset()
		for range 2 {
			if err := <-errs; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Read: %v", err)
			}
		}
	})
}
