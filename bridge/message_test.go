package bridge_test

import (
	"bytes"
	"encoding/base64"
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
