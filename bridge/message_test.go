package bridge_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// TestSubprotocols has clients speak as noVNC does.
func TestSubprotocols(t *testing.T) {
	rule := pairRule(t, "ws", echo(t, "tcp"))
	b := run(t, rule)
	where := b.at(0, rule.Listen)
	c := dialWS(t, where, "binary", "base64")
	if c.Subprotocol() != "binary" {
		t.Fatal(c.Subprotocol())
	}
	c = dialWS(t, where, "base64")
	if c.Subprotocol() != "base64" {
		t.Fatal(c.Subprotocol())
	}
	c.Write(within(t), ws.Text, []byte("aGVs\nbG8="))
	if typ, p, err := c.Read(within(t)); typ != ws.Text || string(p) != "aGVsbG8=" {
		t.Fatalf("%v %q %v", typ, p, err)
	}
	want := noise(200_000)
	c.Write(within(t), ws.Text, base64.StdEncoding.AppendEncode(nil, want))
	for got := []byte(nil); len(got) < len(want); {
		typ, p, err := c.Read(within(t))
		if err == nil {
			got, err = base64.StdEncoding.AppendDecode(got, p)
		}
		if err != nil || typ != ws.Text || !bytes.HasPrefix(want, got) {
			t.Fatalf("%v, %v behind %d bytes", typ, err, len(got))
		}
	}
	c.Write(within(t), ws.Text, []byte("!"))
	if _, _, err := c.Read(within(t)); ws.CloseStatus(err) != ws.StatusInvalidFramePayloadData {
		t.Fatal(err)
	}
	// Without one, text is as good as binary.
	c = dialWS(t, where)
	c.Write(within(t), ws.Text, []byte("hello"))
	if typ, p, err := c.Read(within(t)); typ != ws.Binary || string(p) != "hello" {
		t.Fatalf("%v %q %v", typ, p, err)
	}
	// To a target.
	rule = pairRule(t, "tcp", wsTarget(t, "ws", &ws.AcceptOptions{Subprotocols: []string{"base64"}}, echoMessages))
	rule.Subprotocols = []string{"base64"}
	b = run(t, rule)
	s := dialStream(t, b.at(0, rule.Listen))
	s.Write([]byte("hello"))
	p := make([]byte, 10)
	if n, err := s.Read(p); string(p[:n]) != "hello" {
		t.Fatalf("%q %v", p[:n], err)
	}
}

// TestPromisedSubprotocol has a client be promised the subprotocol that it asks for, which the target does not speak.
func TestPromisedSubprotocol(t *testing.T) {
	heard := make(chan error, 1)
	rule := pairRule(t, "ws", wsTarget(t, "ws", nil, func(ctx context.Context, c *ws.Conn) error {
		_, _, err := c.Read(within(t))
		heard <- err
		return nil
	}))
	b := run(t, rule)
	_, _, err := dialWS(t, b.at(0, rule.Listen), "chat").Read(within(t))
	var closed *ws.CloseError
	if !errors.As(err, &closed) || closed.Code != ws.StatusBadGateway || !strings.HasPrefix(closed.Reason, `target: it does not speak the subprotocol "chat"`) {
		t.Error(err)
	}
	if err := <-heard; ws.CloseStatus(err) != ws.StatusNormalClosure {
		t.Error(err)
	}
	if s := b.Stats()[0]; s.DialFailed != 1 {
		t.Errorf("%+v", s)
	}
}
