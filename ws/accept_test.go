//go:build !js

package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// handshakeRequest returns a sound request head. Each change is "Name: value" in
// place of the field of that name, "Name:" without it, or "+Name: value" beside
// it; one that begins with a method replaces the request line.
func handshakeRequest(changes ...string) string {
	lines := []string{
		"GET /chat HTTP/1.1",
		"Host: server.example.com",
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Key: " + sampleKey,
		"Sec-WebSocket-Version: 13",
	}
	for _, change := range changes {
		if added, ok := strings.CutPrefix(change, "+"); ok {
			lines = append(lines, added)
			continue
		}
		name, value, isField := strings.Cut(change, ":")
		if strings.Contains(name, " ") || !isField {
			lines[0] = change
			continue
		}
		for i, line := range lines[1:] {
			if strings.HasPrefix(line, name+":") {
				lines = append(lines[:i+1], lines[i+2:]...)
				break
			}
		}
		if value != "" {
			lines = append(lines, change)
		}
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// clientFrame is a masked frame of up to 125 bytes, with a key of zeros.
func clientFrame(first byte, p string) string {
	return string([]byte{first, 0x80 | byte(len(p)), 0, 0, 0, 0}) + p
}

// talk sends raw bytes to an address and returns the answer's head and a reader
// for what follows.
func talk(t testing.TB, addr, raw string) (*http.Response, *bufio.Reader, net.Conn) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return exchange(t, nc, raw)
}

func exchange(t testing.TB, nc net.Conn, raw string) (*http.Response, *bufio.Reader, net.Conn) {
	t.Helper()
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(nc, raw); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no answer to %q: %v", raw, err)
	}
	return resp, r, nc
}

// expectBytes reads exactly what is wanted.
func expectBytes(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// acceptServer is an http.Server whose handler accepts and echoes.
func acceptServer(t testing.TB, o *ws.AcceptOptions) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		echo(c)
	}))
	t.Cleanup(s.Close)
	return s
}

// doors are the ways in, each an address that echoes.
var doors = map[string]func(t testing.TB, o ws.AcceptOptions) string{
	"Accept": func(t testing.TB, o ws.AcceptOptions) string {
		return acceptServer(t, &o).Listener.Addr().String()
	},
	"HTTPHandler": func(t testing.TB, o ws.AcceptOptions) string {
		s := httptest.NewServer(ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error { return echo(c) }, &o))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	},
	"Upgrade": func(t testing.TB, o ws.AcceptOptions) string {
		return upgradeServer(t, &ws.UpgradeOptions{
			ConnOptions: o.ConnOptions, Subprotocols: o.Subprotocols, Origins: o.Origins,
			AnyOrigin: o.AnyOrigin, Header: o.Header, HandshakeTimeout: o.HandshakeTimeout,
		})
	},
	"Server.Serve": func(t testing.TB, o ws.AcceptOptions) string {
		_, addr := serve(t, &ws.Server{Accept: echoTo(&o)})
		return addr
	},
	"Server.Serve with HTTP": func(t testing.TB, o ws.AcceptOptions) string {
		_, addr := serve(t, &ws.Server{Accept: echoTo(&o), HTTP: http.NotFoundHandler()})
		return addr
	},
	"Server.ServeHTTP": func(t testing.TB, o ws.AcceptOptions) string {
		srv := &ws.Server{Accept: echoTo(&o)}
		s := httptest.NewServer(srv)
		t.Cleanup(func() {
			srv.Close()
			s.Close()
		})
		return s.Listener.Addr().String()
	},
}

func echoTo(o *ws.AcceptOptions) func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
	return func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
			c.Write(context.Background(), typ, p)
		}), o, nil
	}
}

func TestHandshakeGoldenOnEveryDoor(t *testing.T) {
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			addr := door(t, ws.AcceptOptions{
				Subprotocols: []string{"chat", "superchat"},
				Header:       http.Header{"X-Extra": {"yes"}},
			})
			for key, accept := range map[string]string{
				"dGhlIHNhbXBsZSBub25jZQ==": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
				"x3JJHMbDL1EzLkh9GBhXDw==": "HSmrc0sMlYUkAGmm5OPpG2HaGWk=",
			} {
				resp, r, nc := talk(t, addr, handshakeRequest("Sec-WebSocket-Key: "+key,
					"Sec-WebSocket-Protocol: chat, superchat", "Origin: http://server.example.com"))
				h := resp.Header
				if resp.StatusCode != 101 || h.Get("Upgrade") != "websocket" || h.Get("Connection") != "Upgrade" ||
					h.Get("Sec-WebSocket-Accept") != accept || h.Get("Sec-WebSocket-Protocol") != "chat" ||
					h.Get("X-Extra") != "yes" || len(h["Sec-Websocket-Extensions"]) != 0 {
					t.Fatalf("answer %s, %v", resp.Status, h)
				}
				io.WriteString(nc, clientFrame(0x81, "hello"))
				expectBytes(t, r, "\x81\x05hello")
				nc.Close()
			}
		})
	}
}

