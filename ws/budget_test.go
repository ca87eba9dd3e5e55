//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// When the budget runs out, the connection that holds most goes, and the others
// do not notice.
func TestBudgetClosesTheLargestHolder(t *testing.T) {
	leakCheck(t)
	budget := ws.NewBudget(1 << 20)
	o := ws.ConnOptions{Budget: budget, MaxMessage: 64 << 20, CloseTimeout: 50 * time.Millisecond}
	smallNC, small := server(t, "tcp", o)
	bigNC, big := server(t, "tcp", o)

	smallErr, bigErr := make(chan error, 1), make(chan error, 1)
	smallGot := make(chan int, 1)
	go func() {
		_, p, err := small.Read(context.Background())
		smallGot <- len(p)
		smallErr <- err
	}()
	go func() {
		_, _, err := big.Read(context.Background())
		bigErr <- err
	}()
	f := rawFrame(true, frame.Binary, make([]byte, 400_000))
	smallNC.Write(f[:200_000])
	go func() {
		f := rawFrame(true, frame.Binary, make([]byte, 32<<20))
		bigNC.Write(f)
	}()
	if err := <-bigErr; ws.CloseStatus(err) != ws.StatusTryAgainLater || !errors.Is(err, ws.ErrBudget) {
		t.Errorf("the hoarder: %v", err)
	}
	smallNC.Write(f[200_000:])
	if n, err := <-smallGot, <-smallErr; n != 400_000 || err != nil {
		t.Errorf("the other one: %d bytes, %v", n, err)
	}
	waitFor(t, func() bool { return budget.Used() == 0 })
}

// A declared length takes no memory; what has come does.
func TestDeclaredLengthTakesNothing(t *testing.T) {
	budget := ws.NewBudget(1 << 30)
	nc, c := server(t, "tcp", ws.ConnOptions{Budget: budget, MaxMessage: -1})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go c.Read(ctx)
	h := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Length: 1 << 50})
	nc.Write(append(h, make([]byte, 1000)...))
	waitFor(t, func() bool { return budget.Used() > 0 })
	if used := budget.Used(); used > 64<<10 {
		t.Errorf("1,000 bytes of a declared 2^50 hold %d", used)
	}
}

func TestBudgetComesBackToZero(t *testing.T) {
	leakCheck(t)
	budget := ws.NewBudget(1 << 30)
	for kind := range streams {
		for _, z := range []*deflate.Options{nil, {}} {
			client, srv := pair(t, kind, ws.ConnOptions{Budget: budget, Compression: z, WriteQueue: 8 << 20, MaxMessage: 8 << 20})
			srv.Attach(echoHandler)
			for _, n := range []int{10, 100_000, 1 << 20} {
				go client.Write(context.Background(), ws.Binary, randomBytes(n))
				mustRead(t, client)
				go client.Write(context.Background(), ws.Binary, words(n))
				mustRead(t, client)
			}
			client.Close(ws.StatusNormalClosure, "")
			srv.CloseNow()
		}
	}
	waitFor(t, func() bool { return budget.Used() == 0 })
}

func TestInflatedMessageIsBounded(t *testing.T) {
	for _, kind := range []string{"tcp", "memory"} {
		client, srv := pair(t, kind, ws.ConnOptions{Compression: &deflate.Options{}, MaxMessage: 100_000})
		go client.Write(context.Background(), ws.Binary, make([]byte, 50<<20))
		_, _, err := srv.Read(testContext(t))
		if ws.CloseStatus(err) != ws.StatusMessageTooBig || !errors.Is(err, ws.ErrTooBig) {
			t.Errorf("a bomb: %v", err)
		}
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// What a compressor keeps of the messages sent is counted, whichever way they
// went.
func TestBudgetCountsTheHistory(t *testing.T) {
	for name, send := range map[string]func(ctx context.Context, c *ws.Conn) error{
		"Write": func(ctx context.Context, c *ws.Conn) error {
			return c.Write(ctx, ws.Text, words(2000))
		},
		"WritePrepared": func(ctx context.Context, c *ws.Conn) error {
			return c.WritePrepared(ctx, ws.Prepare(ws.Text, words(2000)))
		},
		"Writer": func(ctx context.Context, c *ws.Conn) error {
			w, err := c.Writer(ctx, ws.Text)
			if err != nil {
				return err
			}
			w.Write(words(2000))
			return w.Close()
		},
	} {
		o := ws.ConnOptions{Compression: &deflate.Options{}, Budget: ws.NewBudget(1 << 30)}
		_, srv := wstest.Pair(t, &wstest.PairOptions{Client: o, Server: o})
		if err := send(t.Context(), srv); err != nil {
			t.Fatal(err)
		}
		if used := o.Budget.Used(); used < 2000 {
			t.Errorf("%s: the budget knows of %d bytes", name, used)
		}
		srv.CloseNow()
		waitFor(t, func() bool { return o.Budget.Used() == 0 })
	}
}

// Room that a cancelled Read took for a message is given back with the message,
// though a Reader reads it.
func TestBudgetAfterACancelledRead(t *testing.T) {
	for _, discard := range []bool{false, true} {
		budget := ws.NewBudget(1 << 30)
		rawBubble(t, ws.ConnOptions{Budget: budget}, func(t *testing.T, nc net.Conn, c *ws.Conn) {
			f := rawFrame(true, frame.Binary, make([]byte, 100_000))
			nc.Write(f[:14])
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			go nc.Write(append(f[14:], rawFrame(true, frame.Text, []byte("next"))...))
			_, r, err := c.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !discard {
				if p, err := io.ReadAll(r); len(p) != 100_000 || err != nil {
					t.Errorf("%d bytes, %v", len(p), err)
				}
			}
			mustRead(t, c)
			if used := budget.Used(); used != 0 {
				t.Errorf("discard=%v: between messages %d bytes are held", discard, used)
			}
		})
	}
}
