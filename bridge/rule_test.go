package bridge_test

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/bridge"
)

// TestRules has rules refused that cannot be meant.
func TestRules(t *testing.T) {
	server, client := certificate()
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
		"is no pattern":                           {{Listen: web, Target: tcp, Origins: []string{"https://ok.example", "https://["}}},
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
		"two rules of this address have certificates": {
			{Listen: bridge.MustParse("wss://127.0.0.1:0/a"), Target: tcp, TLS: server}, {Listen: bridge.MustParse("wss://127.0.0.1:0/b"), Target: tcp, TLS: client},
		},
		"invalid URL escape": {{Listen: bridge.MustParse("ws+unix:" + socketName(t) + ":/%zz"), Target: tcp}},
	} {
		b, err := bridge.Listen(rules, nil)
		if err == nil {
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, rules := range map[string][]bridge.Rule{
		"are for WebSocket endpoints that listen": {{Listen: tcp, Web: http.NotFoundHandler()}, {Listen: tcp, Origins: []string{"*"}}},
		"must not be negative":                    {{MaxAddressConnections: -1}, {DialTimeout: -1}, {Total: -1}, {Linger: -1}},
	} {
		for _, rule := range rules {
			rule.Listen, rule.Target = cmp.Or(rule.Listen, web), tcp
			b, err := bridge.Listen([]bridge.Rule{rule}, nil)
			if err == nil {
				b.Close()
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v", rule, err)
			}
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
	if _, err := bridge.Listen([]bridge.Rule{{Listen: parse(t, "unix:"+filepath.Join(filepath.Dir(name), "none", "s")), Target: rule.Target}}, nil); !errors.Is(err, os.ErrNotExist) {
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

// TestCloseUnrun closes bridges that have never run: where they listened is free at once.
func TestCloseUnrun(t *testing.T) {
	for _, kind := range []string{"tcp", "udp", "ws", "unix"} {
		rule := pairRule(t, kind, parse(t, "tcp:127.0.0.1:1"))
		for range 100 {
			b, err := bridge.Listen([]bridge.Rule{rule}, nil)
			if err != nil {
				t.Fatal(kind, err)
			}
			rule.Listen = rule.Listen.At(b.Addr(0))
			b.Close()
		}
	}
}

// TestIPv4Alone has rules listen on every address of IPv4, and on none of IPv6.
func TestIPv4Alone(t *testing.T) {
	for _, listen := range []string{"tcp:", "udp:", "ws://"} {
		b := run(t, bridge.Rule{Listen: parse(t, listen+"0.0.0.0:0"), Target: parse(t, "tcp:127.0.0.1:1")})
		if got := b.Addr(0).String(); !strings.HasPrefix(got, "0.0.0.0:") {
			t.Errorf("%s listens on %s", listen, got)
		}
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
		if status == 426 && (resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("Connection") != "Upgrade") { // RFC 9110 section 15.5.22
			t.Errorf("%s: %v", path, resp.Header)
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

// TestWebOverTLS has a certificate whose configuration is for HTTP/2, too, which the bridge does not speak.
func TestWebOverTLS(t *testing.T) {
	rule := pairRule(t, "wss", echo(t, "tcp"))
	rule.TLS = rule.TLS.Clone()
	rule.TLS.NextProtos = []string{"h2", "http/1.1"}
	b := run(t, rule)
	_, trusting := certificate()
	client := &http.Transport{TLSClientConfig: trusting.Clone(), ForceAttemptHTTP2: true}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(within(t), http.MethodGet, "https://"+b.Addr(0).String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound || resp.ProtoMajor != 1 {
		t.Errorf("%s with %d", resp.Proto, resp.StatusCode)
	}
}
