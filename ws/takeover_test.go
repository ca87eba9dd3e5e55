//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/frame"
)

// taken is a server's end under a Takeover, with a peer that speaks raw frames.
type taken struct {
	t    testing.TB
	peer net.Conn
	c    *ws.Conn
	raw  *ws.Takeover
	log  []string
	hook func(what string) error // nil: nothing happens
}

func takeOver(t testing.TB, kind string, p ws.Params) *taken {
	leakCheck(t)
	a, b := streams[kind](t)
	k := &taken{t: t, peer: a.(net.Conn), c: ws.NewConn(b, p)}
	note := func(what string) error {
		k.log = append(k.log, what)
		if k.hook == nil {
			return nil
		}
		return k.hook(what)
	}
	k.raw = k.c.TakeOver(ws.Controls{
		Ping:  func(p []byte) error { return note(fmt.Sprintf("ping %s", p)) },
		Pong:  func(p []byte) error { return note(fmt.Sprintf("pong %s", p)) },
		Close: func(code ws.StatusCode, reason string) error { return note(fmt.Sprintf("close %d %s", code, reason)) },
	})
	k.peer.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() {
		k.c.CloseNow()
		k.peer.Close()
	})
	return k
}

// send writes frames in one piece, masked.
func (k *taken) send(frames ...[]byte) {
	k.t.Helper()
	if _, err := k.peer.Write(slices.Concat(frames...)); err != nil {
		k.t.Fatalf("peer: %v", err)
	}
}

func masked(fin bool, op frame.Opcode, p string) []byte {
	return frame.Append(nil, frame.Header{Fin: fin, Opcode: op, Masked: true, Key: frame.NewKey()}, []byte(p))
}

// expect reads one frame from the connection.
func (k *taken) expect(h frame.Header, payload string) {
	k.t.Helper()
	got, err := frame.ReadHeader(k.peer, make([]byte, frame.MaxHeaderSize))
	if err != nil {
		k.t.Fatalf("peer reads a header: %v", err)
	}
	p, err := frame.ReadPayload(k.peer, got, nil, 1<<20)
	if err != nil {
		k.t.Fatalf("peer reads a payload: %v", err)
	}
	h.Length = int64(len(payload))
	if got != h || string(p) != payload {
		k.t.Fatalf("peer got %+v %.40q, want %+v %.40q", got, p, h, payload)
	}
}

func (k *taken) message() (ws.MessageType, string, error) {
	typ, _, err := k.raw.Next()
	if err != nil {
		return 0, "", err
	}
	p, err := io.ReadAll(k.raw)
	return typ, string(p), err
}

func (k *taken) expectMessage(typ ws.MessageType, want string) {
	k.t.Helper()
	got, p, err := k.message()
	if err != nil || got != typ || p != want {
		k.t.Fatalf("message: %v %.40q (%d bytes), %v; want %v %.40q", got, p, len(p), err, typ, want)
	}
}

func (k *taken) expectLog(want ...string) {
	k.t.Helper()
	if !slices.Equal(k.log, want) {
		k.t.Fatalf("controls: %q, want %q", k.log, want)
	}
}

func TestTakeoverShowsControlsAndAnswersNone(t *testing.T) {
	for kind := range streams {
		if kind == "plain" {
			continue // its peer is no net.Conn
		}
		t.Run(kind, func(t *testing.T) {
			k := takeOver(t, kind, ws.Params{})
			// An empty fragment leaves nothing between its header and the ping's.
			go k.send(
				masked(true, frame.Ping, "1"), masked(false, frame.Text, ""), masked(true, frame.Ping, "2"),
				masked(false, frame.Continuation, "he"), masked(true, frame.Pong, "3"), masked(true, frame.Continuation, "llo"),
				masked(true, frame.Binary, string(randomBytes(100_000))), masked(true, frame.Text, ""),
			)
			k.expectMessage(ws.Text, "hello")
			k.expectLog("ping 1", "ping 2", "pong 3")
			k.expectMessage(ws.Binary, string(randomBytes(100_000)))
			k.expectMessage(ws.Text, "")
			ctx := testContext(t)
			if err := k.raw.WriteFrame(ctx, frame.Header{Fin: true, Opcode: frame.Pong}, []byte("own")); err != nil {
				t.Fatal(err)
			}
			k.expect(frame.Header{Fin: true, Opcode: frame.Pong}, "own") // and no other pong before it
		})
	}
}

