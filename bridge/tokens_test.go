package bridge_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTokens(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tokens")
	write(t, name, "# desks\n\r\n  # and\r\nred: 127.0.0.1:5900\nblue: unix:/run/vnc\n  green :  udp:[::1]:7 \n")
	logs := &journal{}
	tokens, err := bridge.OpenTokens(name, slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	has := func(token, want string) {
		t.Helper()
		e, err := tokens.Lookup(token)
		if want == "" {
			if !errors.Is(err, bridge.ErrToken) {
				t.Fatalf("%s is %v, %v", token, e, err)
			}
		} else if err != nil || e.String() != want {
			t.Fatalf("%s is %v, %v; want %s", token, e, err, want)
		}
	}
	has("red", "tcp:127.0.0.1:5900")
	has("blue", "unix:/run/vnc")
	has("green", "udp:[::1]:7")
	has("", "")
	has("\ufeffred", "")
	has("# desks", "")
	has("re", "")

	write(t, name, "\ufeffred: 127.0.0.1:5901\nwhite: tcp:127.0.0.1:1\n")
	has("red", "tcp:127.0.0.1:5901")
	has("blue", "")
	write(t, name, "red: 127.0.0.1:5902\nblack\n")
	has("red", "tcp:127.0.0.1:5901")
	has("red", "tcp:127.0.0.1:5901")
	if got := logs.String(); strings.Count(got, "those before go on") != 1 || !strings.Contains(got, `tokens:2: a line is \"token: target\"`) {
		t.Fatal(got)
	}
	// A mistake is read once: until the file looks different it is as it was, and the same mistake again is another one.
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, "red: 127.0.0.1:5902\n#####\n")
	os.Chtimes(name, time.Time{}, info.ModTime())
	has("red", "tcp:127.0.0.1:5901")
	write(t, name, "red: 127.0.0.1:59022\nblack\n")
	has("red", "tcp:127.0.0.1:5901")
	has("red", "tcp:127.0.0.1:5901")
	if n := strings.Count(logs.String(), "those before go on"); n != 2 {
		t.Fatalf("said %d times:\n%s", n, logs)
	}
	os.Remove(name)
	has("white", "tcp:127.0.0.1:1")
	has("white", "tcp:127.0.0.1:1")
	if n := strings.Count(logs.String(), "those before go on"); n != 3 || strings.Contains(logs.String(), "are read again") {
		t.Fatalf("said %d times:\n%s", n, logs)
	}
	for range 2 { // what is wrong once more, in the same words, is said once more
		write(t, name, "black: 127.0.0.1:5903\n")
		has("black", "tcp:127.0.0.1:5903")
		has("white", "")
		os.Remove(name)
		has("black", "tcp:127.0.0.1:5903")
	}
	if got := logs.String(); strings.Count(got, "those before go on") != 5 || strings.Count(got, "are read again") != 2 {
		t.Fatal(got)
	}

	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "one: 127.0.0.1:1")
	write(t, filepath.Join(dir, "b"), "two: 127.0.0.1:2")
	write(t, filepath.Join(dir, ".c"), "nonsense")
	if tokens, err = bridge.OpenTokens(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	has("one", "tcp:127.0.0.1:1")
	has("two", "tcp:127.0.0.1:2")
	write(t, filepath.Join(dir, "d"), "three: 127.0.0.1:3")
	has("three", "tcp:127.0.0.1:3")
	refused := func(want string) {
		t.Helper()
		has("three", "tcp:127.0.0.1:3")
		if _, err := bridge.OpenTokens(dir, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "e")); err != nil {
		t.Fatal(err)
	}
	refused("no such file")
	os.Remove(filepath.Join(dir, "e"))
	if err := os.Mkdir(filepath.Join(dir, "e"), 0o700); err != nil {
		t.Fatal(err)
	}
	refused("no regular file")
	os.Remove(filepath.Join(dir, "e"))
	write(t, filepath.Join(dir, "b"), "two") // behind which there are others
	refused("a line is")

	write(t, name, strings.Repeat("t", 256)+": h:1\n"+strings.Repeat("#", 1<<20-263))
	if tokens, err = bridge.OpenTokens(name, nil); err != nil {
		t.Fatal(err)
	}
	has(strings.Repeat("t", 256), "tcp:h:1")
	for text, want := range map[string]string{
		"red":                              ":1: a line is",
		"ok: 127.0.0.1:1\nred:":            ":2: a line is",
		"r d: 127.0.0.1:1":                 ":1: a token has",
		"r/d: 127.0.0.1:1":                 ":1: a token has",
		"r\x7fd: h:1":                      ":1: a token has",
		"blue: h:1\n: red":                 ":2: a line is",
		strings.Repeat("t", 257) + ": h:1": ":1: a token has",
		"red: 127.0.0.1":                   ":1: an endpoint is",
		"a: h:1\na: h:2":                   ":2: this token has a target already",
		strings.Repeat("#", 1<<20+1):       "larger than 1048576 bytes",
	} {
		write(t, name, text)
		if _, err := bridge.OpenTokens(name, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "red") {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
	if _, err := bridge.OpenTokens(filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestAllowList has clients ask for what they may not have: refused before anybody is dialled.
func TestAllowList(t *testing.T) {
	var dialled atomic.Int64
	target := streamTarget(t, "tcp", func(conn halfCloser) {
		dialled.Add(1)
		echoStream(conn)
	})
	name := filepath.Join(t.TempDir(), "tokens")
	write(t, name, "secret: "+target.String()+"\n")
	tokens, err := bridge.OpenTokens(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	listen := parse(t, "ws://127.0.0.1:0/vnc")
	b := run(t, bridge.Rule{Listen: listen, Lookup: tokens.Lookup}, bridge.Rule{Listen: parse(t, "ws://127.0.0.1:0/only"), Target: target})
	base := "ws://" + b.Addr(0).String()
	for _, path := range []string{
		"/vnc", "/vnc/", "/vnc/wrong", "/vnc?token=wrong", "/vnc?token=" + target.String(), "/vnc/secret/more", "/vnc/" + target.String(), "/", "/secret", "/other",
		"/vnc/../vnc", "/vnc?Token=secret", "/vnc/secret%00", "/vnc/%2e%2e/secret", "//vnc/secret",
	} {
		_, resp, err := tryWS(parse(t, base+path), ws.DialOptions{})
		if err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v", path, err)
		}
	}
	only := "ws://" + b.Addr(1).String()
	for _, path := range []string{"/only/", "/only/secret", "/onl", "/"} {
		if _, resp, err := tryWS(parse(t, only+path), ws.DialOptions{}); err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n := dialled.Load(); n != 0 {
		t.Fatalf("%d connections were made", n)
	}
	for _, path := range []string{"/vnc/secret", "/vnc?token=secret", "/vnc/?token=secret"} {
		c := dialWS(t, parse(t, base+path))
		c.Write(within(t), ws.Binary, []byte("x"))
		if _, p, err := c.Read(within(t)); string(p) != "x" {
			t.Fatal(path, err)
		}
		c.CloseNow()
	}
	root := run(t, bridge.Rule{Listen: parse(t, "ws://127.0.0.1:0/"), Lookup: tokens.Lookup})
	dialWS(t, parse(t, "ws://"+root.Addr(0).String()+"/secret"))
	told := bridge.Rule{Listen: listen, Lookup: func(string) (bridge.Endpoint, error) { return parse(t, "udp:127.0.0.1:1"), nil }, Proxy: bridge.ProxyV1}
	unfit := run(t, told)
	if _, resp, err := tryWS(unfit.at(0, listen), ws.DialOptions{}); err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("a target that is not for the rule: %v", err)
	}
	if s := b.Stats()[0]; s.RefusedToken != 8 || s.Accepted != 3 {
		t.Errorf("%+v", s)
	}
	if n := strings.Count(b.logs.String(), "level=DEBUG msg=refused"); n != 8 {
		t.Errorf("the log has %d refusals:\n%s", n, b.logs)
	}
	if strings.Contains(b.logs.String(), "secret") {
		t.Errorf("a token is in the log:\n%s", b.logs)
	}
	// A page of another site is refused before anybody is dialled, too.
	before := dialled.Load()
	if _, resp, err := tryWS(parse(t, only+"/only"), ws.DialOptions{Origin: "https://evil.example"}); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Error(err)
	}
	if n := dialled.Load(); n != before {
		t.Fatal("the target was dialled")
	}
	if s := b.Stats()[1]; s.RefusedRequest != 1 || s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
}

// TestOrigins has pages connect: those of the bridge's own names, and others.
func TestOrigins(t *testing.T) {
	target := echo(t, "tcp")
	for _, tc := range []struct {
		host, origin string
		origins      []string
		ok           bool
	}{
		{"", "", nil, true},
		{"evil.example", "", nil, true}, // no browser
		{"127.0.0.1:1", "http://127.0.0.1:1", nil, true},
		{"[::1]", "http://[::1]", nil, true},
		{"localhost:1", "http://localhost:1", nil, true},
		{"a.localhost", "http://a.localhost", nil, true},
		{"localhost:1", "http://localhost:2", nil, false},
		{"127.0.0.1:1", "http://evil.example", nil, false},
		{"evil.example", "http://evil.example", nil, false}, // its name stands for this machine
		{"127.0.0.1.evil.example:1", "http://127.0.0.1.evil.example:1", nil, false},
		{"good.example", "https://good.example", []string{"https://good.example"}, true},
		{"127.0.0.1:1", "https://good.example", []string{"https://good.example"}, true},
		{"good.example", "http://good.example", []string{"https://good.example"}, false},
	} {
		rule := pairRule(t, "ws", target)
		rule.Origins, rule.MaxConnections = tc.origins, 1
		b := run(t, rule)
		where := b.at(0, rule.Listen)
		c, resp, err := tryWS(where, ws.DialOptions{Host: tc.host, Origin: tc.origin})
		if err == nil {
			c.CloseNow()
		}
		if tc.ok != (err == nil) || !tc.ok && resp.StatusCode != http.StatusForbidden {
			t.Errorf("host %q, origin %q, with %q: %v", tc.host, tc.origin, tc.origins, err)
		} else if !tc.ok && tc.host == "evil.example" {
			if said, err := io.ReadAll(resp.Body); !strings.Contains(string(said), "another-name-of-a-loopback-address") {
				t.Errorf("it does not say why: %s, %v", said, err)
			}
		}
		if !tc.ok { // who is refused takes no place
			dialWS(t, where).CloseNow()
		}
		b.stop()
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("a: h:1\nb: unix:/x\n#c\n")
	f.Add("a:b:c:1\n\r\n: :\n")
	name := filepath.Join(f.TempDir(), "tokens")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tokens, err := bridge.OpenTokens(name, nil)
		if err != nil {
			return
		}
		for line := range strings.Lines(text) {
			token, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			token = strings.TrimSpace(token)
			if token == "" || token[0] == '#' {
				continue
			}
			e, err := tokens.Lookup(token)
			if err != nil {
				t.Fatalf("%q: %v", token, err)
			}
			if again, err := bridge.Parse(e.String()); err != nil || again != e {
				t.Fatalf("%q is %q, which is no endpoint: %v", token, e, err)
			}
		}
	})
}
