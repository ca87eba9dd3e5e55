package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// Bytes behind a request for an upgrade that comes to nothing, or within its body, never reach Tidewire as a request of their
// own: they are a request to the proxy, by whose rules it goes to the site, or nothing.
func TestNothingIsSmuggled(t *testing.T) {
	each(t, func(t *testing.T, by *front) {
		tidewire, site := newProbe(t, time.Minute), newProbe(t, time.Minute)
		addr := by.start(t, tidewire.addr, site.addr, "60s")
		second := "GET /secret HTTP/1.1\r\nHost: " + addr + "\r\nConnection: close\r\n\r\n"
		head := func(line, version string, more ...string) string {
			lines := append([]string{line, "Host: " + addr, "Connection: Upgrade", "Upgrade: websocket",
				"Sec-WebSocket-Version: " + version, "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="}, more...)
			return strings.Join(lines, "\r\n") + "\r\n\r\n"
		}
		length := fmt.Sprint("Content-Length: ", len(second))
		chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(second), second)
		for name, raw := range map[string]string{
			"another version":        head("GET /live HTTP/1.1", "99") + second,
			"refused":                head("GET /live?forbidden HTTP/1.1", "13") + second,
			"refused, with body":     head("GET /live?forbidden HTTP/1.1", "13", length) + second + second,
			"a body":                 head("GET /live HTTP/1.1", "13", length) + second,
			"chunks":                 head("GET /live HTTP/1.1", "13", "Transfer-Encoding: chunked") + chunk,
			"chunks, version":        head("GET /live HTTP/1.1", "99", "Transfer-Encoding: chunked") + chunk + second,
			"length and chunks":      head("GET /live HTTP/1.1", "13", "Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n" + second,
			"chunks that are hidden": head("GET /live HTTP/1.1", "99", "Content-Length: 5", "Transfer-Encoding: xchunked") + "0\r\n\r\n" + second,
			"two lengths":            head("GET /live HTTP/1.1", "99", "Content-Length: 0", length) + second,
			"a post":                 head("POST /live HTTP/1.1", "13", length) + second + second,
			"HTTP/1.0":               head("GET /live HTTP/1.0", "13") + second,
			"h2c":                    "GET /live HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + second,
			"two upgrades":           head("GET /live HTTP/1.1", "99", "Upgrade: h2c") + second,
			"no key":                 "GET /live HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n" + second,
			"kept":                   "GET /live HTTP/1.1\r\nHost: " + addr + "\r\nConnection: close, Sec-WebSocket-Key\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n" + second,
		} {
			c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, raw)
			c.CloseWrite() // so that a WebSocket, too, is over soon
			c.SetDeadline(time.Now().Add(patience))
			answer, _ := io.ReadAll(c)
			c.Close()
			if !strings.HasPrefix(string(answer), "HTTP/1.") {
				t.Errorf("%s: answered %.60q", name, answer)
			}
			for _, seen := range tidewire.take() {
				if strings.HasPrefix(seen, "GET /secret ") {
					t.Errorf("%s: Tidewire saw %q", name, seen)
				}
				if strings.Contains(seen, "h2c") {
					t.Errorf("%s: an upgrade that no proxy may pass: %q", name, seen)
				}
			}
			if got := site.take(); len(got) > 1 {
				t.Errorf("%s: the site saw %q", name, got)
			}
		}
	})
}