func TestTakeoverByteByByte(t *testing.T) {
	k := takeOver(t, "memory", ws.Params{})
	all := slices.Concat(masked(false, frame.Text, "a"), masked(true, frame.Ping, "p"), masked(false, frame.Continuation, ""),
		masked(true, frame.Ping, ""), masked(true, frame.Continuation, "b"), masked(true, frame.Close, "\x03\xe8"))
	go func() {
		for _, b := range all {
			k.peer.Write([]byte{b})
		}
	}()
	k.expectMessage(ws.Text, "ab")
	if _, _, err := k.message(); ws.CloseStatus(err) != ws.StatusNormalClosure {
		t.Fatal(err)
	}
	k.expectLog("ping p", "ping ", "close 1000 ")
}

func TestTakeoverNextDiscards(t *testing.T) {
	k := takeOver(t, "tcp", ws.Params{})
	go k.send(masked(false, frame.Binary, string(randomBytes(50_000))), masked(true, frame.Ping, "x"),
		masked(true, frame.Continuation, "rest"), masked(true, frame.Text, "next"))
	if _, _, err := k.raw.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(k.raw, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	k.expectMessage(ws.Text, "next")
	k.expectLog("ping x")
	if n, err := k.raw.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("Read behind the message: %d, %v", n, err)
	}
}

func TestTakeoverControlErrorStopsReading(t *testing.T) {
	k := takeOver(t, "tcp", ws.Params{})
	mine := errors.New("mine")
	k.hook = func(string) error { return mine }
	k.send(masked(true, frame.Ping, "x"), masked(true, frame.Text, "never read"))
	for range 3 {
		if _, _, err := k.message(); err != mine {
			t.Fatalf("Next: %v, want the control's error", err)
		}
	}
	if err := k.c.Write(testContext(t), ws.Text, []byte("still open")); err != nil {
		t.Fatal(err)
	}
	k.expect(frame.Header{Fin: true, Opcode: frame.Text}, "still open")
}

func TestTakeoverCloseAnsweredInside(t *testing.T) {
	k := takeOver(t, "tcp", ws.Params{})
	k.hook = func(string) error {
		return k.raw.WriteFrame(context.Background(), frame.Header{Fin: true, Opcode: frame.Close}, []byte("\x0b\xb8"))
	}
	k.send(masked(true, frame.Close, "\x03\xe9away"))
	for range 2 {
		_, _, err := k.message()
		var ce *ws.CloseError
		if !errors.As(err, &ce) || ce.By != ws.Peer || ce.Code != ws.StatusGoingAway || ce.Reason != "away" {
			t.Fatalf("Next: %v", err)
		}
	}
	k.expect(frame.Header{Fin: true, Opcode: frame.Close}, "\x0b\xb8")
	if n, err := k.peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("the stream behind both close frames: %d, %v; want its end", n, err)
	}
	if err := k.c.Write(testContext(t), ws.Text, nil); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Fatalf("Write: %v", err)
	}
}

func TestTakeoverCloseAnsweredLater(t *testing.T) {
	k := takeOver(t, "tcp", ws.Params{})
	k.send(masked(true, frame.Close, ""))
	if _, _, err := k.message(); ws.CloseStatus(err) != ws.StatusNoStatusRcvd {
		t.Fatal(err)
	}
	k.expectLog("close 1005 ")
	ctx := testContext(t)
	if err := k.c.Write(ctx, ws.Text, []byte("last words")); err != nil {
		t.Fatal(err)
	}
	if err := k.raw.WriteFrame(ctx, frame.Header{Fin: true, Opcode: frame.Close}, nil); err != nil {
		t.Fatal(err)
	}
	k.expect(frame.Header{Fin: true, Opcode: frame.Text}, "last words")
	k.expect(frame.Header{Fin: true, Opcode: frame.Close}, "")
	if n, err := k.peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("the stream behind both close frames: %d, %v; want its end", n, err)
	}
}

