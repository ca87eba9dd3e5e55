//go:build !js

package websocket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/compat/websocket"
	"github.com/tidewire/tidewire/ws/frame"
)

func TestCloseHandshake(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "bye")
	if err := client.WriteControl(websocket.CloseMessage, bye, time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		client.WriteMessage(websocket.TextMessage, nil),
		client.WriteControl(websocket.PingMessage, nil, time.Time{}),
		client.WriteMessage(websocket.CloseMessage, nil),
	} {
		if err != websocket.ErrCloseSent {
			t.Fatalf("a write behind the close frame: %v, want ErrCloseSent", err)
		}
	}
	if _, err := client.NextWriter(websocket.TextMessage); err != websocket.ErrCloseSent {
		t.Fatalf("NextWriter behind the close frame: %v, want ErrCloseSent", err)
	}
	mustWrite(t, server, websocket.TextMessage, []byte("one more"))
	for range 2 {
		_, _, err := server.ReadMessage()
		ce, ok := err.(*websocket.CloseError)
		if !ok || ce.Code != websocket.CloseGoingAway || ce.Text != "bye" {
			t.Fatalf("the server reads %v", err)
		}
	}
	mustRead(t, client, websocket.TextMessage, []byte("one more"))
	// The default handler has answered with the same code.
	if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Fatalf("the client reads %v", err)
	}
	if err := server.WriteMessage(websocket.TextMessage, nil); err != websocket.ErrCloseSent {
		t.Fatalf("the server writes: %v, want ErrCloseSent", err)
	}
}

func TestCloseHandlerThatDoesNotAnswer(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	var code int
	var text string
	server.SetCloseHandler(func(c int, s string) error { code, text = c, s; return nil })
	mustWrite(t, client, websocket.CloseMessage, nil)
	if _, _, err := server.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNoStatusReceived) {
		t.Fatalf("the server reads %v", err)
	}
	if code != websocket.CloseNoStatusReceived || text != "" {
		t.Fatalf("the handler was called with %d %q", code, text)
	}
	mustWrite(t, server, websocket.TextMessage, []byte("last words"))
	mustRead(t, client, websocket.TextMessage, []byte("last words"))
	mustWrite(t, server, websocket.CloseMessage, websocket.FormatCloseMessage(4000, "done"))
	if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, 4000) {
		t.Fatalf("the client reads %v", err)
	}
}

func TestCloseHandlerError(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	mine := errors.New("mine")
	server.SetCloseHandler(func(int, string) error { return mine })
	mustWrite(t, client, websocket.CloseMessage, nil)
	if _, _, err := server.ReadMessage(); err != mine {
		t.Fatalf("the server reads %v, want the handler's error", err)
	}
}

func TestCloseWithoutHandshake(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the second Close: %v", err)
	}
	if _, _, err := client.ReadMessage(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the closed end reads %v", err)
	}
	if err := client.WriteMessage(websocket.TextMessage, nil); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("the closed end writes: %v", err)
	}
	_, _, err := server.ReadMessage()
	if !websocket.IsUnexpectedCloseError(err, websocket.CloseNormalClosure) || err.Error() != "websocket: close 1006 (abnormal closure): unexpected EOF" {
		t.Fatalf("the other end reads %v", err)
	}
}

func TestCloseInterruptsReading(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	started := make(chan struct{})
	server.SetPingHandler(func(string) error { close(started); return nil })
	got := make(chan error, 1)
	go func() {
		_, _, err := server.ReadMessage()
		got <- err
	}()
	mustWrite(t, client, websocket.PingMessage, nil)
	<-started
	server.Close()
	if err := <-got; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("ReadMessage: %v", err)
	}
}

func TestCloseFramesThatMayNotBeSent(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	for name, p := range map[string][]byte{
		"1005":     {0x03, 0xed},
		"1006":     websocket.FormatCloseMessage(websocket.CloseAbnormalClosure, ""),
		"999":      websocket.FormatCloseMessage(999, ""),
		"one byte": {0x03},
		"reason":   websocket.FormatCloseMessage(websocket.CloseNormalClosure, "\xff"),
		"too long": websocket.FormatCloseMessage(websocket.CloseNormalClosure, string(words(124))),
	} {
		if err := client.WriteControl(websocket.CloseMessage, p, time.Time{}); err == nil {
			t.Errorf("%s: was sent", name)
		}
	}
	mustWrite(t, client, websocket.TextMessage, []byte("still open"))
	mustRead(t, server, websocket.TextMessage, []byte("still open"))
}

