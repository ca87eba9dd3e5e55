package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	ports "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/tunnel"
)

// front is a proxy with its configuration in deploy/.
type front struct {
	name   string
	config string
	from   []string // what in it is another one in a test, and what: pairs; see start
	binary string
	checks []string // and what looks at the server, and would answer for one that does not
	args   func(dir, config string) []string
	// The answers where nobody listens, and where nobody answers.
	broken, slow int
}

var fronts = []*front{
	{
		name: "nginx", config: "nginx.conf", binary: "nginx-light",
		from: []string{"listen 443", "listen ADDR", "/etc/nginx/cert.pem", "CERT", "/etc/nginx/key.pem", "KEY",
			"http {", "http {\n access_log off; client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;",
			"worker_processes auto", "worker_processes 1", "worker_connections 100000", "worker_connections 512", "worker_rlimit_nofile 200000", "worker_rlimit_nofile 1024"},
		args: func(dir, config string) []string {
			return []string{"nginx", "-p", dir, "-c", config, "-e", "stderr", "-g", "daemon off; pid " + dir + "/pid; error_log stderr;"}
		},
		broken: http.StatusBadGateway, slow: http.StatusGatewayTimeout,
	},
	{
		name: "haproxy", config: "haproxy.cfg", binary: "haproxy",
		from:   []string{"bind :443", "bind ADDR", "/etc/haproxy/example.com.pem", "BOTH", "maxconn 100000", "maxconn 500"},
		checks: []string{"127.0.0.1:8080 check inter 1s", "127.0.0.1:8080"},
		args:   func(_, config string) []string { return []string{"haproxy", "-db", "-f", config} },
		broken: http.StatusServiceUnavailable, slow: http.StatusGatewayTimeout,
	},
	{
		name: "caddy", config: "Caddyfile", binary: "caddy",
		from: []string{"example.com {", "{\n admin off\n auto_https off\n}\nhttps://ADDR {\n tls CERT KEY", "lb_try_duration 5s", "lb_try_duration 100ms"},
		checks: []string{"health_uri /readyz # 503 while it starts and drains", "", "health_interval 1s", ""},
		args: func(_, config string) []string {
			return []string{"caddy", "run", "--adapter", "caddyfile", "--config", config}
		},
		broken: http.StatusBadGateway, slow: http.StatusGatewayTimeout,
	},
}

// start runs the proxy with its configuration of deploy/, where Tidewire and the site are at these addresses and timeouts of 60 s
// are timeout. It returns its address. Who connects to it from 127.0.0.2 is no proxy.
func (f *front) start(t *testing.T, tidewire, site, timeout string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", f.config))
	if err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t)
	dir := t.TempDir()
	both := filepath.Join(dir, "both.pem")
	var pem []byte
	for _, name := range []string{cert, key} {
		p, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, p...)
	}
	if err := os.WriteFile(both, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	config := string(text)
	pairs := append([]string{"127.0.0.1:3000", site, "60s", timeout}, f.from...)
	if timeout != "60s" {
		pairs = append(pairs, f.checks...)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(config, pairs[i]) {
			t.Fatalf("%s has no %q", f.config, pairs[i])
		}
		config = strings.ReplaceAll(config, pairs[i], pairs[i+1])
	}
	config = strings.ReplaceAll(config, "127.0.0.1:8080", tidewire)
	for end := time.Now().Add(patience); ; {
		// None that a system gives to who asks for any.
		addr := fmt.Sprint("127.0.0.1:", 10_000+ports.IntN(20_000))
		own := strings.NewReplacer("ADDR", addr, "CERT", cert, "KEY", key, "BOTH", both, "DIR", dir).Replace(config)
		path := filepath.Join(dir, f.config)
		if err := os.WriteFile(path, []byte(own), 0o600); err != nil {
			t.Fatal(err)
		}
		args := f.args(dir, path)
		cmd := exec.Command(args[0], args[1:]...)
		if cmd.Err != nil { // a user's PATH may be without it
			cmd = exec.Command("/usr/sbin/"+args[0], args[1:]...)
		}
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		var log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatalf("%s: %v: please install %s", f.name, err, f.binary)
		}
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		up := func() bool {
			for time.Now().Before(end) {
				select {
				case <-ended:
					return false
				case <-time.After(20 * time.Millisecond):
				}
				if c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}); err == nil {
					c.Close()
					return true
				}
			}
			return false
		}
		if up() {
			t.Cleanup(func() {
				cmd.Process.Signal(os.Interrupt)
				select {
				case <-ended:
				case <-time.After(patience):
					cmd.Process.Kill()
					<-ended
				}
				if t.Failed() {
					t.Logf("%s said:\n%.3000s", f.name, log.String())
				}
			})
			return addr
		}
		cmd.Process.Kill()
		<-ended
		if time.Now().After(end) || !strings.Contains(strings.ToLower(log.String()), "in use") {
			t.Fatalf("%s does not start:\n%s", f.name, log.String())
		}
	}
}

