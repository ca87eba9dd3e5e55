//go:build !js

package ws_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// wrapped is a ResponseWriter as a good middleware makes it, hidden one that
// hides Hijack.
type (
	wrapped struct{ http.ResponseWriter }
	hidden  struct{ w http.ResponseWriter }
)

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w wrapped) Hijack()                     {} // not the method that counts

func (h hidden) Header() http.Header         { return h.w.Header() }
func (h hidden) Write(p []byte) (int, error) { return h.w.Write(p) }
func (h hidden) WriteHeader(code int)        { h.w.WriteHeader(code) }

func TestAcceptThroughMiddleware(t *testing.T) {
	errs := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wrapped":
			w = wrapped{wrapped{w}}
		case "/hidden":
			w = wrapped{hidden{w}}
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		c, err := ws.Accept(w, r, nil)
		errs <- err
		if err == nil {
			c.CloseNow()
		}
	}))
	defer s.Close()
	addr := s.Listener.Addr().String()

	resp, _, _ := talk(t, addr, handshakeRequest("GET /wrapped HTTP/1.1"))
	if err := <-errs; err != nil || resp.StatusCode != 101 || resp.Header.Get("Set-Cookie") != "session=1" {
		t.Errorf("wrapped: %s, %v, %v", resp.Status, resp.Header, err)
	}
	resp, _, _ = talk(t, addr, handshakeRequest("GET /hidden HTTP/1.1"))
	err := <-errs
	var ref *ws.Refusal
	if resp.StatusCode != 501 || !errors.As(err, &ref) || !strings.Contains(err.Error(), "ws_test.hidden has neither Hijack nor Unwrap") {
		t.Errorf("hidden: %s, %v", resp.Status, err)
	}
}

func TestAcceptExplainsHTTP2(t *testing.T) {
	errs := make(chan error, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := ws.Accept(w, r, nil)
		errs <- err
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	resp, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err := <-errs; err == nil || resp.ProtoMajor != 2 || resp.StatusCode != 505 || !strings.Contains(string(body), "HTTP/2") {
		t.Errorf("%s %s: %q, %v", resp.Proto, resp.Status, body, err)
	}
}

// hijackable is a ResponseWriter over a connection in memory.
type hijackable struct {
	header http.Header
	nc     net.Conn
	brw    *bufio.ReadWriter
}

func (w *hijackable) Header() http.Header         { return w.header }
func (w *hijackable) Write(p []byte) (int, error) { return len(p), nil }
func (w *hijackable) WriteHeader(int)             {}
func (w *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, w.brw, nil
}

// recorded is a net.Conn in memory: it gives what it was made with, notes the
// last deadline, and takes everything.
type recorded struct {
	in       bytes.Reader
	out      bytes.Buffer
	deadline time.Time
	closed   bool
}

func (c *recorded) Read(p []byte) (int, error) { return c.in.Read(p) }
func (c *recorded) Write(p []byte) (int, error) {
	if c.out.Len() < 1<<10 { // or it would count as allocations
		c.out.Write(p)
	}
	return len(p), nil
}
func (c *recorded) Close() error                       { c.closed = true; return nil }
func (c *recorded) LocalAddr() net.Addr                { return textAddr("local") }
func (c *recorded) RemoteAddr() net.Addr               { return textAddr("remote") }
func (c *recorded) SetDeadline(t time.Time) error      { c.deadline = t; return nil }
func (c *recorded) SetReadDeadline(t time.Time) error  { c.deadline = t; return nil }
func (c *recorded) SetWriteDeadline(t time.Time) error { c.deadline = t; return nil }

type textAddr string

func (a textAddr) Network() string { return "memory" }
func (a textAddr) String() string  { return string(a) }

func TestAcceptClearsTheDeadlinesOfTheServer(t *testing.T) {
	nc := &recorded{deadline: time.Unix(1, 0)}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshakeRequest())))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ws.Accept(&hijackable{http.Header{}, nc, nil}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !nc.deadline.IsZero() {
		t.Errorf("the deadline is %v", nc.deadline)
	}
	c.CloseNow()
	if !nc.closed {
		t.Error("CloseNow left the connection open")
	}
}

func BenchmarkAccept(b *testing.B) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshakeRequest())))
	if err != nil {
		b.Fatal(err)
	}
	w := &hijackable{header: http.Header{}, nc: &recorded{}}
	b.ReportAllocs()
	for b.Loop() {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			b.Fatal(err)
		}
		c.CloseNow()
	}
}
