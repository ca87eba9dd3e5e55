package interop_test

import (
	"bytes"
	"context"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// TestCurl greets curl. Debian 12's curl 7.88 is built without curl's WebSocket
// support, which was experimental then: "ws" is not among its protocols. So curl
// makes the handshake of RFC 6455 section 1.3 from given headers, and hands out
// the raw bytes that follow the 101. A curl that has "ws" is also used as the
// client that it then is.
func TestCurl(t *testing.T) {
	leakCheck(t)
	url := listenHTTP(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"chat"}})
		if err != nil {
			t.Error(err)
			return
		}
		must(t, c.Write(context.Background(), ws.Text, []byte("welcome ashore\n")))
		// curl answers no close frame; CloseNow would not wait for what is queued.
		c.NetConn().(interface{ CloseWrite() error }).CloseWrite()
		if _, _, err := c.Read(context.Background()); err == nil {
			t.Error("curl sent a message")
		}
	}))

	out := curl(t, "--http1.1", "-i", "-s", "-N", "--max-time", "20",
		"-H", "Connection: Upgrade", "-H", "Upgrade: websocket",
		"-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
		"-H", "Sec-WebSocket-Protocol: superchat, chat",
		"http"+strings.TrimPrefix(url, "ws"))
	head, body, _ := bytes.Cut(out, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	if lines[0] != "HTTP/1.1 101 Switching Protocols" {
		t.Fatalf("curl got %q", out)
	}
	for _, want := range []string{"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=", "sec-websocket-protocol: chat", "upgrade: websocket", "connection: upgrade"} {
		if !slices.ContainsFunc(lines, func(s string) bool { return strings.ToLower(s) == want }) {
			t.Errorf("no %q in %q", want, lines)
		}
	}
	if want := "\x81\x0fwelcome ashore\n"; string(body) != want {
		t.Errorf("curl got the frames %q, want %q", body, want)
	}

	if !strings.Contains(" "+string(protocols(t))+" ", " ws ") {
		t.Log("this curl has no ws://")
		return
	}
	cmd := exec.Command("curl", "-s", "-N", "--max-time", "20", url)
	out, _ = cmd.Output() // a stream that ends without a close frame is an error to some versions
	if string(out) != "welcome ashore\n" {
		t.Errorf("curl got the message %q", out)
	}
}

func curl(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("curl", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl: %v %s %q", err, stderr.Bytes(), out)
	}
	return out
}

func protocols(t *testing.T) []byte {
	for line := range bytes.Lines(curl(t, "--version")) {
		if rest, ok := bytes.CutPrefix(line, []byte("Protocols: ")); ok {
			return bytes.TrimSpace(rest)
		}
	}
	t.Fatal("curl --version names no protocols")
	return nil
}
