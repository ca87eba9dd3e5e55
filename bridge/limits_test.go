package bridge_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// TestMaxConnections has more clients come than there is room for, and one go.
func TestMaxConnections(t *testing.T) {
	t.Run("ws", func(t *testing.T) {
		rule := pairRule(t, "ws", echo(t, "tcp"))
		rule.MaxConnections = 2
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		first := dialWS(t, where)
		dialWS(t, where)
		_, resp, err := tryWS(where, ws.DialOptions{})
		if err == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Fatal(err)
		}
		first.Close(ws.StatusNormalClosure, "")
		eventually(t, "there is room again", func() bool { return b.Open() == 1 })
		dialWS(t, where)
		if s := b.Stats()[0]; s.RefusedLimit != 1 || s.Accepted != 3 {
			t.Fatalf("%+v", s)
		}
	})
	t.Run("tcp", func(t *testing.T) {
		rule := pairRule(t, "tcp", echo(t, "tcp"))
		rule.MaxConnections = 1
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		first := dialStream(t, where)
		first.Write([]byte("x"))
		first.Read(make([]byte, 1))
		second, err := net.Dial("tcp", b.Addr(0).String())
		if err == nil { // otherwise the reset was quicker than we
			defer second.Close()
			second.SetReadDeadline(time.Now().Add(patience))
			_, err = second.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		first.(halfCloser).CloseWrite()
		eventually(t, "there is room again", func() bool { return b.Open() == 0 })
		said(t, dialStream(t, where))
	})
	t.Run("udp", func(t *testing.T) {
		rule := pairRule(t, "udp", echo(t, "udp"))
		rule.MaxConnections = 1
		rule.Idle = 2 * time.Second
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		answers := func(c net.Conn) bool {
			c.Write([]byte("x"))
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			return err == nil
		}
		first, second := dialStream(t, where), dialStream(t, where)
		eventually(t, "the first has an answer", func() bool { return answers(first) })
		if answers(second) {
			t.Fatal("so has the second")
		}
		eventually(t, "the second is refused", func() bool { s := b.Stats()[0]; return s.RefusedLimit > 0 && s.Dropped > 0 })
		eventually(t, "the second takes the place of the first", func() bool { return answers(second) })
	})
	t.Run("an address", func(t *testing.T) {
		rule := pairRule(t, "ws", echo(t, "tcp"))
		rule.MaxAddressConnections = 1
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		dialWS(t, where)
		if _, resp, err := tryWS(where, ws.DialOptions{}); err == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatal(err)
		}
		other := ws.DialOptions{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(ctx, network, addr)
		}}
		c, _, err := tryWS(where, other)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	})
}

