//go:build !js

package tunnel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server whose WebSockets say what they hear.
func echo(t *testing.T, o *ws.AcceptOptions, wrap func(http.Handler) http.Handler) (*tunnel.Tunnel, *httptest.Server) {
	t.Helper()
	s := &ws.Server{Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
			if string(p) == "bye" {
				c.Close(4321, "as you wish")
				return
			}
			c.Write(context.Background(), typ, p)
		}), o, nil
	}}
	tun := &tunnel.Tunnel{Next: s}
	var h http.Handler = tun
	if wrap != nil {
		h = wrap(h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		server.Close()
		if n := tun.Len(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
	return tun, server
}

// dial opens a WebSocket through a tunnel.
func dial(t *testing.T, server *httptest.Server, o ws.DialOptions) (*ws.Conn, error) {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	o.NetDial = tunnel.Dialer{URL: server.URL, Client: &http.Client{Transport: transport}}.DialContext
	c, _, err := ws.Dial(t.Context(), "ws://anywhere/", &o)
	if err == nil {
		t.Cleanup(func() { c.CloseNow() })
	}
	return c, err
}

func TestEcho(t *testing.T) {
	_, server := echo(t, &ws.AcceptOptions{Subprotocols: []string{"chat"}}, nil)
	c, err := dial(t, server, ws.DialOptions{Subprotocols: []string{"other", "chat"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Subprotocol() != "chat" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	for _, size := range []int{0, 1, 125, 126, 65_536, 300_000} {
		want := bytes.Repeat([]byte{'x'}, size)
		if err := c.Write(t.Context(), ws.Binary, want); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	c.Write(t.Context(), ws.Text, []byte("bye"))
	_, _, err = c.Read(t.Context())
	if ce := new(ws.CloseError); !errors.As(err, &ce) || ce.Code != 4321 || ce.Reason != "as you wish" || ce.By != ws.Peer {
		t.Errorf("ended with %v", err)
	}
}

// Messages that are written faster than posts are made keep their order, also when
// answers to posts are lost and posts come late.
func TestOrderOverABadNetwork(t *testing.T) {
	var posts, lost, late atomic.Int64
	bad := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if !bytes.HasPrefix(body, []byte("post")) {
				next.ServeHTTP(w, r)
				return
			}
			switch posts.Add(1) % 4 {
			case 0: // the answer
				next.ServeHTTP(httptest.NewRecorder(), r)
				lost.Add(1)
				panic(http.ErrAbortHandler)
			case 1: // the post
				late.Add(1)
				w.WriteHeader(http.StatusServiceUnavailable)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
	_, server := echo(t, nil, bad)
	c, err := dial(t, server, ws.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 300
	go func() {
		for i := range n {
			c.Write(context.Background(), ws.Text, fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", i*10)))
			if i%3 == 0 { // the others go together
				time.Sleep(3 * time.Millisecond)
			}
		}
	}()
	for i := range n {
		_, got, err := c.Read(t.Context())
		if want := fmt.Sprintf("%d %s", i, strings.Repeat("x", i*10)); err != nil || string(got) != want {
			t.Fatalf("message %d: got %.20q, %v", i, got, err)
		}
	}
	t.Logf("answers lost: %d, posts refused: %d", lost.Load(), late.Load())
	if lost.Load() == 0 || late.Load() == 0 {
		t.Error("too little went wrong")
	}
}

// What Next refuses is refused, and rules about origins hold.
func TestRefusals(t *testing.T) {
	_, server := echo(t, &ws.AcceptOptions{Origins: []string{"https://good.example"}}, nil)
	post := func(body, origin string) *http.Response {
		r, _ := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(body))
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for _, tc := range []struct {
		body, origin string
		status       int
	}{
		{"open \n", "https://evil.example", http.StatusForbidden},
		{"open \n", "", http.StatusOK},
		{"open \n", "https://good.example", http.StatusOK},
		{"open", "", http.StatusBadRequest},
		{"open a b\n", "", http.StatusBadRequest},
		{"", "", http.StatusBadRequest},
		{"post \n", "", http.StatusBadRequest},
		{"post x 0\n", "", http.StatusBadRequest},
		{"post x -1\n", "", http.StatusBadRequest},
		{"post x 1\n", "", http.StatusNotFound},
		{strings.Repeat("x", 300_000), "", http.StatusRequestEntityTooLarge},
	} {
		resp := post(tc.body, tc.origin)
		if resp.StatusCode != tc.status {
			t.Errorf("%.20q from %q: got %s, want %d", tc.body, tc.origin, resp.Status, tc.status)
		}
		if allowed := resp.Header.Get("Access-Control-Allow-Origin"); allowed != "" && (tc.status != 200 || allowed != tc.origin) {
			t.Errorf("%q may see the answer of %d", allowed, tc.status)
		}
		resp.Body.Close()
	}
	resp, err := http.Get(server.URL)
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v, %v", resp, err)
	}
	resp.Body.Close()
}

// A post is taken once, and none before its turn.
func TestPosts(t *testing.T) {
	tun, server := echo(t, nil, nil)
	resp, err := http.Post(server.URL, "", strings.NewReader("open \n\x81\x80\x00\x00\x00\x00")) // with an empty message
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1024)
	n, _ := io.ReadAtLeast(resp.Body, line, 30)
	secret := strings.Fields(string(line[:n]))[0]
	for _, tc := range []struct {
		n      uint64
		status int
	}{{2, 409}, {1, 204}, {1, 204}, {3, 409}, {2, 204}, {1, 204}, {3, 204}} {
		if status := tun.Post(secret, tc.n, fmt.Appendf(nil, "\x81\x81\x00\x00\x00\x00%d", tc.n)); status != tc.status {
			t.Errorf("post %d: %d, want %d", tc.n, status, tc.status)
		}
	}
	want := "\x81\x00\x81\x011\x81\x012\x81\x013"
	got := make([]byte, len(want))
	rest := io.MultiReader(bytes.NewReader(line[strings.IndexByte(string(line[:n]), '\n')+1:n]), resp.Body)
	if _, err := io.ReadFull(rest, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	resp.Body.Close() // the client goes
	for end := time.Now().Add(10 * time.Second); tun.Len() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection is still there")
		}
	}
	if status := tun.Post(secret, 4, nil); status != 404 {
		t.Errorf("a post to a connection that has ended: %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Posts for others' connections are forwarded to their node.
func TestForward(t *testing.T) {
	a, serverA := echo(t, nil, nil)
	b, serverB := echo(t, nil, nil)
	a.Node, b.Node = "a", "b"
	b.Forward = func(_ context.Context, secret string, n uint64, body []byte) int {
		if !strings.HasPrefix(secret, "a.") {
			return 503
		}
		return a.Post(secret, n, body)
	}
	transport := &turned{open: serverA.URL, post: serverB.URL}
	t.Cleanup(transport.CloseIdleConnections)
	d := tunnel.Dialer{URL: "http://both/", Client: &http.Client{Transport: transport}}
	c, _, err := ws.Dial(t.Context(), "ws://both/", &ws.DialOptions{NetDial: d.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for i := range 10 {
		c.Write(t.Context(), ws.Text, fmt.Appendf(nil, "%d", i))
		if _, got, err := c.Read(t.Context()); err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if a.Len() != 1 || b.Len() != 0 {
		t.Errorf("%d and %d connections", a.Len(), b.Len())
	}
	for secret, want := range map[string]int{"c.x": 503, "b.x": 404, "a.x": 404} {
		r, _ := http.NewRequest(http.MethodPost, serverB.URL, strings.NewReader("post "+secret+" 1\n"))
		r.Header.Set("Origin", "https://page.example")
		resp, err := http.DefaultClient.Do(r)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: %v, %v; want %d", secret, resp.Status, err, want)
		}
		if allowed := resp.Header.Get("Access-Control-Allow-Origin"); allowed != "https://page.example" {
			t.Errorf("a page of another origin does not see what became of its post: %q", allowed)
		}
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

// turned sends opening requests to one server and posts to another.
type turned struct {
	http.Transport
	open, post string
}

func (t *turned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	to := t.post
	if bytes.HasPrefix(body, []byte("open")) {
		to = t.open
	}
	g, err := http.NewRequestWithContext(r.Context(), r.Method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return t.Transport.RoundTrip(g)
}

// A server that has no time for slow clients: of the deadlines that net/http was given, none holds for the
// connection, which has its own.
func TestServerDeadlines(t *testing.T) {
	s := &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) { c.Write(context.Background(), typ, p) }), nil, nil
	}}
	server := httptest.NewUnstartedServer(&tunnel.Tunnel{Next: s})
	server.Config.ReadTimeout, server.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	server.Start()
	t.Cleanup(func() {
		s.Close()
		server.Close()
	})
	c, err := dial(t, server, ws.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	c.Write(t.Context(), ws.Text, []byte("still here"))
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A body that does not come is waited for as long as Timeout, and then the connection is closed, whatever length the head said.
func TestBodyThatDoesNotCome(t *testing.T) {
	tun, server := echo(t, nil, nil)
	tun.Timeout = 50 * time.Millisecond
	for _, head := range []string{"Content-Length: 1000\r\n\r\nopen", "Content-Length: 200000\r\n\r\nopen", "Transfer-Encoding: chunked\r\n\r\n9\r\nopen"} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\n%s", head)
		if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
			t.Errorf("%q: %q, %v", head, answer, err)
		}
	}
}

// A client that does not read is the connection's to give up, and holds nobody up.
func TestClientThatDoesNotRead(t *testing.T) {
	tun, server := echo(t, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteTimeout: 300 * time.Millisecond, CloseTimeout: 300 * time.Millisecond, WriteQueue: 1 << 20}}, nil)
	resp, err := http.Post(server.URL, "", strings.NewReader("open \n"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line := make([]byte, 1024)
	n, _ := io.ReadAtLeast(resp.Body, line, 20)
	secret := strings.Fields(string(line[:n]))[0]
	message := append([]byte("\x82\xff\x00\x00\x00\x00\x00\x03\x0d\x40\x00\x00\x00\x00"), make([]byte, 200_000)...)
	for i := uint64(1); tun.Post(secret, i, message) == 204; i++ {
		if i > 1000 {
			t.Fatal("200 MB were taken")
		}
	}
	for end := time.Now().Add(10 * time.Second); tun.Len() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection is still there")
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
