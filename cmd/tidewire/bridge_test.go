package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// A bridged is a running bridge.
type bridged struct {
	*running
	listens []string // as it prints them
	admin   string
}

// bridging runs the command with args until the test ends.
func bridging(t *testing.T, args ...string) *bridged {
	t.Helper()
	b := &bridged{running: starting(t, append([]string{"bridge", "--log-level", "error"}, args...)...)}
	lines := b.lines
	for lines.Scan() && lines.Text() != "Press Ctrl-C to stop." {
		if m := regexp.MustCompile(`^  (\S+) to .+$`).FindStringSubmatch(lines.Text()); m != nil {
			b.listens = append(b.listens, m[1])
		}
		if m := regexp.MustCompile(`^  admin: (\S+)/metrics$`).FindStringSubmatch(lines.Text()); m != nil {
			b.admin = m[1]
		}
	}
	return b
}

// echoTCP is a service that says what it is told, with a word in front, and ends with its client.
func echoTCP(t *testing.T, word string) string {
	return attending(t, func(nc net.Conn) error {
		io.WriteString(nc, word)
		return again(nc)
	})
}

// TestBridgeCommand runs a file of rules, looks at the metrics and ends it.
func TestBridgeCommand(t *testing.T) {
	dir := t.TempDir()
	rules, tokens := filepath.Join(dir, "rules"), filepath.Join(dir, "my tokens")
	one, two := echoTCP(t, "one"), echoTCP(t, "two")
	write := func(name, format string, args ...any) {
		if err := os.WriteFile(name, fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(tokens, "secret: %s\n", two)
	write(filepath.Join(dir, "index.html"), "<h1>hello")
	write(rules, "\ufeff"+`# what is bridged
ws://127.0.0.1:0/one tcp:%s --max-connections 1 # just one
ws://127.0.0.1:0/token "tokens:%s" --web '%s'
wss://localhost:0/secure tcp:%[1]s --tls-self-signed
`, one, tokens, dir)
	b := bridging(t, "--rules", rules, "--admin-addr", "127.0.0.1:0", "--drain", "100ms")
	if len(b.listens) != 3 {
		t.Fatal(b.listens)
	}
	hello := func(url, want string, o *ws.DialOptions) *ws.Conn {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, _, err := ws.Dial(ctx, url, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		if _, p, err := c.Read(ctx); string(p) != want {
			t.Fatalf("%q, %v; want %q", p, err, want)
		}
		return c
	}
	stays := hello(b.listens[0], "one", nil)
	hello(b.listens[1]+"/secret", "two", nil)
	hello(b.listens[1]+"?token=secret", "two", nil)
	hello(b.listens[2], "one", &ws.DialOptions{InsecureSkipVerify: true})
	if _, _, err := ws.Dial(context.Background(), b.listens[0], nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatal(err)
	}
	if _, _, err := ws.Dial(context.Background(), b.listens[1]+"/guess", nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Fatal(err)
	}
	page := "http" + strings.TrimPrefix(strings.TrimSuffix(b.listens[1], "token"), "ws")
	if status, body := get(t, page); status != 200 || body != "<h1>hello" {
		t.Fatal(status, body)
	}
	manual, err := os.ReadFile("../../docs/bridge.md")
	if err != nil {
		t.Fatal(err)
	}
	_, numbers := get(t, b.admin+"/metrics")
	for _, of := range regexp.MustCompile(`(?m)^# TYPE (tidewire_\w+)`).FindAllStringSubmatch(numbers, -1) {
		if strings.HasPrefix(of[1], "tidewire_ws_") || of[1] == "tidewire_build_info" { // of any process: docs/metrics.md
			continue
		}
		if !strings.Contains(string(manual), "| `"+of[1]+"` |") {
			t.Errorf("docs/bridge.md does not say what %s is", of[1])
		}
	}
	// What has come is counted a little later.
	eventually(t, "the metrics say so", func() error {
		_, numbers := get(t, b.admin+"/metrics")
		for _, want := range []string{
			fmt.Sprintf(`tidewire_bridge_connections{listen="%s",target="tcp:%s"} 1`, b.listens[0], one),
			fmt.Sprintf(`tidewire_bridge_refused_total{listen="%s",reason="limit",target="tcp:%s"} 1`, b.listens[0], one),
			fmt.Sprintf(`tidewire_bridge_refused_total{listen="%s",reason="token",target="tokens"} 1`, b.listens[1]),
			fmt.Sprintf(`tidewire_bridge_accepted_total{listen="%s",target="tokens"} 2`, b.listens[1]),
			fmt.Sprintf(`tidewire_bridge_bytes_total{direction="out",listen="%s",target="tcp:%s"} 3`, b.listens[0], one),
		} {
			if !strings.Contains(numbers, want+"\n") {
				return fmt.Errorf("no %s in\n%s", want, regexp.MustCompile(`(?m)^tidewire_bridge.*$`).FindAllString(numbers, -1))
			}
		}
		return nil
	})
	if status, _ := get(t, b.admin+"/readyz"); status != 200 {
		t.Error(status)
	}
	b.stop()
	if err := <-b.done; !errors.Is(err, errCut) {
		t.Errorf("%v, want %v", err, errCut)
	}
	if _, _, err := stays.Read(context.Background()); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Error(err)
	}
}

// TestBridgeEnds has nobody be there in the end.
func TestBridgeEnds(t *testing.T) {
	b := bridging(t, "tcp:127.0.0.1:0", "tcp:"+echoTCP(t, "hello"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.listens[0], "tcp:"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if p := make([]byte, 5); true {
		if _, err := io.ReadFull(conn, p); err != nil || string(p) != "hello" {
			t.Fatal(err)
		}
	}
	conn.Close()
	b.stop()
	if err := <-b.done; err != nil {
		t.Fatal(err)
	}
}

// TestBridgeForwarded has a proxy in front, on a Unix socket, whose word counts: the target hears of the client's address.
func TestBridgeForwarded(t *testing.T) {
	const v2 = "\r\n\r\n\x00\r\nQUIT\n\x21"
	for _, tc := range []struct{ version, trusted, from, want string }{
		{"v1", "unix", "192.0.2.7", "PROXY TCP4 192.0.2.7 0.0.0.0 0 0\r\n"},
		{"v1", "unix", "2001:db8::7", "PROXY TCP6 2001:db8::7 :: 0 0\r\n"},
		{"v1", "127.0.0.1", "192.0.2.7", "PROXY UNKNOWN\r\n"},
		{"v2", "unix", "192.0.2.7", v2 + "\x11\x00\x0c\xc0\x00\x02\x07" + strings.Repeat("\x00", 8)},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		socket := filepath.Join(t.TempDir(), "s")
		bridging(t, "ws+unix:"+socket+":/", "tcp:"+ln.Addr().String(), "--proxy-protocol", tc.version, "--trusted-proxies", tc.trusted)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, _, err := ws.Dial(ctx, "ws://localhost/", &ws.DialOptions{UnixSocket: socket, Header: http.Header{"X-Forwarded-For": {tc.from}}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		got := make([]byte, len(tc.want))
		if n, err := io.ReadFull(conn, got); string(got) != tc.want {
			t.Errorf("%+v: %q, %v", tc, got[:n], err)
		}
	}
}

// TestBridgeRenews has SIGHUP reach the certificate of each rule.
func TestBridgeRenews(t *testing.T) {
	alive := make(chan os.Signal, 1) // whoever listens is not ended by it
	signal.Notify(alive, syscall.SIGHUP)
	defer signal.Stop(alive)
	dir, target := t.TempDir(), echoTCP(t, "")
	names := []string{filepath.Join(dir, "x"), filepath.Join(dir, "y")}
	var rules string
	write := func() {
		for _, name := range names {
			if err := writePair(name, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	for _, name := range names {
		rules += fmt.Sprintf("tls:127.0.0.1:0 tcp:%s --tls-cert %s.pem --tls-key %[2]s-key.pem\n", target, name)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	b := bridging(t, "--rules", filepath.Join(dir, "rules"))
	shown := func(i int) string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(b.listens[i], "tls:"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := []string{shown(0), shown(1)}
	write()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self.Signal(syscall.SIGHUP)
	await(t, "the new certificates", func() string {
		for i := range names {
			if shown(i) == first[i] {
				return names[i] + " is the first"
			}
		}
		return ""
	})
}
