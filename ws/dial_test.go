//go:build !js

package ws_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// scripted answers the first request on each connection by script, which is
// given the request and its connection, and then holds the connection open until
// the client closes it.
func scripted(t testing.TB, script func(r *http.Request, nc net.Conn)) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(patience))
				r, err := http.ReadRequest(bufio.NewReader(nc))
				if err != nil {
					return
				}
				script(r, nc)
				io.Copy(io.Discard, nc)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	return ln.Addr().String()
}

// acceptOf computes Sec-WebSocket-Accept by itself.
func acceptOf(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// switching is a sound 101 with more header lines, each ending in CR LF.
func switching(r *http.Request, more string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		acceptOf(r) + "\r\n" + more + "\r\n"
}

func TestDialSendsWhatWasAsked(t *testing.T) {
	leakCheck(t)
	requests := make(chan *http.Request, 1)
	addr := scripted(t, func(r *http.Request, nc net.Conn) {
		requests <- r
		io.WriteString(nc, switching(r, "Sec-WebSocket-Protocol: v1\r\nSet-Cookie: got=it; Path=/\r\nX-Extra: yes\r\n")+"\x81\x05hello")
	})
	jar, _ := cookiejar.New(nil)
	home := &url.URL{Scheme: "http", Host: addr, Path: "/"}
	jar.SetCookies(home, []*http.Cookie{{Name: "jar", Value: "1"}})
	c, resp, err := ws.Dial(testContext(t), "ws://us%20er:pa:ss@"+addr+"/chat/%C3%A9?name=John Doe&q=\u00e9", &ws.DialOptions{
		ConnOptions:  ws.ConnOptions{Compression: &deflate.Options{}},
		Header:       http.Header{"X-Token": {"a", "b"}, "cookie": {"own=2"}, "Cookie": {"first=0"}},
		Subprotocols: []string{"v2", "v1"},
		Origin:       "https://example.com",
		Host:         "virtual.example:81",
		Jar:          jar,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := <-requests
	h := r.Header
	for name, want := range map[string]string{
		"Upgrade":                "websocket",
		"Connection":             "Upgrade",
		"Sec-Websocket-Version":  "13",
		"Sec-Websocket-Protocol": "v2, v1",
		"Origin":                 "https://example.com",
		"Cookie":                 "first=0; own=2; jar=1",
		"Authorization":          "Basic " + base64.StdEncoding.EncodeToString([]byte("us er:pa:ss")),
		"X-Token":                "a, b",
	} {
		if got := strings.Join(h[name], ", "); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.RequestURI != "/chat/%C3%A9?name=John%20Doe&q=%C3%A9" || r.Host != "virtual.example:81" {
		t.Errorf("URI %s, host %s", r.RequestURI, r.Host)
	}
	if !strings.HasPrefix(h.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		t.Errorf("extensions %q", h.Get("Sec-WebSocket-Extensions"))
	}
	if resp.StatusCode != 101 || resp.Header.Get("X-Extra") != "yes" || c.Subprotocol() != "v1" || resp.Request.URL.Host != addr {
		t.Errorf("response %v, subprotocol %q", resp, c.Subprotocol())
	}
	if got := jar.Cookies(home); len(got) != 2 {
		t.Errorf("the jar holds %v", got)
	}
	if _, p := mustRead(t, c); string(p) != "hello" { // came with the 101
		t.Errorf("read %q", p)
	}
	c.CloseNow()
}

func TestDialHostHeader(t *testing.T) {
	for raw, want := range map[string]string{
		"ws://example.com":               "example.com|example.com:80",
		"ws://example.com:80/":           "example.com|example.com:80",
		"ws://example.com:443":           "example.com:443|example.com:443",
		"ws://EXAMPLE.com:/x":            "EXAMPLE.com|EXAMPLE.com:80",
		"http://[::1]:8080":              "[::1]:8080|[::1]:8080",
		"ws://[::1]":                     "[::1]|[::1]:80",
		"ws://[fe80::1%25en0]:9/":        "[fe80::1]:9|[fe80::1%en0]:9",
		"ws://user:secret@example.com:9": "example.com:9|example.com:9",
	} {
		var dialled string
		client, server := net.Pipe()
		host := make(chan string, 1)
		go func() {
			defer server.Close()
			r, err := http.ReadRequest(bufio.NewReader(server))
			if err != nil {
				host <- err.Error()
				return
			}
			host <- r.Host
			io.WriteString(server, switching(r, ""))
		}()
		c, _, err := ws.Dial(testContext(t), raw, &ws.DialOptions{
			NetDial: func(_ context.Context, network, addr string) (net.Conn, error) {
				dialled = addr
				return client, nil
			},
			Proxy: noProxy,
		})
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		c.CloseNow()
		if got := <-host + "|" + dialled; got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// Everything that goes on the wire is checked before anything does.
func TestDialRefusesBadOptions(t *testing.T) {
	const good = "ws://example.com/"
	for name, c := range map[string]struct {
		url  string
		o    ws.DialOptions
		want string // part of the error: the name of what was wrong
	}{
		"scheme":             {"ftp://example.com", ws.DialOptions{}, "scheme"},
		"no scheme":          {"example.com/x", ws.DialOptions{}, "scheme"},
		"fragment":           {"ws://example.com/#x", ws.DialOptions{}, "fragment"},
		"empty fragment":     {"ws://example.com/#", ws.DialOptions{}, "fragment"},
		"no host":            {"ws:///x", ws.DialOptions{}, "host"},
		"port alone":         {"ws://:80/x", ws.DialOptions{}, "host"},
		"opaque":             {"ws:example.com", ws.DialOptions{}, "host"},
		"CRLF in path":       {"ws://example.com/\r\nX: y", ws.DialOptions{}, "URL"},
		"space in host":      {"ws://exam ple.com/", ws.DialOptions{}, "URL"},
		"CRLF in zone":       {"ws://[fe80::1%25en0%0d%0aX]/", ws.DialOptions{}, "URL"},
		"host not ASCII":     {"ws://ex\u00e4mple.com/", ws.DialOptions{}, "xn--"},
		"quote in host":      {"ws://ex\"ample.com/", ws.DialOptions{}, "host"},
		"escape in host":     {"ws://ex%C3%A4mple.com/", ws.DialOptions{}, "xn--"},
		"secret in bad URL":  {"ws://user:hunter2@exam ple.com/", ws.DialOptions{}, "URL"},
		"header name":        {good, ws.DialOptions{Header: http.Header{"X Y": {"z"}}}, "Header"},
		"header name CRLF":   {good, ws.DialOptions{Header: http.Header{"X\r\nY": {"z"}}}, "Header"},
		"header value CRLF":  {good, ws.DialOptions{Header: http.Header{"X-Y": {"z\r\nA: b"}}}, "X-Y"},
		"header value LF":    {good, ws.DialOptions{Header: http.Header{"X-Y": {"z\nA: b"}}}, "X-Y"},
		"header value NUL":   {good, ws.DialOptions{Header: http.Header{"X-Y": {"\x00"}}}, "X-Y"},
		"Upgrade":            {good, ws.DialOptions{Header: http.Header{"Upgrade": {"h2c"}}}, "Upgrade"},
		"connection":         {good, ws.DialOptions{Header: http.Header{"connection": {"close"}}}, "Connection"},
		"Sec-WebSocket-Key":  {good, ws.DialOptions{Header: http.Header{"Sec-WebSocket-Key": {"x"}}}, "Sec-Websocket-Key"},
		"sec-websocket-x":    {good, ws.DialOptions{Header: http.Header{"sec-websocket-x": {"x"}}}, "Sec-Websocket-X"},
		"Content-Length":     {good, ws.DialOptions{Header: http.Header{"Content-Length": {"5"}}}, "Content-Length"},
		"Host in Header":     {good, ws.DialOptions{Header: http.Header{"host": {"x"}}}, "DialOptions.Host"},
		"two Origins":        {good, ws.DialOptions{Header: http.Header{"origin": {"x"}}, Origin: "y"}, "Origin"},
		"Origin CRLF":        {good, ws.DialOptions{Origin: "http://a\r\nX: y"}, "Origin"},
		"Host CRLF":          {good, ws.DialOptions{Host: "a\r\nX: y"}, "Host"},
		"Host with path":     {good, ws.DialOptions{Host: "a/b"}, "Host"},
		"subprotocol CRLF":   {good, ws.DialOptions{Subprotocols: []string{"a\r\nX: y"}}, "Subprotocols"},
		"subprotocol list":   {good, ws.DialOptions{Subprotocols: []string{"a, b"}}, "Subprotocols"},
		"subprotocol empty":  {good, ws.DialOptions{Subprotocols: []string{""}}, "Subprotocols"},
		"subprotocol twice":  {good, ws.DialOptions{Subprotocols: []string{"a", "b", "a"}}, "twice"},
		"client and TLS":     {good, ws.DialOptions{HTTPClient: http.DefaultClient, InsecureSkipVerify: true}, "HTTPClient"},
		"client and NetDial": {good, ws.DialOptions{HTTPClient: http.DefaultClient, Proxy: noProxy}, "HTTPClient"},
	} {
		c.o.NetDial = nil
		if c.o.HTTPClient == nil {
			c.o.NetDial = func(context.Context, string, string) (net.Conn, error) {
				t.Errorf("%s: a connection was opened", name)
				return nil, errors.New("no")
			}
		}
		conn, resp, err := ws.Dial(testContext(t), c.url, &c.o)
		if err == nil || conn != nil || resp != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want it to name %q", name, err, c.want)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Count(err.Error(), "ws: ") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// listen serves each connection with f, then waits for the client to close it.
func listen(t testing.TB, f func(nc net.Conn)) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(patience))
				f(nc)
				io.Copy(io.Discard, nc)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	return ln.Addr().String()
}

func TestDialTLS(t *testing.T) {
	leakCheck(t)
	s := httptest.NewUnstartedServer(ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error { return echo(c) }, nil))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
	s.EnableHTTP2 = true // would be chosen if Dial let it
	s.Config.ErrorLog = quiet
	s.StartTLS()
	defer s.Close()
	addr := s.Listener.Addr().String()

	trusting := &tls.Config{RootCAs: certificate().roots, NextProtos: []string{"h2"}}
	for name, o := range map[string]*ws.DialOptions{
		"trusted":  {TLSConfig: trusting},
		"insecure": {InsecureSkipVerify: true},
	} {
		c, resp, err := ws.Dial(testContext(t), "wss://"+addr, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.TLS == nil || !resp.TLS.HandshakeComplete {
			t.Errorf("%s: no TLS state", name)
		}
		mustWrite(t, c, ws.Text, []byte("x"))
		mustRead(t, c)
		c.Close(ws.StatusNormalClosure, "")
	}
	if trusting.ServerName != "" || trusting.NextProtos[0] != "h2" {
		t.Error("the caller's TLSConfig was changed")
	}
	if _, _, err := ws.Dial(testContext(t), "wss://"+addr, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	wrong := &tls.Config{RootCAs: certificate().roots, ServerName: "other.example"}
	if _, _, err := ws.Dial(testContext(t), "wss://"+addr, &ws.DialOptions{TLSConfig: wrong}); err == nil || !strings.Contains(err.Error(), "other.example") {
		t.Errorf("another name: %v", err)
	}
	plain := acceptServer(t, nil).Listener.Addr().String()
	if _, _, err := ws.Dial(testContext(t), "wss://"+plain, nil); err == nil || !strings.Contains(err.Error(), "does not speak TLS") {
		t.Errorf("TLS to a plain port: %v", err)
	}
}

func TestDialUnixSocket(t *testing.T) {
	leakCheck(t)
	dir, err := os.MkdirTemp("", "ws")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ln, err := net.Listen("unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	hosts := make(chan string, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts <- r.Host + r.URL.Path
		if c, err := ws.Accept(w, r, nil); err == nil {
			echo(c)
			c.CloseNow()
		}
	})}
	go srv.Serve(ln)
	defer srv.Close()
	c, _, err := ws.Dial(testContext(t), "ws://backend/chat", &ws.DialOptions{
		UnixSocket: dir + "/s",
		Proxy:      func(*http.Request) (*url.URL, error) { t.Error("a proxy was asked for"); return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, c, ws.Text, []byte("x"))
	mustRead(t, c)
	if got := <-hosts; got != "backend/chat" {
		t.Errorf("asked for %s", got)
	}
	c.Close(ws.StatusNormalClosure, "")
}
