//go:build !js

package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/compat/websocket"
)

// site answers each handshake, and then sends back the request as its first
// message.
func site(t *testing.T, u *websocket.Upgrader, secure bool) (*httptest.Server, string) {
	t.Helper()
	leakCheck(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, http.Header{"Set-Cookie": {"seen=yes; Path=/"}})
		if err != nil {
			return
		}
		defer c.Close()
		c.WriteJSON(map[string]any{"host": r.Host, "uri": r.RequestURI, "header": r.Header})
		echo(c)
	}))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s, "ws" + strings.TrimPrefix(s.URL, "http")
}

type seen struct {
	Host, URI string
	Header    http.Header
}

func dialSeen(t *testing.T, d *websocket.Dialer, url string, h http.Header) (*websocket.Conn, *http.Response, seen) {
	t.Helper()
	c, resp, err := d.Dial(url, h)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(patience))
	var s seen
	if err := c.ReadJSON(&s); err != nil {
		t.Fatal(err)
	}
	return c, resp, s
}

func TestDialSendsTheHeader(t *testing.T) {
	_, url := site(t, &websocket.Upgrader{Subprotocols: []string{"b"}}, false)
	h := http.Header{"Host": {"other.example"}, "X-Own": {"1", "2"}, "Sec-Websocket-Protocol": {"a, b"}}
	c, resp, s := dialSeen(t, &websocket.Dialer{}, url+"/path?q=1#fragment", h)
	if s.Host != "other.example" || s.URI != "/path?q=1" || strings.Join(s.Header["X-Own"], "") != "12" || c.Subprotocol() != "b" || resp.StatusCode != 101 {
		t.Fatalf("the server saw %+v, subprotocol %q, response %s", s, c.Subprotocol(), resp.Status)
	}
	if p, err := io.ReadAll(resp.Body); len(p) > 0 || err != nil {
		t.Fatalf("the response's body: %q, %v", p, err)
	}
	mustWrite(t, c, websocket.TextMessage, []byte("hi"))
	mustRead(t, c, websocket.TextMessage, []byte("hi"))
}