func TestFramesBehindTheHandshakeOnEveryDoor(t *testing.T) {
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			addr := door(t, ws.AcceptOptions{})
			var frames, want strings.Builder
			for i := range 40 {
				p := strings.Repeat(string(rune('a'+i%26)), 120)
				frames.WriteString(clientFrame(0x82, p))
				want.WriteString("\x82\x78" + p)
			}
			_, r, nc := talk(t, addr, handshakeRequest()+frames.String())
			expectBytes(t, r, want.String())
			io.WriteString(nc, clientFrame(0x88, "\x03\xe8"))
			expectBytes(t, r, "\x88\x02\x03\xe8")
		})
	}
}

// badRequests are refused by every door in the same way.
var badRequests = []struct {
	name    string
	request string
	status  int
	body    string // part of it
}{
	{"no upgrade", handshakeRequest("Upgrade:"), 426, "Upgrade: websocket"},
	{"other upgrade", handshakeRequest("Upgrade: h2c"), 426, "Upgrade: websocket"},
	{"no connection", handshakeRequest("Connection:"), 426, "Connection: Upgrade"},
	{"other connection", handshakeRequest("Connection: keep-alive"), 426, "Connection: Upgrade"},
	{"POST", handshakeRequest("POST /chat HTTP/1.1"), 405, "POST"},
	{"HTTP/1.0", handshakeRequest("GET /chat HTTP/1.0"), 505, "HTTP/1.0"},
	{"no version", handshakeRequest("Sec-WebSocket-Version:"), 426, "Sec-WebSocket-Version"},
	{"version 8", handshakeRequest("Sec-WebSocket-Version: 8"), 426, `"8"`},
	{"version list", handshakeRequest("Sec-WebSocket-Version: 13, 8"), 426, "13, 8"},
	{"two versions", handshakeRequest("+Sec-WebSocket-Version: 13"), 400, "more than one Sec-WebSocket-Version"},
	{"no key", handshakeRequest("Sec-WebSocket-Key:"), 400, "lacks a Sec-WebSocket-Key"},
	{"short key", handshakeRequest("Sec-WebSocket-Key: dGhl"), 400, `"dGhl"`},
	{"two keys", handshakeRequest("+Sec-WebSocket-Key: " + sampleKey), 400, "more than one Sec-WebSocket-Key"},
	{"two origins", handshakeRequest("Origin: http://server.example.com", "+Origin: http://server.example.com"), 400, "more than one Origin"},
	{"foreign origin", handshakeRequest("Origin: http://evil.example"), 403, "Origins"},
	{"null origin", handshakeRequest("Origin: null"), 403, "Origins"},
	{"body", handshakeRequest("Content-Length: 5") + "hello", 400, "body"},
	{"chunked body", handshakeRequest("Transfer-Encoding: chunked") + "0\r\n\r\n", 400, "body"},
	{"no host", handshakeRequest("Host:"), 400, "Host"},
	{"two hosts", handshakeRequest("+Host: server.example.com"), 400, "Host"},
	{"host with a space", handshakeRequest("Host: a b"), 400, `"a b"`},
	{"host with a path", handshakeRequest("Host: a/b"), 400, `"a/b"`},
	{"host with a user", handshakeRequest("Host: me@a"), 400, `"me@a"`},
	{"host not ASCII", handshakeRequest("Host: \xc3\xa9"), 400, "Host"},
	{"space before colon", handshakeRequest("+X-Odd : x"), 400, ""},
	{"NUL", handshakeRequest("+X-Odd: \x00"), 400, ""},
	{"bad escape", handshakeRequest("GET /%zz HTTP/1.1"), 400, ""},
	{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400, ""},
	{"bad subprotocol", handshakeRequest("Sec-WebSocket-Protocol: a/b"), 400, `"a/b"`},
}

