//go:build !js

package ws_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

var quiet = log.New(io.Discard, "", 0)

// serve runs a Server on a port of its own until the test ends.
func serve(t testing.TB, s *ws.Server) (*ws.Server, string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, func() error { return s.Serve(ln) })
	return s, ln.Addr().String()
}

func serveTLS(t testing.TB, s *ws.Server) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, func() error { return s.ServeTLS(ln, "", "") })
	return ln.Addr().String()
}

func run(t testing.TB, s *ws.Server, f func() error) {
	done := make(chan error, 1)
	go func() { done <- f() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != ws.ErrServerClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// witness is a Handler that notes what happens.
type witness struct {
	opened chan *ws.Conn
	closed chan error
}

func newWitness() *witness { return &witness{make(chan *ws.Conn, 100), make(chan error, 100)} }

func (e *witness) Opened(c *ws.Conn) { e.opened <- c }
func (e *witness) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	c.Write(context.Background(), typ, p)
}
func (e *witness) Closed(c *ws.Conn, err error) { e.closed <- err }

func (e *witness) accept(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) { return e, nil, nil }

func TestServerServesHTTPOnTheSamePort(t *testing.T) {
	leakCheck(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s tls=%v", r.Method, r.RequestURI, body, r.TLS != nil)
	})
	file := string(words(300_000))
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "x.txt", time.Time{}, strings.NewReader(file))
	})
	config := &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
	_, plain := serve(t, &ws.Server{Accept: echoTo(nil), HTTP: mux})
	secure := serveTLS(t, &ws.Server{Accept: echoTo(nil), HTTP: mux, TLSConfig: config})
	for addr, over := range map[string]bool{plain: false, secure: true} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if over {
			nc = tls.Client(nc, &tls.Config{RootCAs: certificate().roots, ServerName: "localhost"})
		}
		// Three ordinary requests on one connection, the first of them pipelined
		// with its neighbour, and larger than one buffer.
		big := strings.Repeat("x", 20_000)
		pad := strings.Repeat("p", 6_000)
		resp, r, _ := exchange(t, nc, "POST /hello HTTP/1.1\r\nHost: x\r\nX-Pad: "+pad+"\r\nContent-Length: 20000\r\n\r\n"+big+
			"GET /hello?2 HTTP/1.1\r\nHost: x\r\n\r\n")
		want := fmt.Sprintf("POST /hello %s tls=%v", big, over)
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != want {
			t.Fatalf("%s, %d bytes", resp.Status, len(body))
		}
		if resp, err = http.ReadResponse(r, nil); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v, %v", resp, err)
		}
		io.Copy(io.Discard, resp.Body)
		resp, _, _ = exchange(t, nc, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != file {
			t.Errorf("/file: %s, %d bytes, %v", resp.Status, len(body), err)
		}
		resp, _, _ = exchange(t, nc, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp.StatusCode != 404 {
			t.Errorf("/none: %s", resp.Status)
		}
		io.Copy(io.Discard, resp.Body)
		// Then the connection becomes a WebSocket, its first frame right behind.
		resp, r, _ = exchange(t, nc, handshakeRequest()+clientFrame(0x81, "first"))
		if resp.StatusCode != 101 {
			t.Fatalf("upgrade after keep-alive: %s", resp.Status)
		}
		expectBytes(t, r, "\x81\x05first")
		io.WriteString(nc, clientFrame(0x81, "second"))
		expectBytes(t, r, "\x81\x06second")
		nc.Close()
	}
}

// A connection that comes by way of net/http is driven by the engine as any other is.
func TestServerSeesThroughItsOwnHTTP(t *testing.T) {
	leakCheck(t)
	e := newWitness()
	_, addr := serve(t, &ws.Server{Accept: e.accept, HTTP: http.NotFoundHandler()})
	_, r, nc := talk(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r.Discard(len("404 page not found\n"))
	exchange(t, nc, handshakeRequest())
	if stream := (<-e.opened).NetConn(); fmt.Sprintf("%T", stream) != "*engine.Conn" {
		t.Errorf("the stream is a %T", stream)
	}
}

func TestServerLeavesLenienceToHTTP(t *testing.T) {
	leakCheck(t)
	_, addr := serve(t, &ws.Server{Accept: echoTo(nil), HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})})
	for _, request := range []string{
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n\n",
	} {
		if resp, _, _ := talk(t, addr, request); resp.StatusCode != 200 {
			t.Errorf("%q: %s", request, resp.Status)
		}
	}
	// What the two could read differently does not become a WebSocket.
	resp, _, _ := talk(t, addr, handshakeRequest("+Host: other.example"))
	if resp.StatusCode != 400 {
		t.Errorf("two hosts: %s", resp.Status)
	}
}

