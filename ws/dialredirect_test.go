//go:build !js

package ws_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// redirector sends /loop to itself, /hop/n to /hop/n-1, and anything else to
// the URL in its query; /end accepts. It notes what it was asked.
func redirector(t testing.TB, seen chan<- *http.Request) *httptest.Server {
	return httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen != nil {
			seen <- r
		}
		var n int
		switch {
		case r.URL.Path == "/end":
			if c, err := ws.Accept(w, r, nil); err == nil {
				c.CloseNow()
			}
		case r.URL.Path == "/nowhere":
			w.WriteHeader(302)
		case r.URL.Path == "/loop":
			w.Header().Set("Location", "/loop")
			w.WriteHeader(302)
		case strings.HasPrefix(r.URL.Path, "/hop/"):
			fmt.Sscanf(r.URL.Path, "/hop/%d", &n)
			next := fmt.Sprintf("%d", n-1)
			if n == 0 {
				next = "/end"
			}
			w.Header().Set("Location", next)
			w.WriteHeader(307)
		default:
			to, _ := url.QueryUnescape(r.URL.RawQuery)
			w.Header().Set("Location", to)
			w.WriteHeader(308)
		}
	}))
}

func TestDialFollowsBoundedRedirects(t *testing.T) {
	leakCheck(t)
	s := redirector(t, nil)
	s.Start()
	defer s.Close()
	addr := s.Listener.Addr().String()
	for _, c := range []struct {
		path   string
		follow int
		status int
		want   string
	}{
		{"/hop/2", 3, 101, ""},
		{"/hop/2", 2, 307, "FollowRedirects is 2"},
		{"/hop/2", 0, 307, "FollowRedirects is off"},
		{"/loop", 10, 302, "FollowRedirects is 10"},
		{"/nowhere", 1, 302, "without a Location"},
		{"/x?ws://" + addr + "/end", 1, 101, ""},
		{"/x?http://" + addr + "/end%23part", 1, 101, ""},
		{"/x?//" + addr + "/end", 1, 101, ""},
		{"/x?ftp://" + addr + "/end", 1, 308, "scheme"},
		{"/x?ws:///end", 1, 308, "host"},
		{"/x?ws://[", 1, 308, "malformed"},
	} {
		conn, resp, err := ws.Dial(testContext(t), "ws://"+addr+c.path, &ws.DialOptions{FollowRedirects: c.follow})
		if conn != nil {
			conn.CloseNow()
		}
		if resp == nil || resp.StatusCode != c.status || (err == nil) != (c.status == 101) {
			t.Errorf("%s: %v, %v", c.path, resp, err)
		} else if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.path, err, c.want)
		}
	}
}

func TestDialDropsCredentialsAcrossHosts(t *testing.T) {
	leakCheck(t)
	seen := make(chan *http.Request, 10)
	s := redirector(t, seen)
	s.Start()
	defer s.Close()
	addr := s.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	jar, _ := cookiejar.New(nil)
	jar.SetCookies(&url.URL{Scheme: "http", Host: "first.example:" + port, Path: "/"}, []*http.Cookie{{Name: "jar", Value: "first"}})
	jar.SetCookies(&url.URL{Scheme: "http", Host: "second.example:" + port, Path: "/"}, []*http.Cookie{{Name: "jar", Value: "second"}})
	o := &ws.DialOptions{
		Header: http.Header{"cookie": {"own=secret"}, "X-Api": {"kept"}, "Proxy-Authorization": {"secret"}},
		Host:   "virtual.example",
		Jar:    jar,
		Proxy:  noProxy,
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
		FollowRedirects: 5,
	}
	// To itself, then to another host, then back.
	target := "ws://user:pw@first.example:" + port + "/a?/b?http://second.example:" + port + "/c?http://first.example:" + port + "/end"
	c, _, err := ws.Dial(testContext(t), target, o)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	for i, want := range []struct{ host, cookie string }{
		{"virtual.example", "own=secret; jar=first"},
		{"virtual.example", "own=secret; jar=first"},
		{"second.example:" + port, "jar=second"},
		{"first.example:" + port, "jar=first"},
	} {
		r := <-seen
		mine := i < 2
		if r.Host != want.host || r.Header.Get("Cookie") != want.cookie || (r.Header.Get("Authorization") != "") != mine ||
			(r.Header.Get("Proxy-Authorization") != "") != mine || r.Header.Get("X-Api") != "kept" {
			t.Errorf("request %d: host %s, %v", i, r.Host, r.Header)
		}
	}
	if o.Header.Get("X-Api") == "" || len(o.Header) != 3 {
		t.Error("the caller's Header was changed")
	}
}

func TestDialNeverFollowsFromTLSToPlain(t *testing.T) {
	leakCheck(t)
	plain := redirector(t, nil)
	plain.Start()
	defer plain.Close()
	secure := redirector(t, nil)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
	secure.StartTLS()
	defer secure.Close()
	from := secure.Listener.Addr().String()
	o := &ws.DialOptions{TLSConfig: &tls.Config{RootCAs: certificate().roots}, FollowRedirects: 5}
	for _, scheme := range []string{"ws", "http"} {
		_, resp, err := ws.Dial(testContext(t), "wss://"+from+"/x?"+scheme+"://"+plain.Listener.Addr().String()+"/end", o)
		if err == nil || resp == nil || !strings.Contains(err.Error(), "from wss to ws") {
			t.Errorf("%s: %v, %v", scheme, resp, err)
		}
	}
	// The other way is fine.
	c, _, err := ws.Dial(testContext(t), "ws://"+plain.Listener.Addr().String()+"/x?https://"+from+"/end", o)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
}

func TestDialStaysOnItsUnixSocket(t *testing.T) {
	addr := scripted(t, func(_ *http.Request, nc net.Conn) {
		io.WriteString(nc, "HTTP/1.1 302 Found\r\nLocation: ws://other.example/\r\nContent-Length: 0\r\n\r\n")
	})
	_, resp, err := ws.Dial(testContext(t), "ws://backend/", &ws.DialOptions{
		UnixSocket:      "/some/path",
		FollowRedirects: 1,
		NetDial: func(ctx context.Context, network, path string) (net.Conn, error) {
			if network != "unix" || path != "/some/path" {
				t.Errorf("dialled %s %s", network, path)
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
	})
	if err == nil || resp == nil || !strings.Contains(err.Error(), "UnixSocket") {
		t.Errorf("%v, %v", resp, err)
	}
}