func TestTakeoverReadsOnBehindItsCloseFrame(t *testing.T) {
	k := takeOver(t, "tcp", ws.Params{})
	ctx := testContext(t)
	closing := frame.Header{Fin: true, Opcode: frame.Close}
	if err := k.raw.WriteFrame(ctx, closing, []byte("\x03\xe8done")); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		k.c.Write(ctx, ws.Text, nil), k.raw.WriteFrame(ctx, closing, nil),
		k.raw.WriteFrame(ctx, frame.Header{Fin: true, Opcode: frame.Ping}, nil),
	} {
		if ws.CloseStatus(err) != ws.StatusNormalClosure {
			t.Fatalf("a write behind the close frame: %v", err)
		}
	}
	k.expect(closing, "\x03\xe8done")
	k.send(masked(true, frame.Text, "one more"), masked(true, frame.Close, "\x03\xe8ok"))
	k.expectMessage(ws.Text, "one more")
	_, _, err := k.message()
	var ce *ws.CloseError
	if !errors.As(err, &ce) || ce.By != ws.Peer || ce.Reason != "ok" {
		t.Fatalf("Next: %v", err)
	}
	if cause := context.Cause(k.c.Context()); !errors.As(cause, &ce) || ce.By != ws.Us || ce.Reason != "done" {
		t.Fatalf("the connection ended with %v, want our own close", cause)
	}
}

func TestTakeoverReadLimit(t *testing.T) {
	k := takeOver(t, "tcp", ws.Params{ConnOptions: ws.ConnOptions{MaxMessage: -1}})
	k.raw.SetReadLimit(10)
	go k.send(masked(true, frame.Text, "0123456789"), masked(false, frame.Text, "01234"), masked(true, frame.Continuation, "567890"))
	k.expectMessage(ws.Text, "0123456789")
	if _, _, err := k.message(); !errors.Is(err, ws.ErrTooBig) || ws.CloseStatus(err) != ws.StatusMessageTooBig {
		t.Fatalf("a message past the limit: %v", err)
	}
	k.raw.Close() // leaves the refusal to reach the peer
	k.expect(frame.Header{Fin: true, Opcode: frame.Close}, "\x03\xf1")
}

func TestTakeoverReadDeadline(t *testing.T) {
	for kind := range streams {
		if kind == "plain" {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			k := takeOver(t, kind, ws.Params{})
			if err := k.raw.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := k.message(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("Next: %v", err)
			}
			if err := k.raw.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			if kind == "tls" {
				return // crypto/tls returns the timeout for ever
			}
			go k.send(masked(true, frame.Text, "after"))
			k.expectMessage(ws.Text, "after")
		})
	}
}

func TestTakeoverFlushWaitsForTheStream(t *testing.T) {
	k := takeOver(t, "memory", ws.Params{ConnOptions: ws.ConnOptions{WriteTimeout: -1}})
	big := randomBytes(1 << 20) // more than the pipe holds
	ctx, cancel := context.WithTimeout(testContext(t), 300*time.Millisecond)
	defer cancel()
	err := k.raw.WriteFrame(ctx, frame.Header{Fin: true, Opcode: frame.Binary}, big)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("WriteFrame to a peer that reads nothing: %v", err)
	}
	got := make(chan error, 1)
	go func() { got <- k.raw.Flush(testContext(t)) }()
	k.expect(frame.Header{Fin: true, Opcode: frame.Binary}, string(big))
	if err := <-got; err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

func TestTakeoverFlushTellsOfTheEnd(t *testing.T) {
	k := takeOver(t, "memory", ws.Params{})
	got := make(chan error, 1)
	go func() {
		got <- k.raw.WriteFrame(context.Background(), frame.Header{Fin: true, Opcode: frame.Binary}, randomBytes(1<<20))
	}()
	io.ReadFull(k.peer, make([]byte, 100)) // the write is under way
	k.raw.Close()
	var ce *ws.CloseError
	if err := <-got; !errors.As(err, &ce) || ce.By != ws.Us {
		t.Fatalf("WriteFrame that Close ended: %v", err)
	}
}

