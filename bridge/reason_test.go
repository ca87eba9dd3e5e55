package bridge_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// TestReasonsNameNobody has targets that cannot be reached, and clients who do not learn from it where those are. A name with two
// dots together needs no name server to be unknown.
func TestReasonsNameNobody(t *testing.T) {
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	host := strings.TrimPrefix(refuses.URL, "http://")
	untrusted := echo(t, "wss")
	for target, secret := range map[string]string{
		"ws://" + host + "/hidden": host,
		"tcp:hidden..name:1":       "hidden",
		"ws://hidden..name/x":      "hidden",
		untrusted.String():         untrusted.Host(),
		"tls:" + untrusted.Host():  "127.0.0.1",
	} {
		rule := bridge.Rule{Listen: listening(t, "ws"), Target: parse(t, target)}
		b := run(t, rule)
		_, _, err := dialWS(t, b.at(0, rule.Listen)).Read(within(t))
		var closed *ws.CloseError
		if !errors.As(err, &closed) || closed.Code != ws.StatusBadGateway {
			t.Fatal(err)
		}
		for _, name := range []string{secret, "hidden", "127.0.0.1", ":53"} {
			if strings.Contains(closed.Reason, name) {
				t.Errorf("%s: %q names %s", target, closed.Reason, name)
			}
		}
		if !strings.Contains(b.logs.String(), rule.Target.String()) {
			t.Errorf("the log does not name %s", rule.Target)
		}
	}
}

// TestReasonsQuoteNobody has targets refuse a handshake, in words that the log has and clients do not.
func TestReasonsQuoteNobody(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 401 hidden\r\nWWW-Authenticate: hidden\r\nContent-Length: 6\r\n\r\nhidden": "target: it answered the WebSocket handshake with 401",
		"HTTP/1.1 302 Found\r\nLocation: http://hidden/\r\n\r\n":                             "target: it answered the WebSocket handshake with 302",
		"HTTP/1.1 101 hidden\r\nUpgrade: hidden\r\n\r\n":                                     "target: its WebSocket handshake failed",
		"hidden\r\n\r\n": "target: its WebSocket handshake failed",
		"HTTP/1.1 101 hidden\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: hidden\r\n\r\n": "target: its WebSocket handshake failed",
		"": "target: its WebSocket handshake took too long",
	} {
		target := streamTarget(t, "tcp", func(conn halfCloser) {
			io.WriteString(conn, answer)
			io.Copy(io.Discard, conn)
		})
		rule := bridge.Rule{Listen: listening(t, "ws"), Target: parse(t, "ws://"+target.Host()+"/"), DialTimeout: patience}
		if answer == "" {
			rule.DialTimeout = 100 * time.Millisecond
		}
		b := run(t, rule)
		_, _, err := dialWS(t, b.at(0, rule.Listen)).Read(within(t))
		var closed *ws.CloseError
		if !errors.As(err, &closed) || closed.Code != ws.StatusBadGateway || closed.Reason != want {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
		if !strings.Contains(b.logs.String(), "hidden") && answer != "" {
			t.Errorf("%q: the log does not quote it:\n%s", answer, b.logs)
		}
	}
}
