//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// C1: an 8-byte header makes Read allocate 64 KiB that no budget counts.
func TestBreakDeclaredLengthAllocates(t *testing.T) {
	const n = 300
	b := ws.NewBudget(1 << 30)
	var as []net.Conn
	var cs []*ws.Conn
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range n {
		a, s := netPair(t, "tcp", "127.0.0.1:0")
		as = append(as, a)
		cs = append(cs, ws.NewConn(s, ws.Params{ConnOptions: ws.ConnOptions{Budget: b}}))
	}
	for _, c := range cs {
		go c.Read(ctx)
	}
	arrived(t, as, nil)
	before := memory()
	arrived(t, as, []byte{0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4})
	waitFor(t, func() bool {
		per := (memory() - before) / n
		t.Logf("%d bytes per connection after an 8-byte header; budget %d", per, b.Used()/n)
		return per <= 8<<10 || b.Used() >= n*per/2
	})
	for i := range cs {
		cs[i].CloseNow()
		as[i].Close()
	}
}

// arrived sends a ping and wire on each stream, in one segment, and returns when
// the pong tells that they are there.
func arrived(t *testing.T, streams []net.Conn, wire []byte) {
	t.Helper()
	for _, a := range streams {
		a.Write(append([]byte{0x89, 0x80, 0, 0, 0, 0}, wire...))
	}
	for _, a := range streams {
		if h := readRaw(t, a); h.Opcode != frame.Pong {
			t.Fatalf("got %v", h)
		}
	}
}

// memory is what heap and stacks hold. Garbage of other tests may still be among
// it: look again before calling it too much.
func memory() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// C2: a Write under a context, waiting for the peer, when the connection ends by the peer's close.
func TestBreakWriteCtxAfterEnd(t *testing.T) {
	client, server := pair(t, "tcp", ws.ConnOptions{CloseTimeout: 5 * time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Write(ctx, ws.Binary, make([]byte, 16<<20)) }()
	for server.Buffered() == 0 {
		runtime.Gosched()
	}
	waitForStack(t, "[IO wait", "(*Conn).Write(", "TestBreakWriteCtxAfterEnd.")
	go client.Close(1000, "") // and does not read? it does: Close discards
	_, _, err := server.Read(context.Background())
	_ = err
	cancel()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("a Write whose ctx ended still waits")
	}
}

// C2b: same with a raw peer that does not read
func TestBreakWriteCtxAfterEndRaw(t *testing.T) {
	a, b := netPair(t, "tcp", "127.0.0.1:0")
	defer a.Close()
	server := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{CloseTimeout: 5 * time.Second}})
	defer server.CloseNow()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Write(ctx, ws.Binary, make([]byte, 16<<20)) }()
	for server.Buffered() == 0 {
		runtime.Gosched()
	}
	waiting := make(chan error, 1)
	go func() { waiting <- server.Write(context.Background(), ws.Binary, make([]byte, 1<<20)) }()
	waitForStack(t, "[IO wait", "(*Conn).Write(", "TestBreakWriteCtxAfterEndRaw.")
	waitForStack(t, "[select", "(*Conn).Write(", "TestBreakWriteCtxAfterEndRaw.")
	a.Write([]byte{0x88, 0x80, 0, 0, 0, 0})
	server.Read(context.Background())
	cancel()
	select {
	case err := <-done:
		t.Log(err)
	case <-time.After(patience):
		t.Error("a Write whose ctx ended still waits, because the connection ended before")
	}
	select {
	case err := <-waiting:
		t.Log(err)
	case <-time.After(patience):
		t.Error("a Write that waits for room still waits after the connection ended")
	}
}

// C3
func TestBreakReadIntoCompressedFits(t *testing.T) {
	client, server := pair(t, "tcp", ws.ConnOptions{Compression: &deflate.Options{}})
	msg := randomBytes(900)
	buf := make([]byte, 0, 1024)
	mustWrite(t, client, ws.Binary, msg)
	_, p, err := server.ReadInto(testContext(t), buf)
	if err != nil || !bytes.Equal(p, msg) {
		t.Fatal(err)
	}
	if &p[0] != &buf[:1][0] {
		t.Error("a message of 900 bytes left a buffer of 1,024")
	}
}

// countingCtx counts what is registered on it.
type countingCtx struct {
	context.Context
	n atomic.Int64
}

func (c *countingCtx) AfterFunc(f func()) func() bool {
	c.n.Add(1)
	var once atomic.Bool
	return func() bool {
		if once.CompareAndSwap(false, true) {
			c.n.Add(-1)
		}
		return true
	}
}