// TestIdle has a connection on which nothing passes, though pings do.
func TestIdle(t *testing.T) {
	for _, front := range []string{"ws", "tcp"} {
		t.Run(front, func(t *testing.T) {
			rule := pairRule(t, front, echo(t, "tcp"))
			rule.Idle = 300 * time.Millisecond
			b := run(t, rule)
			began := time.Now()
			if front == "ws" {
				c := dialWS(t, b.at(0, rule.Listen))
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				go func() {
					for ctx.Err() == nil {
						c.Ping(ctx)
						time.Sleep(10 * time.Millisecond) // within ControlRate
					}
				}()
				_, _, err := c.Read(within(t))
				var closed *ws.CloseError
				if !errors.As(err, &closed) || closed.Code != ws.StatusGoingAway || !strings.Contains(closed.Reason, "(Idle): 300ms") {
					t.Fatal(err)
				}
			} else {
				_, err := dialStream(t, b.at(0, rule.Listen)).Read(make([]byte, 1))
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Fatal(err)
				}
			}
			if d := time.Since(began); d < 300*time.Millisecond {
				t.Fatalf("ended after %v", d)
			}
			b.settled()
		})
		t.Run("not idle, "+front, func(t *testing.T) {
			t.Parallel()
			rule := pairRule(t, front, echo(t, "tcp"))
			rule.Idle = 3 * time.Second
			b := run(t, rule)
			var c io.ReadWriter
			if front == "ws" {
				c = ws.NetConn(within(t), dialWS(t, b.at(0, rule.Listen)), ws.Binary)
			} else {
				c = dialStream(t, b.at(0, rule.Listen))
			}
			for began := time.Now(); time.Since(began) < 4*time.Second; {
				if _, err := c.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestTotal has a connection that is busy all the time.
func TestTotal(t *testing.T) {
	rule := pairRule(t, "tcp", echo(t, "tcp"))
	rule.Total = 300 * time.Millisecond
	b := run(t, rule)
	c := dialStream(t, b.at(0, rule.Listen))
	began := time.Now()
	var err error
	for p := []byte("x"); err == nil; {
		if _, err = c.Write(p); err == nil {
			_, err = c.Read(p)
		}
	}
	if d := time.Since(began); d < 300*time.Millisecond || d > patience/2 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("ended after %v: %v", d, err)
	}
	b.settled()
}

// TestShutdown has relays go on until the time is up.
func TestShutdown(t *testing.T) {
	rule := pairRule(t, "ws", echo(t, "tcp"))
	b := run(t, rule)
	where := b.at(0, rule.Listen)
	stays, goes := dialWS(t, where), dialWS(t, where)
	eventually(t, "both are in", func() bool { return b.Open() == 2 })
	ctx, cancel := context.WithCancel(context.Background())
	down := make(chan error, 1)
	go func() { down <- b.Shutdown(ctx) }()
	eventually(t, "nobody is let in", func() bool {
		_, _, err := tryWS(where, ws.DialOptions{})
		return err != nil
	})
	goes.Write(within(t), ws.Binary, []byte("x"))
	if _, p, err := goes.Read(within(t)); string(p) != "x" {
		t.Fatal(err)
	}
	goes.Close(ws.StatusNormalClosure, "")
	eventually(t, "one is left", func() bool { return b.Open() == 1 })
	cancel()
	if _, _, err := stays.Read(within(t)); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Fatal(err)
	}
	if err := <-down; err != context.Canceled {
		t.Fatal(err)
	}
}

// TestFlood has many come at once, who never say anything or leave at any time.
func TestFlood(t *testing.T) {
	var most, now atomic.Int64
	target := streamTarget(t, "tcp", func(conn halfCloser) {
		n := now.Add(1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		io.Copy(io.Discard, conn)
		now.Add(-1)
	})
	web, plain := pairRule(t, "ws", target), pairRule(t, "tcp", target)
	web.MaxConnections, plain.MaxConnections = 20, 20
	b := run(t, web, plain)
	where, stream := b.at(0, web.Listen), b.at(1, plain.Listen)
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			for i := range 10 {
				if i%2 == 0 {
					conn, err := net.Dial("tcp", strings.TrimPrefix(stream.String(), "tcp:"))
					if err == nil {
						conn.Write([]byte("x"))
						conn.Close()
					}
				} else if c, _, err := tryWS(where, ws.DialOptions{}); err == nil {
					c.Write(context.Background(), ws.Binary, []byte("x"))
					c.CloseNow()
				}
			}
		})
	}
	group.Wait()
	b.settled()
	for _, s := range b.Stats() {
		if s.Accepted == 0 || s.Accepted+s.RefusedLimit > 500 {
			t.Errorf("%+v", s)
		}
	}
	// What the target counts may be late to go, as its connections are.
	if n := most.Load(); n > 2*40 {
		t.Errorf("%d connections to the target at once", n)
	}
}

// TestSubprotocols has clients speak as noVNC does.
func TestSubprotocols(t *testing.T) {
	rule := pairRule(t, "ws", echo(t, "tcp"))
	b := run(t, rule)
	where := b.at(0, rule.Listen)
	c := dialWS(t, where, "binary", "base64")
	if c.Subprotocol() != "binary" {
		t.Fatal(c.Subprotocol())
	}
	c = dialWS(t, where, "base64")
	if c.Subprotocol() != "base64" {
		t.Fatal(c.Subprotocol())
	}
	c.Write(within(t), ws.Text, []byte("aGVs\nbG8="))
	if typ, p, err := c.Read(within(t)); typ != ws.Text || string(p) != "aGVsbG8=" {
		t.Fatalf("%v %q %v", typ, p, err)
	}
	c.Write(within(t), ws.Text, []byte("!"))
	if _, _, err := c.Read(within(t)); ws.CloseStatus(err) != ws.StatusInvalidFramePayloadData {
		t.Fatal(err)
	}
	// Without one, text is as good as binary.
	c = dialWS(t, where)
	c.Write(within(t), ws.Text, []byte("hello"))
	if typ, p, err := c.Read(within(t)); typ != ws.Binary || string(p) != "hello" {
		t.Fatalf("%v %q %v", typ, p, err)
	}
	// To a target.
	rule = pairRule(t, "tcp", wsTarget(t, "ws", &ws.AcceptOptions{Subprotocols: []string{"base64"}}, echoMessages))
	rule.Subprotocols = []string{"base64"}
	b = run(t, rule)
	s := dialStream(t, b.at(0, rule.Listen))
	s.Write([]byte("hello"))
	p := make([]byte, 10)
	if n, err := s.Read(p); string(p[:n]) != "hello" {
		t.Fatalf("%q %v", p[:n], err)
	}
}