func TestTakeoverCompressionIsTheCallers(t *testing.T) {
	o := &deflate.Options{NoContextTakeover: true, PeerNoContextTakeover: true}
	p, ok, err := negotiate(o)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	k := takeOver(t, "tcp", ws.Params{ConnOptions: ws.ConnOptions{Compression: o}, Deflate: &p})
	if w := k.raw.Window(); w != 15 {
		t.Fatalf("Window: %d, want 15", w)
	}
	z, err := deflate.AppendStateless(nil, words(5000), 1, 15)
	if err != nil {
		t.Fatal(err)
	}
	h := frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text, Masked: true, Key: frame.NewKey()}
	k.send(frame.Append(nil, h, z))
	typ, compressed, err := k.raw.Next()
	if err != nil || typ != ws.Text || !compressed {
		t.Fatalf("Next: %v, %v, %v", typ, compressed, err)
	}
	if got, err := io.ReadAll(k.raw); err != nil || !bytes.Equal(got, z) {
		t.Fatalf("payload: %d bytes, %v; want the %d that travelled", len(got), err, len(z))
	}
	ctx := testContext(t)
	if err := k.c.Write(ctx, ws.Text, words(5000)); err != nil {
		t.Fatal(err)
	}
	k.expect(frame.Header{Fin: true, Opcode: frame.Text}, string(words(5000)))
	if err := k.raw.WriteFrame(ctx, frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}, z); err != nil {
		t.Fatal(err)
	}
	k.expect(frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}, string(z))
}

func TestTakeoverStaysStrict(t *testing.T) {
	unmasked := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Text}, []byte("x"))
	for name, tc := range map[string]struct {
		bytes []byte
		code  ws.StatusCode
	}{
		"unmasked":            {unmasked, ws.StatusProtocolError},
		"unmasked ping":       {frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Ping}, nil), ws.StatusProtocolError},
		"long ping":           {masked(true, frame.Ping, string(make([]byte, 126))), ws.StatusProtocolError},
		"long ping announced": {[]byte{0x89, 0xfe}, ws.StatusProtocolError},
		"fragmented ping":     {masked(false, frame.Ping, ""), ws.StatusProtocolError},
		"reserved opcode":     {masked(true, 3, ""), ws.StatusProtocolError},
		"reserved control":    {masked(true, 11, ""), ws.StatusProtocolError},
		"continuation":        {masked(true, frame.Continuation, ""), ws.StatusProtocolError},
		"long form":           {[]byte{0x81, 0xfe, 0, 1}, ws.StatusProtocolError},
		"text":                {masked(true, frame.Text, "\xff"), ws.StatusInvalidFramePayloadData},
		"cut text":            {masked(true, frame.Text, "\xc3"), ws.StatusInvalidFramePayloadData},
		"close code":          {masked(true, frame.Close, "\x03\xed"), ws.StatusProtocolError},
		"close of one byte":   {masked(true, frame.Close, "\x03"), ws.StatusProtocolError},
		"close reason":        {masked(true, frame.Close, "\x03\xe8\xff"), ws.StatusInvalidFramePayloadData},
	} {
		t.Run(name, func(t *testing.T) {
			k := takeOver(t, "tcp", ws.Params{})
			k.send(tc.bytes)
			_, _, err := k.message()
			var ce *ws.CloseError
			if !errors.As(err, &ce) || ce.By != ws.Policy || ce.Code != tc.code {
				t.Fatalf("%v, want a refusal with %d", err, tc.code)
			}
			k.expectLog()
		})
	}
}