// C4: nothing stays registered on a long-lived context once connections are gone.
func TestBreakContextWatchLeak(t *testing.T) {
	base, cancel := context.WithCancel(context.Background())
	defer cancel()
	ctx := &countingCtx{Context: base}
	for range 2000 {
		_, server := pair(t, "memory", ws.ConnOptions{})
		done := make(chan struct{}, 3)
		go func() { server.Write(ctx, ws.Binary, []byte("x")); done <- struct{}{} }()
		go func() { server.Read(ctx); done <- struct{}{} }()
		go func() { server.CloseNow(); done <- struct{}{} }()
		<-done
		<-done
		<-done
	}
	deadline := time.Now().Add(patience)
	for ctx.n.Load() != 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := ctx.n.Load(); n != 0 {
		t.Errorf("%d of 4000 watches stay on the context of closed connections", n)
	}
}

// C5: streams with odd Reads.
type oddStream struct {
	*wstest.PipeConn
	zero int
	data []byte
}

func (s *oddStream) Read(p []byte) (int, error) {
	if s.zero > 0 {
		s.zero--
		return 0, nil
	}
	if len(s.data) > 0 {
		n := copy(p, s.data)
		s.data = s.data[n:]
		if len(s.data) == 0 {
			return n, io.EOF // n > 0 with err
		}
		return n, nil
	}
	return 0, io.EOF
}

func TestBreakDataWithError(t *testing.T) {
	for _, plain := range []bool{false, true} {
		a, b := wstest.Pipe()
		defer a.Close()
		s := &oddStream{PipeConn: b, zero: 50, data: []byte{0x82, 2, 'h', 'i', 0x88, 2, 3, 0xe9}}
		var rwc io.ReadWriteCloser = s
		if plain {
			rwc = struct{ io.ReadWriteCloser }{s}
		}
		c := ws.NewConn(rwc, ws.Params{Client: true})
		_, p, err := c.Read(testContext(t))
		if string(p) != "hi" || err != nil {
			t.Error(plain, string(p), err)
		}
		_, _, err = c.Read(testContext(t))
		var ce *ws.CloseError
		if !errors.As(err, &ce) || ce.By != ws.Peer || ce.Code != 1001 {
			t.Error(plain, err)
		}
		c.CloseNow()
	}
}

// C6: Close of the stream does not unblock Read.
type stubborn struct {
	block chan struct{}
}

func (s stubborn) Read(p []byte) (int, error)  { <-s.block; return 0, io.EOF }
func (s stubborn) Write(p []byte) (int, error) { return len(p), nil }
func (s stubborn) Close() error                { return nil }

func TestBreakStubbornStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which also ends only when nothing is left
		s := stubborn{make(chan struct{})}
		defer close(s.block)
		const timeout = 5 * time.Second
		c := ws.NewConn(s, ws.Params{ConnOptions: ws.ConnOptions{CloseTimeout: timeout, Engine: ws.NewEngine()}})
		done := make(chan error, 1)
		go func() { _, _, err := c.Read(context.Background()); done <- err }()
		start := time.Now()
		err := c.Close(1000, "")
		if d := time.Since(start); d < timeout || d > timeout+time.Second || err == nil {
			t.Error("Close:", d, err)
		}
		select {
		case err := <-done:
			t.Log(err)
		case <-time.After(timeout):
			t.Error("Read still blocks")
		}
	})
}

// C7: half-close: peer sends, ends its half, still reads our answers, those too
// that are queued when we see the end of its half.
func TestBreakHalfClose(t *testing.T) {
	const size = 24 << 20 // more than two sockets hold
	for _, way := range []string{"read", "attach"} {
		a, b := netPair(t, "tcp", "127.0.0.1:0")
		server := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{WriteQueue: 64 << 20, CloseTimeout: patience}})
		if way == "attach" {
			server.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
				c.Write(context.Background(), typ, bytes.Repeat(p, size))
			}))
		} else {
			go func() {
				for {
					typ, p, err := server.Read(context.Background())
					if err != nil {
						return
					}
					server.Write(context.Background(), typ, bytes.Repeat(p, size))
				}
			}()
		}
		a.Write([]byte{0x82, 0x81, 0, 0, 0, 0, 'x'})
		a.(*net.TCPConn).CloseWrite()
		if way == "attach" {
			<-server.Context().Done() // it has seen the end
		} else {
			waitForStack(t, "[IO wait", "(*Conn).Write(", "TestBreakHalfClose.")
		}
		a.SetReadDeadline(time.Now().Add(patience))
		p, err := io.ReadAll(a)
		if len(p) != 10+size || err != nil {
			t.Errorf("%s: %d bytes, %v", way, len(p), err)
		}
		a.Close()
	}
}

// C9: a stream that takes nothing and says nothing about it.
type idleWriter struct{ io.ReadWriteCloser }

func (idleWriter) Write(p []byte) (int, error) { return 0, nil }

func TestBreakWriteWithoutProgress(t *testing.T) {
	a, b := wstest.Pipe()
	defer b.Close()
	c := ws.NewConn(idleWriter{a}, ws.Params{})
	defer c.CloseNow()
	if err := c.Write(context.Background(), ws.Text, []byte("x")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Write: %v", err)
	}
}