// TestDatagrams has datagrams of all sizes be messages, and too large a message be refused.
func TestDatagrams(t *testing.T) {
	rule := pairRule(t, "ws", echo(t, "udp"))
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen))
	for _, n := range []int{0, 1, 1500, 65507} {
		want := noise(n)
		c.Write(within(t), ws.Binary, want)
		if _, got, err := c.Read(within(t)); err != nil || string(got) != string(want) {
			t.Fatalf("%d bytes of %d: %v", len(got), n, err)
		}
	}
	c.Write(within(t), ws.Binary, noise(65508))
	if _, _, err := c.Read(within(t)); ws.CloseStatus(err) != ws.StatusMessageTooBig {
		t.Fatal(err)
	}
	// A target that is not there loses datagrams, and is there again.
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	rule = pairRule(t, "ws", parse(t, "udp:"+gone.LocalAddr().String()))
	b = run(t, rule)
	c = dialWS(t, b.at(0, rule.Listen))
	for range 10 {
		c.Write(within(t), ws.Binary, []byte("x"))
	}
	eventually(t, "lost datagrams are counted", func() bool { return b.Stats()[0].Dropped > 0 })
	back, err := net.ListenPacket("udp", gone.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	heard := make(chan struct{})
	go func() {
		p := make([]byte, 10)
		if _, from, err := back.ReadFrom(p); err == nil {
			back.WriteTo([]byte("here"), from)
		}
		close(heard)
	}()
	eventually(t, "the target hears again", func() bool {
		c.Write(within(t), ws.Binary, []byte("x"))
		select {
		case <-heard:
			return true
		default:
			return false
		}
	})
	if _, p, err := c.Read(within(t)); string(p) != "here" {
		t.Fatal(err)
	}
}

// TestFraming has datagrams and messages keep their boundaries on a stream.
func TestFraming(t *testing.T) {
	for _, front := range []string{"udp", "ws"} {
		rule := pairRule(t, front, streamTarget(t, "tcp", echoStream))
		rule.Framing = bridge.Length16
		b := run(t, rule)
		var send func(p []byte)
		var hear func() []byte
		if front == "udp" {
			c := dialStream(t, b.at(0, rule.Listen))
			send = func(p []byte) { c.Write(p) }
			hear = func() []byte {
				p := make([]byte, 1<<16)
				n, err := c.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				return p[:n]
			}
		} else {
			c := dialWS(t, b.at(0, rule.Listen))
			send = func(p []byte) { c.Write(within(t), ws.Binary, p) }
			hear = func() []byte {
				_, p, err := c.Read(within(t))
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
		}
		var sent [][]byte
		for _, n := range []int{0, 1, 2, 1000, 40000, 65000} {
			sent = append(sent, noise(n))
		}
		for _, p := range sent {
			send(p)
		}
		for _, want := range sent {
			if got := hear(); string(got) != string(want) {
				t.Fatalf("%s: %d bytes, want %d", front, len(got), len(want))
			}
		}
	}
	// A stream that ends within a frame.
	rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) { conn.Write([]byte{0, 5, 1}) }))
	rule.Framing = bridge.Length16
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen))
	if _, _, err := c.Read(within(t)); ws.CloseStatus(err) != ws.StatusBadGateway {
		t.Fatal(err)
	}
}

