//go:build !js

package websocket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/compat/websocket"
	"github.com/tidewire/tidewire/ws/frame"
)

func TestEchoEverySize(t *testing.T) {
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprintf("compression %v", compress), func(t *testing.T) {
			c := dial(t, &websocket.Dialer{EnableCompression: compress}, serve(t, &websocket.Upgrader{EnableCompression: compress}, echo))
			for _, n := range []int{0, 1, 125, 126, 4095, 4096, 4097, 65535, 65536, 1 << 20} {
				mustWrite(t, c, websocket.TextMessage, words(n))
				mustRead(t, c, websocket.TextMessage, words(n))
				mustWrite(t, c, websocket.BinaryMessage, random(n))
				mustRead(t, c, websocket.BinaryMessage, random(n))
			}
		})
	}
}

func TestStreamInPieces(t *testing.T) {
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprintf("compression %v", compress), func(t *testing.T) {
			client, server := pair(t, &websocket.Upgrader{EnableCompression: compress, WriteBufferSize: 100}, &websocket.Dialer{EnableCompression: compress})
			for _, ends := range [][2]*websocket.Conn{{client, server}, {server, client}} {
				text := strings.Repeat("fünf große Züge; ", 10_000)
				done := make(chan error, 1)
				go func() {
					w, err := ends[0].NextWriter(websocket.TextMessage)
					if err != nil {
						done <- err
						return
					}
					rest := text
					for n := 1; len(rest) > 0; n = n*3%5003 + 1 {
						k := min(n, len(rest)) // cuts characters, too
						if _, err := w.Write([]byte(rest[:k])); err != nil {
							done <- err
							return
						}
						rest = rest[k:]
					}
					done <- w.Close()
				}()
				mustRead(t, ends[1], websocket.TextMessage, []byte(text))
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestNextWriterCompletesTheOneBefore(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	first, err := client.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(first, "first")
	second, err := client.NextWriter(websocket.BinaryMessage)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write([]byte("late")); err == nil {
		t.Error("a writer whose message has ended takes more")
	}
	if err := first.Close(); err == nil {
		t.Error("a writer whose message has ended closes once more")
	}
	io.WriteString(second, "second")
	mustWrite(t, client, websocket.TextMessage, []byte("third"))
	mustRead(t, server, websocket.TextMessage, []byte("first"))
	mustRead(t, server, websocket.BinaryMessage, []byte("second"))
	mustRead(t, server, websocket.TextMessage, []byte("third"))
}

func TestNextReaderDiscards(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{EnableCompression: true}, &websocket.Dialer{EnableCompression: true})
	for _, compress := range []bool{false, true} {
		client.EnableWriteCompression(compress)
		go func() {
			client.WriteMessage(websocket.BinaryMessage, random(100_000))
			client.WriteMessage(websocket.TextMessage, []byte("next"))
		}()
		_, r, err := server.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		mustRead(t, server, websocket.TextMessage, []byte("next"))
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("the reader of before: %d, %v", n, err)
		}
	}
}

func TestConcurrentWritersDoNotPanic(t *testing.T) {
	const writers, each = 16, 50
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("prepared"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range each {
				server.SetWriteDeadline(time.Now().Add(patience))
				var err error
				switch n % 3 {
				case 0:
					err = server.WriteMessage(websocket.TextMessage, words(i*1000+n))
				case 1:
					err = server.WritePreparedMessage(prepared)
				default:
					err = server.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience))
				}
				if err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			}
		})
	}
	pings := 0
	client.SetPingHandler(func(string) error { pings++; return nil })
	for range writers * (each/3*2 + 2) {
		if _, p, err := client.ReadMessage(); err != nil {
			t.Fatal(err)
		} else if string(p) != "prepared" && !bytes.Equal(p, words(len(p))) {
			t.Fatalf("got a message that nobody wrote: %.40q", p)
		}
	}
	wg.Wait()
	if want := writers * (each / 3); pings > want {
		t.Fatalf("%d pings came, %d were sent", pings, want)
	}
}

func TestHandlersRunInsideReading(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	var log []string
	answer := server.PingHandler()
	server.SetPingHandler(func(p string) error { log = append(log, "ping "+p); return answer(p) })
	server.SetPongHandler(func(p string) error { log = append(log, "pong "+p); return nil })
	deadline := time.Now().Add(patience)
	for _, typ := range []int{websocket.PingMessage, websocket.PongMessage} {
		if err := client.WriteControl(typ, []byte("x"), deadline); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, client, websocket.PingMessage, []byte("as a message"))
	w, err := client.NextWriter(websocket.PingMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "as a ")
	io.WriteString(w, "stream")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if log != nil {
		t.Fatal("a handler ran before anybody read")
	}
	mustWrite(t, client, websocket.TextMessage, []byte("end"))
	mustRead(t, server, websocket.TextMessage, []byte("end"))
	want := []string{"ping x", "pong x", "ping as a message", "ping as a stream"}
	if fmt.Sprint(log) != fmt.Sprint(want) {
		t.Fatalf("handlers: %q, want %q", log, want)
	}
	var pongs []string
	client.SetPongHandler(func(p string) error { pongs = append(pongs, p); return nil })
	mustWrite(t, server, websocket.TextMessage, []byte("end"))
	mustRead(t, client, websocket.TextMessage, []byte("end"))
	if fmt.Sprint(pongs) != "[x as a message as a stream]" {
		t.Fatalf("pongs: %q", pongs)
	}
}