// elsewhere dials from an address that is not the proxies'.
var elsewhere = net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}

// probe is a server behind a proxy that notes what comes to it.
type probe struct {
	addr string

	mu   sync.Mutex
	seen []string
}

func (p *probe) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, fmt.Sprintf(format, args...))
}

// take returns what has come since the last time.
func (p *probe) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.seen
	p.seen = nil
	return seen
}

// newProbe lets WebSockets in, if their query does not ask for another answer, with pings this far apart.
func newProbe(t *testing.T, pings time.Duration) *probe {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{addr: ln.Addr().String()}
	address := trusting(t, "127.0.0.1").address()
	s := &ws.Server{
		Logger: slog.New(slog.DiscardHandler),
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				return // the proxy itself asks
			}
			body, _ := io.ReadAll(r.Body)
			p.note("%s %s %q upgrade=%q", r.Method, r.URL.Path, body, r.Header.Get("Upgrade"))
		}),
		Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			p.note("WebSocket %s from %v", r.Path(), address(r))
			if r.RawQuery() == "forbidden" {
				return nil, nil, &ws.Refusal{Status: http.StatusForbidden, Body: "no"}
			}
			return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, m []byte) { c.Write(context.Background(), typ, m) }),
				&ws.AcceptOptions{ConnOptions: ws.ConnOptions{PingInterval: pings, Compression: &deflate.Options{}}}, nil
		},
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return p
}

// each runs f for each proxy.
func each(t *testing.T, f func(t *testing.T, by *front)) {
	t.Parallel()
	for _, by := range fronts {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			f(t, by)
		})
	}
}