func TestServerBoundsTheHead(t *testing.T) {
	leakCheck(t)
	_, addr := serve(t, &ws.Server{Accept: echoTo(nil), HTTP: http.NotFoundHandler(), MaxHeader: 1000})
	for _, request := range []string{
		handshakeRequest("X-Pad: " + strings.Repeat("x", 100_000)),
		"GET / HTTP/1.1\r\nHost: x\r\nX-Pad: " + strings.Repeat("x", 100_000) + "\r\n\r\n",
	} {
		resp, _, _ := talk(t, addr, request)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 431 || !strings.Contains(string(body), "Server.MaxHeader") {
			t.Errorf("%s, %q", resp.Status, body)
		}
	}
}

func TestServerAcceptDecides(t *testing.T) {
	leakCheck(t)
	var log logBuffer
	srv, raw := serve(t, &ws.Server{Logger: log.logger(), Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		switch r.Path() {
		case "/refusal":
			return nil, nil, fmt.Errorf("wrapped: %w", &ws.Refusal{Status: 401, Body: "who?", Header: http.Header{"Www-Authenticate": {"Basic"}}})
		case "/error":
			return nil, nil, errors.New("secret detail")
		case "/panic":
			panic("oh no")
		case "/exit":
			runtime.Goexit()
		case "/options":
			return newWitness(), &ws.AcceptOptions{Subprotocols: []string{"v1"}, AnyOrigin: true}, nil
		}
		return nil, nil, nil
	}})
	web := httptest.NewUnstartedServer(srv)
	web.Config.ErrorLog = quiet
	web.Start()
	defer web.Close()
	for door, addr := range map[string]string{"raw": raw, "net/http": web.Listener.Addr().String()} {
		for path, want := range map[string]int{"/refusal": 401, "/error": 403, "/none": 404, "/options": 101} {
			resp, _, nc := talk(t, addr, handshakeRequest("GET "+path+" HTTP/1.1", "Origin: http://other.example", "Sec-WebSocket-Protocol: v1"))
			body := ""
			if want != 101 {
				b, _ := io.ReadAll(resp.Body)
				body = string(b)
			}
			if resp.StatusCode != want || strings.Contains(body, "secret") {
				t.Errorf("%s%s: %s, %q", door, path, resp.Status, body)
			}
			if want == 401 && resp.Header.Get("Www-Authenticate") != "Basic" || want == 101 && resp.Header.Get("Sec-WebSocket-Protocol") != "v1" {
				t.Errorf("%s%s: %v", door, path, resp.Header)
			}
			nc.Close()
		}
	}
	resp, _, _ := talk(t, raw, handshakeRequest("GET /panic HTTP/1.1"))
	if got := log.String(); resp.StatusCode != 500 || !strings.Contains(got, "oh no") || !strings.Contains(got, "TestServerAcceptDecides") {
		t.Errorf("panic: %s, logged %q", resp.Status, got)
	}
	resp, _, _ = talk(t, raw, handshakeRequest("GET /exit HTTP/1.1"))
	if got := log.String(); resp.StatusCode != 500 || !strings.Contains(got, "Goexit") {
		t.Errorf("Goexit: %s, logged %q", resp.Status, got)
	}
}

func TestServerWithoutAccept(t *testing.T) {
	leakCheck(t)
	_, addr := serve(t, &ws.Server{HTTP: http.NotFoundHandler()})
	if resp, _, _ := talk(t, addr, handshakeRequest()); resp.StatusCode != 404 {
		t.Errorf("%s", resp.Status)
	}
}

// A listener that is being served already is served on.
func TestServeTwice(t *testing.T) {
	leakCheck(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) { return echoHandler, nil, nil }}
	served := make(chan error, 2)
	for range 2 {
		go func() { served <- s.Serve(ln) }()
	}
	for range 20 {
		c, _, err := ws.Dial(context.Background(), "ws://"+ln.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	}
	s.Close()
	for range 2 {
		if err := await(t, served, "the end of Serve"); !errors.Is(err, ws.ErrServerClosed) {
			t.Error(err)
		}
	}
}