func TestTakeoverChecksControlFrames(t *testing.T) {
	k := takeOver(t, "tcp", ws.Params{})
	ctx := testContext(t)
	for _, tc := range []struct {
		h frame.Header
		p string
	}{
		{frame.Header{Opcode: frame.Ping}, ""},
		{frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Ping}, ""},
		{frame.Header{Fin: true, Opcode: frame.Ping}, string(make([]byte, 126))},
		{frame.Header{Fin: true, Opcode: 11}, ""},
		{frame.Header{Fin: true, Opcode: 3}, ""},
		{frame.Header{Fin: true, Opcode: frame.Close}, "\x03"},
		{frame.Header{Fin: true, Opcode: frame.Close}, "\x03\xed"},
	} {
		if err := k.raw.WriteFrame(ctx, tc.h, []byte(tc.p)); err == nil {
			t.Errorf("WriteFrame(%+v, %q) was sent", tc.h, tc.p)
		}
	}
	if err := k.raw.WriteFrame(ctx, frame.Header{Fin: true, Opcode: frame.Ping}, []byte("ok")); err != nil {
		t.Fatal(err)
	}
	k.expect(frame.Header{Fin: true, Opcode: frame.Ping}, "ok")
}

// TestTakeoverClientMasks has the other role.
func TestTakeoverClientMasks(t *testing.T) {
	leakCheck(t)
	a, b := tcpPair(t)
	client, server := ws.NewConn(a, ws.Params{Client: true}), ws.NewConn(b, ws.Params{})
	defer client.CloseNow()
	defer server.CloseNow()
	raw := client.TakeOver(ws.Controls{})
	ctx := testContext(t)
	for _, h := range []frame.Header{{Opcode: frame.Text}, {Fin: true, Opcode: frame.Ping}, {Fin: true, Opcode: frame.Continuation}} {
		if err := raw.WriteFrame(ctx, h, []byte("ab")); err != nil {
			t.Fatal(err)
		}
	}
	if typ, p := mustRead(t, server); typ != ws.Text || string(p) != "abab" {
		t.Fatalf("server read %v %q", typ, p)
	}
	mustWrite(t, server, ws.Binary, []byte("back"))
	if _, _, err := raw.Next(); err != nil { // the pong is ignored
		t.Fatal(err)
	}
	if p, err := io.ReadAll(raw); err != nil || string(p) != "back" {
		t.Fatalf("client read %q, %v", p, err)
	}
}

// TestTakeoverReadsWhatALostPeerSent: a write that fails does not take the peer's
// last words away.
func TestTakeoverReadsWhatALostPeerSent(t *testing.T) {
	for kind := range streams {
		if kind == "plain" || kind == "memory" {
			continue // no reset there
		}
		t.Run(kind, func(t *testing.T) {
			k := takeOver(t, kind, ws.Params{})
			k.send(masked(true, frame.Text, "news"), masked(true, frame.Close, "\x03\xe9gone"))
			k.peer.Close()
			var err error
			for ctx := testContext(t); err == nil; {
				err = k.raw.WriteFrame(ctx, frame.Header{Fin: true, Opcode: frame.Text}, []byte("x"))
			}
			var ce *ws.CloseError
			if !errors.As(err, &ce) || ce.By != ws.Network {
				t.Fatalf("WriteFrame to a peer that is gone: %v", err)
			}
			if again := k.raw.WriteFrame(testContext(t), frame.Header{Fin: true, Opcode: frame.Ping}, nil); again != err {
				t.Fatalf("and again: %v, want %v", again, err)
			}
			k.expectMessage(ws.Text, "news")
			if _, _, err := k.message(); ws.CloseStatus(err) != ws.StatusGoingAway {
				t.Fatalf("Next: %v", err)
			}
		})
	}
}

// TestTakeoverWritesLargeFrames: they are not copied, and end up the same.
func TestTakeoverWritesLargeFrames(t *testing.T) {
	for kind := range streams {
		if kind == "plain" {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			k := takeOver(t, kind, ws.Params{})
			for _, n := range []int{16<<10 - 1, 16 << 10, 70_000, 1 << 20} {
				done := make(chan error, 1)
				sent := randomBytes(n)
				go func() { done <- k.raw.WriteFrame(testContext(t), frame.Header{Fin: true, Opcode: frame.Binary}, sent) }()
				k.expect(frame.Header{Fin: true, Opcode: frame.Binary}, string(randomBytes(n)))
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(sent, randomBytes(n)) {
					t.Fatal("WriteFrame changed what it was given")
				}
			}
		})
	}
}
