//go:build !js

package ws_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// What DialOptions.Wrap returns sees the handshake, what comes with it and what follows, in plain text over TLS too.
func TestDialWrapSeesAll(t *testing.T) {
	for _, secure := range []bool{false, true} {
		leakCheck(t)
		s := httptest.NewUnstartedServer(ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
			if err := c.Write(ctx, ws.Text, []byte("at once")); err != nil {
				return err
			}
			return echo(c)
		}, nil))
		s.Config.ErrorLog = quiet
		scheme := "ws://"
		if secure {
			s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
			s.StartTLS()
			scheme = "wss://"
		} else {
			s.Start()
		}
		var w *overheard
		c, resp, err := ws.Dial(testContext(t), scheme+s.Listener.Addr().String()+"/x", &ws.DialOptions{
			TLSConfig: &tls.Config{RootCAs: certificate().roots},
			Wrap: func(nc net.Conn) net.Conn {
				w = &overheard{Conn: nc}
				return w
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if (resp.TLS != nil) != secure {
			t.Errorf("secure %v: the response's TLS is %v", secure, resp.TLS)
		}
		if _, p := mustRead(t, c); string(p) != "at once" {
			t.Errorf("read %q", p)
		}
		if err := c.Write(testContext(t), ws.Text, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		if _, p := mustRead(t, c); string(p) != "hi" {
			t.Errorf("read %q", p)
		}
		c.CloseNow()
		in, out := w.heard()
		if !strings.HasPrefix(in, "HTTP/1.1 101 ") || !strings.HasSuffix(in, "\r\n\r\n\x81\x07at once\x81\x02hi") {
			t.Errorf("in: %q", in)
		}
		if head, frames, ok := strings.Cut(out, "\r\n\r\n"); !ok || !strings.HasPrefix(head, "GET /x HTTP/1.1\r\nHost: ") || !strings.HasPrefix(frames, "\x81\x82") {
			t.Errorf("out: %q", out)
		}
		s.Close()
	}
}

// A refusal is seen too, and a redirect's connections are each wrapped.
func TestDialWrapOfEachConnection(t *testing.T) {
	leakCheck(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			http.Redirect(w, r, "/b", http.StatusFound)
			return
		}
		http.Error(w, "not here", http.StatusForbidden)
	}))
	defer s.Close()
	var all []*overheard
	_, resp, err := ws.Dial(testContext(t), s.URL+"/a", &ws.DialOptions{FollowRedirects: 1, Wrap: func(nc net.Conn) net.Conn {
		all = append(all, &overheard{Conn: nc})
		return all[len(all)-1]
	}})
	if err == nil || resp.StatusCode != http.StatusForbidden || len(all) != 2 {
		t.Fatalf("%v, %d connections", err, len(all))
	}
	for i, want := range []string{"HTTP/1.1 302 ", "HTTP/1.1 403 "} {
		if in, _ := all[i].heard(); !strings.HasPrefix(in, want) {
			t.Errorf("connection %d: %q", i, in)
		}
	}
}

// A Wrap that panics leaves no stream open, and one that returns nil the stream as it is.
func TestDialWrapPanics(t *testing.T) {
	leakCheck(t)
	s := httptest.NewServer(ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error { return echo(c) }, nil))
	defer s.Close()
	var stream net.Conn
	func() {
		defer func() {
			if recover() != "no" {
				t.Error("the panic went nowhere")
			}
		}()
		ws.Dial(testContext(t), s.URL, &ws.DialOptions{Wrap: func(nc net.Conn) net.Conn { stream = nc; panic("no") }})
	}()
	if _, err := stream.Write([]byte("x")); err == nil {
		t.Error("the stream is open")
	}
	c, _, err := ws.Dial(testContext(t), s.URL, &ws.DialOptions{Wrap: func(net.Conn) net.Conn { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if c.NetConn() == nil {
		t.Error("there is no stream")
	}
	c.CloseNow()
	if _, _, err := ws.Dial(testContext(t), s.URL, &ws.DialOptions{HTTPClient: http.DefaultClient, Wrap: func(nc net.Conn) net.Conn { return nc }}); err == nil || !strings.Contains(err.Error(), "and Wrap") {
		t.Errorf("with an HTTPClient: %v", err)
	}
}