func TestHandlerErrorStopsReading(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	mine := errors.New("mine")
	server.SetPongHandler(func(string) error { return mine })
	mustWrite(t, client, websocket.PongMessage, nil)
	mustWrite(t, client, websocket.TextMessage, []byte("never read"))
	for range 2000 { // gorilla panics at the thousandth
		if _, _, err := server.ReadMessage(); err != mine {
			t.Fatalf("ReadMessage: %v, want the handler's error", err)
		}
	}
	mustWrite(t, server, websocket.TextMessage, []byte("still open"))
	mustRead(t, client, websocket.TextMessage, []byte("still open"))
}

func TestReadTimeoutIsFinal(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	server.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, _, first := server.ReadMessage()
	ne, ok := first.(interface{ Timeout() bool })
	again, _ := first.(interface{ Temporary() bool }) // loops that try again ask
	if !ok || !ne.Timeout() || again == nil || again.Temporary() || !errors.Is(first, os.ErrDeadlineExceeded) {
		t.Fatalf("ReadMessage: %v", first)
	}
	server.SetReadDeadline(time.Time{})
	mustWrite(t, client, websocket.TextMessage, []byte("too late"))
	if _, _, err := server.ReadMessage(); err != first {
		t.Fatalf("the next ReadMessage: %v, want %v", err, first)
	}
}

func TestReadDeadlineMovesWhileReading(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	server.SetReadDeadline(time.Time{})
	got := make(chan error, 1)
	started := make(chan struct{})
	server.SetPongHandler(func(string) error { close(started); return nil })
	go func() {
		_, _, err := server.ReadMessage()
		got <- err
	}()
	mustWrite(t, client, websocket.PongMessage, nil)
	<-started
	server.SetReadDeadline(time.Now())
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("ReadMessage: %v", err)
	}
}

func TestWriteTimeoutIsFinal(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	_ = client // reads nothing
	var first error
	for first == nil {
		server.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		first = server.WriteMessage(websocket.BinaryMessage, make([]byte, 1<<20))
	}
	var ne net.Error
	if !errors.As(first, &ne) || !ne.Timeout() {
		t.Fatalf("WriteMessage to a peer that reads nothing: %v", first)
	}
	server.SetWriteDeadline(time.Time{})
	if err := server.WriteMessage(websocket.TextMessage, nil); err != first {
		t.Fatalf("the next WriteMessage: %v, want %v", err, first)
	}
}

func TestWriteControlWaitsNoLongerThanItsDeadline(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	_ = client // reads nothing
	stuck := make(chan error, 1)
	go func() {
		for {
			if err := server.WriteMessage(websocket.BinaryMessage, make([]byte, 1<<20)); err != nil {
				stuck <- err
				return
			}
		}
	}()
	for {
		err := server.WriteControl(websocket.PingMessage, nil, time.Now().Add(20*time.Millisecond))
		if err == nil {
			continue // the writer is not stuck yet
		}
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Fatalf("WriteControl: %v", err)
		}
		break
	}
	if err := server.WriteControl(websocket.PingMessage, nil, time.Now().Add(-time.Second)); err == nil {
		t.Fatal("WriteControl with a deadline in the past")
	}
	server.Close()
	if err := <-stuck; !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the stuck write: %v", err)
	}
}

func TestReadLimit(t *testing.T) {
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprintf("compression %v", compress), func(t *testing.T) {
			client, server := pair(t, &websocket.Upgrader{EnableCompression: compress}, &websocket.Dialer{EnableCompression: compress})
			server.SetReadLimit(1000)
			mustWrite(t, client, websocket.TextMessage, words(1000))
			mustRead(t, server, websocket.TextMessage, words(1000))
			mustWrite(t, client, websocket.TextMessage, words(1001)) // far less as it travels, compressed
			for range 2 {
				if _, _, err := server.ReadMessage(); err != websocket.ErrReadLimit {
					t.Fatalf("ReadMessage: %v, want ErrReadLimit", err)
				}
			}
			if err := server.WriteMessage(websocket.TextMessage, nil); err != websocket.ErrCloseSent {
				t.Fatalf("WriteMessage behind it: %v, want ErrCloseSent", err)
			}
			server.Close()
			if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
				t.Fatalf("the peer reads %v, want 1009", err)
			}
		})
	}
}