// Behind each proxy sessions come by WebSocket and by posts; other paths go elsewhere; and the client's address is
// the client's.
func TestBehindProxies(t *testing.T) {
	each(t, func(t *testing.T, by *front) {
		s := serve(t, "--trusted-proxies", "127.0.0.1")
		site := newProbe(t, time.Minute)
		addr := by.start(t, s.host, site.addr, "60s")
		insecure := &tls.Config{InsecureSkipVerify: true}
		c, _, err := ws.Dial(t.Context(), "wss://"+addr+"/live", &ws.DialOptions{TLSConfig: insecure, Header: http.Header{"Origin": {"https://" + addr}}})
		if err != nil {
			t.Fatalf("from a page of the same address: %v", err)
		}
		c.CloseNow()
		transport := &http.Transport{TLSClientConfig: insecure}
		defer transport.CloseIdleConnections()
		door := tunnel.Dialer{URL: "https://" + addr + "/live", Client: &http.Client{Transport: transport}}
		heard, rooms := make(chan string, 10), map[string]*client.Room{}
		for name, o := range map[string]ws.DialOptions{"socket": {TLSConfig: insecure}, "posts": {NetDial: door.DialContext}} {
			url := "wss://" + addr + "/live"
			if name == "posts" {
				url = "ws://" + addr + "/live"
			}
			guest, err := client.Dial(t.Context(), url, &client.Options{DialOptions: o})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			defer guest.Close(context.Background())
			room, err := guest.Room("chat:proxied", nil)
			if err != nil {
				t.Fatal(err)
			}
			client.OnMessage(room, "chat", func(_ context.Context, m said, _ client.Meta) { heard <- name + " heard " + m.Text })
			if err := room.Join(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			rooms[name] = room
		}
		for name, room := range rooms {
			if _, err := room.Send(t.Context(), "chat", said{"from " + name}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for range 2 {
				select {
				case <-heard:
				case <-time.After(patience):
					t.Errorf("not both heard what came from %s", name)
				}
			}
		}
		if r, err := door.Client.Get("https://" + addr + "/else"); err != nil || r.StatusCode != 200 {
			t.Errorf("%v, %v", r, err)
		} else {
			r.Body.Close()
		}
		if got := site.take(); !slices.Equal(got, []string{`GET /else "" upgrade=""`}) {
			t.Errorf("the site saw %q", got)
		}
	})
}

// The client's address is the one that the proxy saw, whatever the client says of it; and what is compressed passes.
func TestAddressBehindProxies(t *testing.T) {
	each(t, func(t *testing.T, by *front) {
		p := newProbe(t, time.Minute)
		addr := by.start(t, p.addr, p.addr, "60s")
		for _, spoofed := range [][]string{nil, {"6.6.6.6"}, {"6.6.6.6, 127.0.0.1"}, {"127.0.0.1", "10.0.0.1"}, {strings.Repeat("127.0.0.1,", 500) + "127.0.0.1"}, {"unknown"}} {
			c, r, err := ws.Dial(t.Context(), "wss://"+addr+"/live", &ws.DialOptions{ConnOptions: ws.ConnOptions{Compression: &deflate.Options{}},
				TLSConfig: &tls.Config{InsecureSkipVerify: true}, NetDial: elsewhere.DialContext, Header: http.Header{"X-Forwarded-For": spoofed}})
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Repeat("text that is compressed, ", 1000)
			if err := c.Write(t.Context(), ws.Text, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if _, m, err := c.Read(t.Context()); err != nil || string(m) != text || !strings.Contains(r.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
				t.Errorf("%d bytes came back, %v, by %q", len(m), err, r.Header.Get("Sec-WebSocket-Extensions"))
			}
			c.CloseNow()
			if got := p.take(); !slices.Equal(got, []string{"WebSocket /live from 127.0.0.2"}) {
				t.Errorf("who says %.50q: %q", spoofed, got)
			}
		}
	})
}

// A connection on which nothing is said stays open for longer than the proxy waits, by the server's pings; without them it
// does not. And a server that is gone, or does not answer, is told as such.
func TestTimesBehindProxies(t *testing.T) {
	each(t, func(t *testing.T, by *front) {
		mute, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
		if err != nil {
			t.Fatal(err)
		}
		defer mute.Close()
		gone, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		gone.Close()
		upgrade := func(addr string) (*ws.Conn, int) {
			t.Helper()
			c, r, err := ws.Dial(t.Context(), "wss://"+addr+"/live", &ws.DialOptions{
				TLSConfig: &tls.Config{InsecureSkipVerify: true}, ConnOptions: ws.ConnOptions{PingInterval: -1}})
			if r == nil {
				t.Fatal(err)
			}
			return c, r.StatusCode
		}
		if _, status := upgrade(by.start(t, gone.Addr().String(), mute.Addr().String(), "1s")); status != by.broken {
			t.Errorf("nobody listens: %d, want %d", status, by.broken)
		}
		if _, status := upgrade(by.start(t, mute.Addr().String(), mute.Addr().String(), "1s")); status != by.slow {
			t.Errorf("nobody answers: %d, want %d", status, by.slow)
		}
		pinged, _ := upgrade(by.start(t, newProbe(t, 200*time.Millisecond).addr, mute.Addr().String(), "1s"))
		defer pinged.CloseNow()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, _, err := pinged.Read(ctx); ctx.Err() == nil {
			t.Errorf("with pings it ended: %v", err)
		}
		if by.name == "caddy" {
			return // which cuts off no WebSocket by itself
		}
		silent, _ := upgrade(by.start(t, newProbe(t, -1).addr, mute.Addr().String(), "1s"))
		defer silent.CloseNow()
		late, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, _, err := silent.Read(late); late.Err() != nil {
			t.Errorf("without pings it stays: %v", err)
		}
	})
}
