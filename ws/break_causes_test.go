//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/wstest"
)

// F1: a cancelled compressed Reader goes on.
func TestBreakReaderContinues(t *testing.T) {
	for _, z := range []bool{false, true} {
		for kind := range streams {
			o := ws.ConnOptions{}
			if z {
				o.Compression = &deflate.Options{}
			}
			client, server := pair(t, kind, o)
			p := randomBytes(60000)
			w, err := client.Writer(context.Background(), ws.Binary)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(p[:40000])
			ctx, cancel := context.WithCancel(context.Background())
			_, r, err := server.Reader(ctx)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(20*time.Millisecond, cancel)
			got, err := io.ReadAll(r)
			if !errors.Is(err, context.Canceled) {
				t.Fatal(kind, z, err)
			}
			// Read discards the rest and returns the next message.
			go func() { w.Write(p[40000:]); w.Close(); client.Write(context.Background(), ws.Text, []byte("next")) }()
			_, q := mustRead(t, server)
			if string(q) != "next" {
				t.Error(kind, z, len(got), len(q))
			}
		}
	}
}

// F2: RST, EOF, EOF in a message, close without status: By, Code, Cause.
func TestBreakWhoEnded(t *testing.T) {
	type want struct {
		by   ws.Closer
		code ws.StatusCode
	}
	for name, s := range map[string]struct {
		do func(a *net.TCPConn)
		want
	}{
		"eof":     {func(a *net.TCPConn) { a.Close() }, want{ws.Network, 1006}},
		"rst":     {func(a *net.TCPConn) { a.SetLinger(0); a.Close() }, want{ws.Network, 1006}},
		"mid":     {func(a *net.TCPConn) { a.Write([]byte{0x82, 0x85, 0, 0, 0, 0, 1}); a.Close() }, want{ws.Network, 1006}},
		"nocode":  {func(a *net.TCPConn) { a.Write([]byte{0x88, 0x80, 0, 0, 0, 0}); a.Close() }, want{ws.Peer, 1005}},
		"1001":    {func(a *net.TCPConn) { a.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xe9}); a.Close() }, want{ws.Peer, 1001}},
		"badcode": {func(a *net.TCPConn) { a.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xed}); a.Close() }, want{ws.Policy, 1002}},
		"unmask":  {func(a *net.TCPConn) { a.Write([]byte{0x82, 0x01, 0}); a.Close() }, want{ws.Policy, 1002}},
		"msg+1000+rst": {func(a *net.TCPConn) {
			a.Write([]byte{0x82, 0x81, 0, 0, 0, 0, 1, 0x88, 0x82, 0, 0, 0, 0, 3, 0xe8})
			time.Sleep(20 * time.Millisecond)
			a.Close()
		}, want{ws.Peer, 1000}},
	} {
		for _, how := range []string{"read", "attach", "messages", "closeread"} {
			for range 5 {
				a, b := netPair(t, "tcp", "127.0.0.1:0")
				server := ws.NewConn(b, ws.Params{})
				go s.do(a.(*net.TCPConn))
				switch how {
				case "read":
					for {
						if _, _, err := server.Read(context.Background()); err != nil {
							break
						}
					}
				case "attach":
					server.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) {}))
				case "messages":
					for range server.Messages(context.Background()) {
					}
				case "closeread":
					if name == "mid" || name == "msg+1000+rst" {
						server.CloseNow()
						continue
					}
					server.CloseRead(context.Background())
				}
				<-server.Context().Done()
				var ce *ws.CloseError
				if !errors.As(context.Cause(server.Context()), &ce) || ce.By != s.by || ce.Code != s.code {
					t.Errorf("%s %s: %v", name, how, ce)
				}
				if ce.At.IsZero() {
					t.Error("no At")
				}
				server.CloseNow()
				a.Close()
			}
		}
	}
}

// F3: a Write that loses to the peer's close reports the peer's close, not the network.
func TestBreakWriteSeesTheClose(t *testing.T) {
	for range 50 {
		a, b := netPair(t, "tcp", "127.0.0.1:0")
		server := ws.NewConn(b, ws.Params{})
		server.Attach(ws.HandlerFunc(func(*ws.Conn, ws.MessageType, []byte) {}))
		go func() {
			a.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xe9})
			a.Close()
		}()
		var err error
		for err == nil {
			err = server.Write(context.Background(), ws.Binary, []byte("x"))
		}
		// The Write itself may tell of the network; the connection tells of the peer.
		<-server.Context().Done()
		var ce *ws.CloseError
		if err := context.Cause(server.Context()); !errors.As(err, &ce) || ce.By != ws.Peer || ce.Code != 1001 {
			t.Error(err)
		}
		server.CloseNow()
	}
}

