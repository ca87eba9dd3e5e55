package bridge_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// base64Target is a WebSocket service that says one message in base64, and then how it was closed.
func base64Target(t *testing.T, p []byte) (bridge.Endpoint, <-chan ws.StatusCode) {
	t.Helper()
	closed := make(chan ws.StatusCode, 1)
	return wsTarget(t, "ws", &ws.AcceptOptions{Subprotocols: []string{"base64"}}, func(ctx context.Context, c *ws.Conn) error {
		c.Write(ctx, ws.Text, base64.StdEncoding.AppendEncode(nil, p))
		_, _, err := c.Read(ctx)
		closed <- ws.CloseStatus(err)
		return nil
	}), closed
}

// TestBase64Bound has a target say more at once than the bridge holds.
func TestBase64Bound(t *testing.T) {
	target, closed := base64Target(t, make([]byte, 1<<20+4))
	rule := pairRule(t, "tcp", target)
	rule.Subprotocols = []string{"base64"}
	b := run(t, rule)
	c := dialStream(t, b.at(0, rule.Listen))
	if n, err := c.Read(make([]byte, 1)); n > 0 || err == io.EOF {
		t.Fatalf("%d bytes came, and %v; want none, and a reset", n, err)
	}
	if code := <-closed; code != ws.StatusMessageTooBig {
		t.Errorf("the target was closed with %d", code)
	}
}

// TestBase64Frame has a target say as much at once as a frame and a datagram hold.
func TestBase64Frame(t *testing.T) {
	want := noise(60_000)
	target, _ := base64Target(t, want)
	rule := pairRule(t, "tcp", target)
	rule.Subprotocols, rule.Framing = []string{"base64"}, bridge.Length16
	b := run(t, rule)
	got := make([]byte, 2+len(want))
	if _, err := io.ReadFull(dialStream(t, b.at(0, rule.Listen)), got); err != nil {
		t.Fatal(err)
	}
	if int(binary.BigEndian.Uint16(got)) != len(want) || !bytes.Equal(got[2:], want) {
		t.Error("something else came")
	}
}

// TestToWebsockify has a stream reach a target that refuses who offers subprotocols and not "binary" among them, as it reads them.
func TestToWebsockify(t *testing.T) {
	speaking := ws.HTTPHandler(echoMessages, &ws.AcceptOptions{Subprotocols: []string{bridge.BinaryProtocol}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		offered := r.Header.Get("Sec-WebSocket-Protocol")
		if offered != "" && !slices.Contains(strings.Split(offered, ","), bridge.BinaryProtocol) {
			http.Error(w, "Invalid protocol selected", http.StatusBadRequest)
			return
		}
		speaking.ServeHTTP(w, r)
	}))
	defer server.Close()
	rule := pairRule(t, "tcp", parse(t, "ws"+strings.TrimPrefix(server.URL, "http")+"/"))
	b := run(t, rule)
	said(t, dialStream(t, b.at(0, rule.Listen)))
	b.stop()
}