// TestReadLimitReachesASendingPeer: Close right behind the refusal, with input
// unread, must not turn the peer's 1009 into a reset.
func TestReadLimitReachesASendingPeer(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	server.SetReadLimit(10)
	sent := make(chan error, 1)
	go func() { sent <- client.WriteMessage(websocket.BinaryMessage, make([]byte, 16<<20)) }()
	if _, _, err := server.ReadMessage(); err != websocket.ErrReadLimit {
		t.Fatalf("ReadMessage: %v", err)
	}
	server.Close()
	if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Fatalf("the peer reads %v, want 1009", err)
	}
	client.Close()
	<-sent
}

func TestInvalidTextIsRefused(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{EnableCompression: true}, &websocket.Dialer{EnableCompression: true})
	if err := client.WriteMessage(websocket.TextMessage, []byte("\xff")); err == nil {
		t.Fatal("WriteMessage sent text that is not UTF-8")
	}
	w, err := client.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "cut \xc3")
	if err := w.Close(); err == nil {
		t.Fatal("a writer sent text that is cut in a character")
	}
	if _, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("\xff")); err == nil {
		t.Fatal("NewPreparedMessage took text that is not UTF-8")
	}
	mustWrite(t, client, websocket.TextMessage, []byte("still open"))
	mustRead(t, server, websocket.TextMessage, []byte("still open"))
}

func TestPeersInvalidTextIsRefused(t *testing.T) {
	for name, h := range map[string]struct {
		h frame.Header
		p string
	}{
		"plain":      {frame.Header{Fin: true, Opcode: frame.Text}, "\xff"},
		"plain, cut": {frame.Header{Fin: true, Opcode: frame.Text}, "\xc3"},
		// A stored block with ff, and one with c3.
		"compressed":      {frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}, "\x00\x01\x00\xfe\xff\xff\x00"},
		"compressed, cut": {frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}, "\x00\x01\x00\xfe\xff\xc3\x00"},
		"corrupt":         {frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}, "\x07"},
	} {
		t.Run(name, func(t *testing.T) {
			peer, server := rawPair(t, &websocket.Upgrader{EnableCompression: true})
			send(t, peer, h.h, h.p)
			if _, _, err := server.ReadMessage(); err == nil {
				t.Fatal("ReadMessage took it")
			}
			server.Close()
			hd, err := frame.ReadHeader(peer, make([]byte, frame.MaxHeaderSize))
			if err != nil || hd.Opcode != frame.Close {
				t.Fatalf("the peer got %+v, %v", hd, err)
			}
			p, err := frame.ReadPayload(peer, hd, nil, 125)
			if code, _, err2 := frame.ParseClose(p); err != nil || err2 != nil || code != 1007 {
				t.Fatalf("the peer was told %d (%v, %v), want 1007", code, err, err2)
			}
		})
	}
}

// TestCompressionWithLastBlocks: a sender may use blocks with BFINAL set (RFC 7692
// section 7.2.3.4), and may go on behind them.
func TestCompressionWithLastBlocks(t *testing.T) {
	peer, server := rawPair(t, &websocket.Upgrader{EnableCompression: true})
	zipped := frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}
	hello := "\xf3\x48\xcd\xc9\xc9\x07\x00" // the example of section 7.2.3.4, without its last byte
	for _, tc := range []struct{ payload, want string }{
		{hello + "\x00", "Hello"},
		{hello, "Hello"}, // not quite right, and clear all the same
		{hello + hello + "\x00", "HelloHello"},
		{"\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"}, // section 7.2.3.1
		{"\x00", ""},
	} {
		send(t, peer, zipped, tc.payload)
		mustRead(t, server, websocket.TextMessage, []byte(tc.want))
	}
}

func TestInflatingAHugeMessageStreams(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{EnableCompression: true}, &websocket.Dialer{EnableCompression: true})
	const size = 16 << 20
	go func() {
		if w, err := client.NextWriter(websocket.BinaryMessage); err == nil {
			zeros := make([]byte, 1<<20)
			for range size / len(zeros) {
				w.Write(zeros)
			}
			w.Close()
		}
	}()
	_, r, err := server.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

func TestAddressesAndStream(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	if client.RemoteAddr().String() != server.LocalAddr().String() || client.LocalAddr().String() != server.RemoteAddr().String() {
		t.Fatal("the ends do not agree on their addresses")
	}
	if _, ok := server.NetConn().(*net.TCPConn); !ok || server.UnderlyingConn() != server.NetConn() {
		t.Fatalf("NetConn is a %T", server.NetConn())
	}
}