// F4: Close is bounded though the peer floods and never answers; though it reads nothing and the queue is full.
func TestBreakCloseBounded(t *testing.T) {
	for name, peer := range map[string]func(a net.Conn){
		"flood": func(a net.Conn) {
			p := make([]byte, 6+100)
			p[0], p[1] = 0x82, 0x80|100
			for {
				if _, err := a.Write(p); err != nil {
					return
				}
			}
		},
		"endless fragments": func(a net.Conn) {
			p := make([]byte, 6*1000)
			for i := 0; i < len(p); i += 6 {
				p[i+1] = 0x80
			}
			a.Write([]byte{0x02, 0x80, 0, 0, 0, 0})
			for {
				if _, err := a.Write(p); err != nil {
					return
				}
			}
		},
		"silent": func(a net.Conn) {},
	} {
		for _, full := range []bool{false, true} {
			a, b := netPair(t, "tcp", "127.0.0.1:0")
			const timeout = 200 * time.Millisecond
			server := ws.NewConn(b, ws.Params{ConnOptions: ws.ConnOptions{CloseTimeout: timeout}})
			go peer(a)
			if full {
				go server.Write(context.Background(), ws.Binary, make([]byte, 32<<20))
				waitForStack(t, "[IO wait", "(*Conn).Write(", "TestBreakCloseBounded")
			}
			// It is not over before its time, as there is no answer, and it is over
			// some day: without a bound it would wait for ever.
			start := time.Now()
			closed := make(chan error, 1)
			go func() { closed <- server.Close(1000, "") }()
			var err error
			select {
			case err = <-closed:
			case <-time.After(patience):
				t.Fatal(name, full, "Close has no bound")
			}
			if d := time.Since(start); d < timeout*9/10 || err == nil {
				t.Error(name, full, d, err)
			}
			var ce *ws.CloseError
			if errors.As(err, &ce) && (ce.By != ws.Us || ce.Code != 1000) {
				t.Error(name, full, err)
			}
			a.Close()
		}
	}
}

// F5: an error that was handed out says when it was noticed, and never changes.
func TestBreakErrorNeverChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, nil)
		wstest.Stream(client).CloseRead()
		var err error
		for err == nil {
			err = server.Write(t.Context(), ws.Text, nil)
		}
		var ce *ws.CloseError
		if !errors.As(err, &ce) || ce.By != ws.Network {
			t.Fatal(err)
		}
		before := *ce
		// Nobody reads: the wheel makes it the end of the connection.
		<-server.Context().Done()
		if got := context.Cause(server.Context()); got != err || *ce != before {
			t.Errorf("Write said %+v, the end is %+v", before, got)
		}
	})
}

func TestBreakWriteWhileClosingSaysWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server := wstest.Pair(t, nil)
		start := time.Now()
		go server.Close(ws.StatusGoingAway, "off")
		time.Sleep(time.Second)
		err := server.Write(t.Context(), ws.Text, nil)
		var ce *ws.CloseError
		if !errors.As(err, &ce) || ce.By != ws.Us || !ce.At.Equal(start) {
			t.Errorf("%+v", err)
		}
	})
}

// F6: a Write that waits for a full queue learns of the end when it comes, though
// the queue is still given time to leave.
func TestBreakEndWakesWaitingWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, nil)
		wstest.Stream(server).SetFaults(wstest.Faults{Stall: true})
		for server.TryWrite(ws.Binary, make([]byte, 10_000)) {
		}
		go server.Read(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, func() { wstest.Stream(client).CloseWrite() })
		err := server.Write(t.Context(), ws.Binary, make([]byte, 10_000))
		if d := time.Since(start); d != time.Second || !errors.Is(err, io.EOF) {
			t.Errorf("after %v: %v", d, err)
		}
	})
}

// F7: a Messages loop ends the connection when the stream is closed under it.
func TestBreakStreamClosedUnderMessages(t *testing.T) {
	for kind := range streams {
		_, server := pair(t, kind, ws.ConnOptions{})
		nc := server.NetConn()
		if nc == nil {
			continue
		}
		go nc.Close() // before, during or after it blocks
		var last error
		for _, err := range server.Messages(testContext(t)) {
			last = err
		}
		var ce *ws.CloseError
		if !errors.As(last, &ce) || ce.By != ws.Network || context.Cause(server.Context()) != last {
			t.Errorf("%s: the loop says %v, the connection %v", kind, last, context.Cause(server.Context()))
		}
	}
}

// F8: a context that ends because the connection does, as CloseRead's, hides
// nothing: every call says how it ended.
func TestBreakEndBeforeItsContext(t *testing.T) {
	client, server := pair(t, "tcp", ws.ConnOptions{})
	ctx := server.CloseRead(testContext(t))
	w, err := server.Writer(ctx, ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- server.Write(ctx, ws.Text, []byte("behind the Writer")) }()
	client.Close(ws.StatusGoingAway, "bye")
	<-ctx.Done()
	want := context.Cause(server.Context())
	for name, call := range map[string]func() error{
		"Write that waited": func() error { return <-waiting },
		"Write":             func() error { return server.Write(ctx, ws.Text, nil) },
		"WritePrepared":     func() error { return server.WritePrepared(ctx, ws.Prepare(ws.Text, nil)) },
		"Writer":            func() error { _, err := server.Writer(ctx, ws.Text); return err },
		"Writer.Close":      func() error { return w.Close() },
		"Ping":              func() error { _, err := server.Ping(ctx); return err },
		"Read":              func() error { _, _, err := server.Read(ctx); return err },
	} {
		if err := call(); err != want {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