// TestRules has rules refused that cannot be meant.
func TestRules(t *testing.T) {
	server, _ := certificate()
	tcp, web, udp := bridge.MustParse("tcp:127.0.0.1:1"), bridge.MustParse("ws://127.0.0.1:0/a"), bridge.MustParse("udp:127.0.0.1:1")
	lookup := func(string) (bridge.Endpoint, error) { return tcp, nil }
	for want, rules := range map[string][]bridge.Rule{
		"there are no rules":                      {},
		"no endpoint to listen on":                {{Target: tcp}},
		"no target":                               {{Listen: web}},
		"exclude each other":                      {{Listen: web, Target: tcp, Lookup: lookup}},
		"only WebSocket clients can name a token": {{Listen: tcp, Lookup: lookup}},
		"needs a certificate":                     {{Listen: bridge.MustParse("tls:127.0.0.1:0"), Target: tcp}},
		"wss://127.0.0.1:":                        {{Listen: bridge.MustParse("wss://127.0.0.1:0"), Target: tcp}},
		"a certificate is for":                    {{Listen: web, Target: tcp, TLS: server}},
		"are for WebSocket endpoints that listen": {{Listen: tcp, Target: tcp, AnyOrigin: true}},
		"must have no query":                      {{Listen: bridge.MustParse("ws://127.0.0.1:0/a?b"), Target: tcp}},
		"a number of connections":                 {{Listen: web, Target: tcp, MaxConnections: -1}},
		"a time must not be negative":             {{Listen: web, Target: tcp, Idle: -1}},
		"no such framing":                         {{Listen: web, Target: tcp, Framing: 9}},
		"no such version":                         {{Listen: web, Target: tcp, Proxy: 3}},
		"headers are for":                         {{Listen: web, Target: tcp, Header: http.Header{"A": {"b"}}}},
		"has no place in UDP":                     {{Listen: web, Target: udp, Proxy: 1}},
		"framing is for":                          {{Listen: web, Target: udp, Framing: bridge.Length16}},
		"port 0 is no target":                     {{Listen: web, Target: bridge.MustParse("tcp:127.0.0.1:0")}},
		"two rules have this path":                {{Listen: web, Target: tcp}, {Listen: web, Target: tcp}},
		"two rules of this address have pages": {
			{Listen: web, Target: tcp, Web: http.NotFoundHandler()}, {Listen: bridge.MustParse("ws://127.0.0.1:0/b"), Target: tcp, Web: http.NotFoundHandler()},
		},
	} {
		b, err := bridge.Listen(rules, nil)
		if err == nil {
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, err = bridge.Listen([]bridge.Rule{{Listen: parse(t, "ws://"+addr+"/a"), Target: tcp}, {Listen: parse(t, "wss://"+addr+"/b"), Target: tcp, TLS: server}}, nil)
	if err == nil || !strings.Contains(err.Error(), "another rule listens for ws") {
		t.Error(err)
	}
	if ln, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, scheme := range []string{"tcp:", "ws://"} {
		if _, err := bridge.Listen([]bridge.Rule{{Listen: web, Target: tcp}, {Listen: parse(t, scheme+ln.Addr().String()), Target: tcp}}, nil); !errors.Is(err, syscall.EADDRINUSE) {
			t.Error(err)
		}
	}
}

// TestUnixSocketLeft has a process that was killed leave its socket, and another one listen on it.
func TestUnixSocketLeft(t *testing.T) {
	rule := pairRule(t, "unix", echo(t, "tcp"))
	_, name, _ := strings.Cut(rule.Listen.String(), ":")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if _, err := bridge.Listen([]bridge.Rule{rule}, nil); err == nil || !strings.Contains(err.Error(), "somebody listens there") {
		t.Fatal(err)
	}
	left.Close()
	run(t, rule)
	said(t, dialStream(t, rule.Listen))
	if err := os.WriteFile(name+"2", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bridge.Listen([]bridge.Rule{{Listen: parse(t, "unix:"+name+"2"), Target: rule.Target}}, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatal(err)
	}
	// A socket that does not take streams is somebody's, such as the system log's.
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name + "3", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := bridge.Listen([]bridge.Rule{{Listen: parse(t, "unix:"+name+"3"), Target: rule.Target}}, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatal(err)
	}
	if _, err := os.Lstat(name + "3"); err != nil {
		t.Fatal(err)
	}
}

// TestWeb has pages beside the bridge.
func TestWeb(t *testing.T) {
	rule := pairRule(t, "ws", echo(t, "tcp"))
	rule.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) })
	b := run(t, rule)
	base := "http://" + b.Addr(0).String()
	get := func(path string, status int, body string) {
		t.Helper()
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status || !strings.Contains(string(got), body) {
			t.Errorf("%s: %d %q", path, resp.StatusCode, got)
		}
	}
	get("/index.html", 200, "page /index.html")
	get("/path", 200, "page /path")
	c := dialWS(t, b.at(0, rule.Listen))
	c.CloseNow()

	rule = pairRule(t, "ws", rule.Target)
	b = run(t, rule)
	base = "http://" + b.Addr(0).String()
	get("/", 404, "nothing is bridged")
	get("/path", 426, "this is for WebSocket")
	http.DefaultClient.CloseIdleConnections()
}