func TestBadRequestsOnEveryDoor(t *testing.T) {
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			addr := door(t, ws.AcceptOptions{Subprotocols: []string{"chat"}})
			for _, c := range badRequests {
				resp, _, nc := talk(t, addr, c.request)
				body, err := io.ReadAll(resp.Body)
				nc.Close()
				if name == "Server.Serve with HTTP" && (c.name == "no upgrade" || c.name == "other upgrade") {
					if resp.StatusCode != 404 { // is for HTTP to answer
						t.Errorf("%s: %s", c.name, resp.Status)
					}
					continue
				}
				if resp.StatusCode != c.status || err != nil {
					t.Errorf("%s: %s, want %d: %q, %v", c.name, resp.Status, c.status, body, err)
				}
				// net/http refuses some by itself, in its own words.
				own := resp.Header.Get("X-Content-Type-Options") == "nosniff"
				if own && (!strings.Contains(string(body), c.body) || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain")) {
					t.Errorf("%s: body %q lacks %q", c.name, body, c.body)
				}
				if c.status == 426 && (resp.Header.Get("Sec-WebSocket-Version") != "13" || resp.Header.Get("Upgrade") != "websocket") {
					t.Errorf("%s: 426 with %v", c.name, resp.Header)
				}
				if c.status == 405 && resp.Header.Get("Allow") != "GET" {
					t.Errorf("%s: 405 with %v", c.name, resp.Header)
				}
			}
			// None of it hurt the door.
			_, r, nc := talk(t, addr, handshakeRequest("Content-Length: 0", "Connection: keep-alive, upgrade", "Upgrade: h2c, WebSocket"))
			io.WriteString(nc, clientFrame(0x81, "x"))
			expectBytes(t, r, "\x81\x01x")
		})
	}
}

func TestSubprotocolIsTheServersPreference(t *testing.T) {
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			addr := door(t, ws.AcceptOptions{Subprotocols: []string{"v2", "v1"}})
			for offer, want := range map[string]string{
				"v1, v2":                             "v2",
				"v1":                                 "v1",
				"V1":                                 "", // case matters
				"v3":                                 "",
				",, v1 ,":                            "v1",
				"v1\r\nSec-WebSocket-Protocol: v2,x": "v2",
			} {
				resp, _, nc := talk(t, addr, handshakeRequest("+Sec-WebSocket-Protocol: "+offer))
				if got := resp.Header.Get("Sec-WebSocket-Protocol"); resp.StatusCode != 101 || got != want {
					t.Errorf("offered %q: %s, %q", offer, resp.Status, got)
				}
				if _, sent := resp.Header["Sec-Websocket-Protocol"]; want == "" && sent {
					t.Errorf("offered %q: an empty header", offer)
				}
				nc.Close()
			}
		})
	}
}

func TestAnyOriginAndPatterns(t *testing.T) {
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			for _, o := range []ws.AcceptOptions{
				{AnyOrigin: true},
				{Origins: []string{"*.example"}},
				{Origins: []string{"https://*.example", "http://ally.example"}},
			} {
				resp, _, _ := talk(t, door(t, o), handshakeRequest("Origin: http://ally.example"))
				if resp.StatusCode != 101 {
					t.Errorf("%v: %s", o.Origins, resp.Status)
				}
			}
		})
	}
}

func TestHeaderOptionCannotInjectOnEveryDoor(t *testing.T) {
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			for _, h := range []http.Header{
				{"X": {"a\r\nX-Injected: yes"}},
				{"X": {"a\nX-Injected: yes"}},
				{"X": {"a\x00"}},
				{"X\r\nX-Injected": {"yes"}},
				{"X Y": {"a"}},
				{"": {"a"}},
				{"Upgrade": {"h2c"}},
				{"connection": {"close"}},
				{"Sec-Websocket-Accept": {"x"}},
				{"sec-websocket-protocol": {"x"}},
				{"Content-Length": {"5"}},
				{"Transfer-Encoding": {"chunked"}},
			} {
				resp, _, _ := talk(t, door(t, ws.AcceptOptions{Header: h}), handshakeRequest())
				if resp.StatusCode != 500 || resp.Header.Get("X-Injected") != "" {
					t.Errorf("%q: %s, %v", h, resp.Status, resp.Header)
				}
			}
		})
	}
}

func TestCompressionIsNegotiatedOnEveryDoor(t *testing.T) {
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			addr := door(t, ws.AcceptOptions{ConnOptions: ws.ConnOptions{Compression: &deflate.Options{}}})
			resp, _, nc := talk(t, addr, handshakeRequest("Sec-WebSocket-Extensions: permessage-deflate"))
			if got := resp.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
				t.Errorf("answered %q", got)
			}
			nc.Close()
			resp, _, nc = talk(t, addr, handshakeRequest())
			if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
				t.Errorf("answered %q to no offer", got)
			}
			nc.Close()
			c, _, err := ws.Dial(testContext(t), "ws://"+addr, &ws.DialOptions{
				ConnOptions: ws.ConnOptions{Compression: &deflate.Options{}}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			mustWrite(t, c, ws.Text, words(5000))
			if _, p := mustRead(t, c); !bytes.Equal(p, words(5000)) {
				t.Error("the echo differs")
			}
		})
	}
}