func TestMessagesThatAreNone(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	long := make([]byte, 126)
	_, err := client.NextWriter(0)
	w, werr := client.NextWriter(websocket.PingMessage)
	if werr != nil {
		t.Fatal(werr)
	}
	_, werr = w.Write(long)
	_, perr := websocket.NewPreparedMessage(7, nil)
	for name, err := range map[string]error{
		"WriteMessage 0":              client.WriteMessage(0, nil),
		"WriteMessage 11":             client.WriteMessage(11, nil),
		"WriteControl of text":        client.WriteControl(websocket.TextMessage, nil, time.Time{}),
		"long ping by WriteControl":   client.WriteControl(websocket.PingMessage, long, time.Time{}),
		"long ping by WriteMessage":   client.WriteMessage(websocket.PingMessage, long),
		"long ping by NextWriter":     werr,
		"NextWriter 0":                err,
		"NewPreparedMessage of seven": perr,
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	mustWrite(t, client, websocket.TextMessage, []byte("still open"))
	mustRead(t, server, websocket.TextMessage, []byte("still open"))
}

func TestBreachOfTheProtocolIsAnswered(t *testing.T) {
	peer, server := rawPair(t, &websocket.Upgrader{})
	send(t, peer, frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}, "x")
	_, _, err := server.ReadMessage()
	if _, ok := err.(*websocket.CloseError); err == nil || ok {
		t.Fatalf("ReadMessage: %v", err)
	}
	server.Close()
	h, err := frame.ReadHeader(peer, make([]byte, frame.MaxHeaderSize))
	if err != nil || h.Opcode != frame.Close {
		t.Fatalf("the peer got %+v, %v", h, err)
	}
	p, err := io.ReadAll(peer)
	if err != nil || !bytes.HasPrefix(p, []byte{0x03, 0xea}) {
		t.Fatalf("the peer was told %q, %v; want 1002", p, err)
	}
}

func TestCloseErrors(t *testing.T) {
	wrapped := errors.Join(&websocket.CloseError{Code: 1000})
	for _, tc := range []struct {
		err                  error
		is, unexpected, none bool // of 1000 and 1001; of no codes
		text                 string
	}{
		{&websocket.CloseError{Code: 1000}, true, false, true, "websocket: close 1000 (normal)"},
		{&websocket.CloseError{Code: 1001, Text: "bye"}, true, false, true, "websocket: close 1001 (going away): bye"},
		{&websocket.CloseError{Code: 1013}, false, true, true, "websocket: close 1013"},
		{&websocket.CloseError{Code: 4321, Text: "own"}, false, true, true, "websocket: close 4321: own"},
		{io.EOF, false, false, false, "EOF"},
		{wrapped, false, false, false, "websocket: close 1000 (normal)"},
	} {
		if websocket.IsCloseError(tc.err, 1000, 1001) != tc.is || websocket.IsUnexpectedCloseError(tc.err, 1000, 1001) != tc.unexpected ||
			websocket.IsUnexpectedCloseError(tc.err) != tc.none || websocket.IsCloseError(tc.err) || tc.err.Error() != tc.text {
			t.Errorf("%v: want %+v", tc.err, tc)
		}
	}
	if websocket.IsCloseError(nil, 1000) || websocket.IsUnexpectedCloseError(nil) {
		t.Error("nil tells of a close")
	}
}

func TestFormatCloseMessage(t *testing.T) {
	for _, tc := range []struct {
		code int
		text string
		want string
	}{
		{1000, "", "\x03\xe8"}, {1001, "bye", "\x03\xe9bye"}, {websocket.CloseNoStatusReceived, "ignored", ""},
	} {
		p := websocket.FormatCloseMessage(tc.code, tc.text)
		if p == nil || string(p) != tc.want {
			t.Errorf("FormatCloseMessage(%d, %q) = %q, want %q", tc.code, tc.text, p, tc.want)
		}
	}
}

// TestReasonSurvivesAFailedWrite: who writes to a peer that has gone can still read
// why.
func TestReasonSurvivesAFailedWrite(t *testing.T) {
	client, server := pair(t, &websocket.Upgrader{}, &websocket.Dialer{})
	mustWrite(t, server, websocket.TextMessage, []byte("news"))
	mustWrite(t, server, websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, "gone"))
	server.Close()
	var first error
	for first == nil {
		first = client.WriteMessage(websocket.TextMessage, []byte("x"))
	}
	if err := client.WriteControl(websocket.PingMessage, nil, time.Time{}); err != first {
		t.Fatalf("writes: %v, and then %v", first, err)
	}
	mustRead(t, client, websocket.TextMessage, []byte("news"))
	if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Fatalf("ReadMessage: %v, want 1001", err)
	}
}