func TestDialRefusesHeaders(t *testing.T) {
	for _, name := range []string{"Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		d := websocket.Dialer{Subprotocols: []string{"x"}}
		if _, _, err := d.Dial("ws://127.0.0.1:1/", http.Header{name: {"x"}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDialRefusesURLs(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1/", "127.0.0.1", "ws://user:secret@127.0.0.1/", "ws://", ":"} {
		if _, _, err := websocket.DefaultDialer.Dial(url, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestDialBadHandshake(t *testing.T) {
	leakCheck(t)
	for name, h := range map[string]http.HandlerFunc{
		"404": func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"101": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(101)
		},
	} {
		s := httptest.NewServer(h)
		_, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
		if err != websocket.ErrBadHandshake || resp == nil || !strings.HasPrefix(resp.Status, name) {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
		if p, err := io.ReadAll(resp.Body); name == "404" && (string(p) != "404 page not found\n" || err != nil) {
			t.Errorf("the response's body: %q, %v", p, err)
		}
		s.Close()
	}
}

func TestDialJar(t *testing.T) {
	_, url := site(t, &websocket.Upgrader{}, false)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &websocket.Dialer{Jar: jar}
	dialSeen(t, d, url, nil)
	if _, _, s := dialSeen(t, d, url, nil); s.Header.Get("Cookie") != "seen=yes" {
		t.Fatalf("the server saw the cookie %q", s.Header.Get("Cookie"))
	}
}

func TestDialTLS(t *testing.T) {
	server, target := site(t, &websocket.Upgrader{}, true)
	config := server.Client().Transport.(*http.Transport).TLSClientConfig
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := (&websocket.Dialer{}).Dial(target, nil); err == nil {
		t.Fatal("dialled a server whose certificate nobody signed")
	}
	own := func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
	}
	asked := ""
	for _, d := range []*websocket.Dialer{
		{TLSClientConfig: config},
		{NetDialTLSContext: own, Jar: jar, Proxy: func(r *http.Request) (*url.URL, error) { asked = r.URL.String(); return nil, nil }},
	} {
		c, _, s := dialSeen(t, d, target+"/x", nil)
		if s.Host != server.Listener.Addr().String() {
			t.Errorf("the server saw the host %q", s.Host)
		}
		if _, ok := c.NetConn().(*tls.Conn); !ok {
			t.Errorf("NetConn is a %T", c.NetConn())
		}
		c.SetWriteDeadline(time.Now().Add(patience))
		mustWrite(t, c, websocket.BinaryMessage, random(200_000))
		mustRead(t, c, websocket.BinaryMessage, random(200_000))
		c.Close()
	}
	if asked != server.URL+"/x" {
		t.Errorf("Proxy was asked about %q", asked)
	}
	secure, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if cs := jar.Cookies(secure); len(cs) != 1 || cs[0].Name != "seen" {
		t.Errorf("the jar holds %v for %s", cs, server.URL)
	}
}

func TestDialFunctions(t *testing.T) {
	server, _ := site(t, &websocket.Upgrader{}, false)
	addr := server.Listener.Addr().String()
	mine := errors.New("mine")
	var got string
	plain := func(network, a string) (net.Conn, error) { got = network + " " + a; return net.Dial("tcp", addr) }
	withContext := func(ctx context.Context, network, a string) (net.Conn, error) {
		got = "ctx " + network + " " + a
		return net.Dial("tcp", addr)
	}
	dialSeen(t, &websocket.Dialer{NetDial: plain}, "ws://far.example/x", nil)
	if got != "tcp far.example:80" {
		t.Errorf("NetDial was asked for %q", got)
	}
	dialSeen(t, &websocket.Dialer{NetDial: plain, NetDialContext: withContext}, "ws://far.example:99/x", nil)
	if got != "ctx tcp far.example:99" {
		t.Errorf("NetDialContext was asked for %q", got)
	}
	for name, d := range map[string]*websocket.Dialer{
		"NetDial":           {NetDial: func(string, string) (net.Conn, error) { return nil, mine }},
		"NetDialContext":    {NetDialContext: func(context.Context, string, string) (net.Conn, error) { return nil, mine }},
		"NetDialTLSContext": {NetDialTLSContext: func(context.Context, string, string) (net.Conn, error) { return nil, mine }},
		"Proxy":             {Proxy: func(*http.Request) (*url.URL, error) { return nil, mine }},
	} {
		if _, _, err := d.Dial("wss://far.example/", nil); err != mine {
			t.Errorf("%s: %v, want its own error", name, err)
		}
	}
}

func TestDialTimesOut(t *testing.T) {
	leakCheck(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	url := "ws://" + ln.Addr().String()
	d := websocket.Dialer{HandshakeTimeout: time.Millisecond}
	if _, resp, err := d.Dial(url, nil); !errors.Is(err, context.DeadlineExceeded) || resp != nil {
		t.Fatalf("HandshakeTimeout: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := new(websocket.Dialer).DialContext(ctx, url, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("a context that has ended: %v", err)
	}
}

// proxy is an HTTP proxy that only CONNECTs, for who knows the password.
func proxy(t *testing.T) (addr string, targets func() []string) {
	var mu sync.Mutex
	var list []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", r.Header.Get("Proxy-Authorization"))
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		mu.Lock()
		list = append(list, r.Method+" "+r.Host)
		mu.Unlock()
		out, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		done := make(chan struct{})
		go func() {
			io.Copy(out, in)
			out.Close()
			close(done)
		}()
		io.Copy(in, out)
		in.Close()
		<-done
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

func TestDialThroughAProxy(t *testing.T) {
	server, target := site(t, &websocket.Upgrader{}, false)
	addr, targets := proxy(t)
	d := &websocket.Dialer{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: addr, User: url.UserPassword("me", "secret")})}
	c, _, _ := dialSeen(t, d, target, nil)
	mustWrite(t, c, websocket.BinaryMessage, random(100_000))
	mustRead(t, c, websocket.BinaryMessage, random(100_000))
	c.Close()
	if got := targets(); len(got) != 1 || got[0] != "CONNECT "+server.Listener.Addr().String() {
		t.Fatalf("the proxy saw %q", got)
	}
	d.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: addr})
	if _, resp, err := d.Dial(target, nil); err == nil || resp != nil || !strings.Contains(err.Error(), "Proxy Authentication Required") {
		t.Fatalf("without the password: %v, %v", resp, err)
	}
}

func TestNewClient(t *testing.T) {
	server, target := site(t, &websocket.Upgrader{}, false)
	nc, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(target + "/new")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := websocket.NewClient(nc, u, http.Header{"X-Own": {"1"}}, 1024, 1024)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var s seen
	if err := c.ReadJSON(&s); err != nil || s.URI != "/new" || s.Header.Get("X-Own") != "1" {
		t.Fatalf("the server saw %+v, %v", s, err)
	}
	if c.NetConn() != nc {
		t.Fatal("the connection is another one")
	}
}

func TestNilDialer(t *testing.T) {
	_, target := site(t, &websocket.Upgrader{}, false)
	var d *websocket.Dialer
	dialSeen(t, d, target, nil)
}
