//go:build unix

package main

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/service/webhook"
	"github.com/tidewire/tidewire/ws"
)

// victim is a process with all that has a key of its own.
type victim struct {
	host, admin string
	cmd         *exec.Cmd
	log         string // the name of the file
	secrets     map[string]string
	signer      *rsa.PrivateKey
	public      []byte // its PEM
}

func newVictim(t *testing.T, more ...string) *victim {
	t.Helper()
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&signer.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	a := &victim{log: filepath.Join(t.TempDir(), "log"), signer: signer, public: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		secrets: map[string]string{"api": "key-of-the-api-01", "console": "key-of-console-01", "webhook": webhook.NewSecret()}}
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"allow":true}`)
	}))
	t.Cleanup(app.Close)
	args := append([]string{"serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--log-format", "json", "--log-level", "debug", "--access-log", "1",
		"--rooms", "chat:* history=10 presence allow=join,publish", "--rooms", "secret:* history=10", "--drain", "5s",
		"--jwt-public-key", secretFile(t, string(a.public)), "--jwt-audience", "tidewire",
		"--api-key-file", secretFile(t, a.secrets["api"]), "--console-key-file", secretFile(t, a.secrets["console"]),
		"--webhook-url", app.URL, "--webhook-secret-file", secretFile(t, a.secrets["webhook"]), "--webhook-events", "publish"}, more...)
	log, err := os.Create(a.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	a.cmd = command(args...)
	a.cmd.Stderr = log
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.cmd.Process.Kill()
		a.cmd.Wait()
	})
	var said string
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "Press Ctrl-C to stop."; {
		said += lines.Text() + "\n"
	}
	m := regexp.MustCompile(`(?s)serving on http://([^/]+)/\n.*  admin: http://([^/]+)/`).FindStringSubmatch(said)
	if m == nil {
		text, _ := os.ReadFile(a.log)
		t.Fatalf("it printed %q and logged %s", said, text)
	}
	a.host, a.admin = m[1], m[2]
	return a
}

// raw sends what is written here, and returns the whole answer.
func (a *victim) raw(t *testing.T, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	go io.WriteString(c, request)
	answer, err := io.ReadAll(c)
	if len(answer) == 0 {
		t.Errorf("%.80q: no answer, %v", request, err)
	}
	return string(answer)
}

// status is an answer's.
func status(answer string) string {
	_, rest, _ := strings.Cut(answer, " ")
	return rest[:min(3, len(rest))]
}

// hello says that and leaves. It returns the answer's code, or "ok".
func (a *victim) hello(t *testing.T, path, token string) string {
	t.Helper()
	c, code := greet(t, a.host, path, token)
	c.CloseNow()
	return code
}

// sign returns a token.
func (a *victim) sign(t *testing.T, method jwt.SigningMethod, key any, head, more jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": "ann", "aud": "tidewire", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range more {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	token := jwt.NewWithClaims(method, claims)
	for name, value := range head {
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The whole server, wired as for production, is attacked from outside. Afterwards it serves, ends in order, and its log, which holds all that
// it has to say, has neither a secret nor a line of the attacker's.
func TestAttacks(t *testing.T) {
	a := newVictim(t)
	good := a.sign(t, jwt.SigningMethodRS256, a.signer, nil, nil)
	tokens := []string{good}

	t.Run("keys", func(t *testing.T) {
		api, own := a.secrets["api"], func(header string) string {
			return "GET /api/rooms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + "\r\n"
		}
		if got := status(a.raw(t, a.host, own("Authorization: Bearer "+api+"\r\n"))); got != "200" {
			t.Errorf("with its key: %s", got)
		}
		for _, header := range []string{
			"", "Authorization: Bearer\r\n", "Authorization: Bearer \r\n", "Authorization: " + api + "\r\n", "Cookie: key=" + api + "\r\n", "X-API-Key: " + api + "\r\n",
			"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("api:"+api)) + "\r\n", "Authorization: Bearer " + api[1:] + "\r\n",
			"Authorization: Bearer " + api + "x\r\n", "Authorization: Bearer " + strings.ToUpper(api) + "\r\n", "Authorization: Bearer " + good + "\r\n",
			"Authorization: Bearer " + a.secrets["console"] + "\r\n", "Authorization: Bearer " + a.secrets["webhook"] + "\r\n",
		} {
			for _, line := range []string{"GET /api/rooms", "GET /api/history?room=chat:1&key=" + api, "GET /api/presence?room=chat:1&token=" + api, "GET /api/openapi.yaml",
				"POST /api/publish", "POST /api/broadcast", "POST /api/disconnect", "DELETE /api/rooms"} {
				got := a.raw(t, a.host, line+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"+header+"\r\n{}")
				if status(got) != "401" {
					t.Errorf("%s with %q: %.60q", line, header, got)
				}
			}
		}
		if got := a.hello(t, "/live", good); got != "ok" {
			t.Errorf("/live with a token: %s", got)
		}
		for _, wrong := range []string{"", api, a.secrets["console"], a.secrets["webhook"], good[:len(good)-4]} {
			if got := a.hello(t, "/live", wrong); got != "unauthorized" {
				t.Errorf("/live with %q: %s", wrong, got)
			}
		}
		if got := a.hello(t, "/console/live", a.secrets["console"]); got != "ok" {
			t.Errorf("the console with its key: %s", got)
		}
		for _, wrong := range []string{"", api, good, a.secrets["console"] + "x"} {
			if got := a.hello(t, "/console/live", wrong); got != "unauthorized" {
				t.Errorf("the console with %q: %s", wrong, got)
			}
		}
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
			if code, _ := get(t, "http://"+a.host+path, api); code != 404 {
				t.Errorf("%s: %d", path, code)
			}
		}
		for _, path := range []string{"/api/rooms", "/console/", "/console/live", "/live"} {
			if code, _ := get(t, "http://"+a.admin+path, api); code != 404 {
				t.Errorf("%s at the admin address: %d", path, code)
			}
		}
		body := "open tidewire.v1.json\n"
		if got := status(a.raw(t, a.host, fmt.Sprintf("POST /console/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body))); got[0] != '4' {
			t.Errorf("a tunnel into the console: %s", got)
		}
	})

	t.Run("tokens", func(t *testing.T) {
		fetched := make(chan string, 100)
		evil := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fetched <- r.URL.Path }))
		defer evil.Close()
		other, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for name, token := range map[string]string{
			"none":                 a.sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil),
			"HS256 by the key":     a.sign(t, jwt.SigningMethodHS256, a.public, nil, nil),
			"another key":          a.sign(t, jwt.SigningMethodRS256, other, nil, nil),
			"another key by URL":   a.sign(t, jwt.SigningMethodRS256, other, jwt.MapClaims{"jku": evil.URL + "/jku", "x5u": evil.URL + "/x5u", "kid": evil.URL + "/kid"}, nil),
			"a kid that is a file": a.sign(t, jwt.SigningMethodHS256, []byte{}, jwt.MapClaims{"kid": "../../../../dev/null"}, nil),
			"a critical header":    a.sign(t, jwt.SigningMethodRS256, a.signer, jwt.MapClaims{"crit": []string{"x"}, "x": 1}, nil),
			"expired":              a.sign(t, jwt.SigningMethodRS256, a.signer, nil, jwt.MapClaims{"exp": now.Add(-time.Hour).Unix()}),
			"for ever":             a.sign(t, jwt.SigningMethodRS256, a.signer, nil, jwt.MapClaims{"exp": nil}),
			"of the future":        a.sign(t, jwt.SigningMethodRS256, a.signer, nil, jwt.MapClaims{"nbf": now.Add(time.Hour).Unix()}),
			"for another":          a.sign(t, jwt.SigningMethodRS256, a.signer, nil, jwt.MapClaims{"aud": "elsewhere"}),
			"for nobody":           a.sign(t, jwt.SigningMethodRS256, a.signer, nil, jwt.MapClaims{"aud": nil}),
			"huge":                 a.sign(t, jwt.SigningMethodRS256, a.signer, nil, jwt.MapClaims{"pad": strings.Repeat("x", 20<<10)}),
			"text":                 "a.b.c",
		} {
			tokens = append(tokens, token)
			if got := a.hello(t, "/live", token); got != "unauthorized" && (name != "huge" || got != "too-large") {
				t.Errorf("%s: %s", name, got)
			}
		}
		if len(fetched) > 0 {
			t.Errorf("it asked for %s", <-fetched)
		}
	})

	t.Run("paths", func(t *testing.T) {
		for _, prefix := range []string{"", "/console", "/api", "/live"} {
			for _, path := range []string{"/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/..\\..\\etc\\passwd", "/%5c..%5cetc", "//etc/passwd",
				"/./..//../etc/passwd", "/%00", "/x%00.js", "/.git/config", "/serve.go", "//elsewhere.example/%2f..", "/\\elsewhere.example", "/;/../x", "/%252e%252e/x"} {
				answer := a.raw(t, a.host, "GET "+prefix+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				head, body, _ := strings.Cut(answer, "\r\n\r\n")
				if s := status(answer); s[0] == '2' && prefix != "/console" || strings.Contains(body, "root:") || strings.Contains(body, "package main") {
					t.Errorf("%s%s: %.200q", prefix, path, answer)
				}
				if _, place, there := strings.Cut(head, "Location: "); there && (strings.HasPrefix(place, "//") || strings.HasPrefix(place, "/\\") || !strings.HasPrefix(place, "/")) {
					t.Errorf("%s%s sends elsewhere: %q", prefix, path, head)
				}
			}
		}
	})

	t.Run("other sites", func(t *testing.T) {
		elsewhere := http.Header{"Origin": {"https://elsewhere.example"}}
		for _, path := range []string{"/live", "/console/live"} {
			c, r, err := ws.Dial(t.Context(), "ws://"+a.host+path, &ws.DialOptions{Header: elsewhere})
			if err == nil {
				c.CloseNow()
				t.Errorf("%s took a page of another site", path)
			} else if r == nil || r.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %v", path, err)
			}
		}
		for _, path := range []string{"/api/publish", "/api/rooms", "/console/", "/console/live", "/live", "/readyz", "/tidewire.js"} {
			for _, method := range []string{"OPTIONS", "GET"} {
				head, _, _ := strings.Cut(a.raw(t, a.host, method+" "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://elsewhere.example\r\n"+
					"Access-Control-Request-Method: POST\r\nAuthorization: Bearer "+a.secrets["api"]+"\r\n\r\n"), "\r\n\r\n")
				if strings.Contains(head, "Access-Control-Allow-Credentials") || strings.Contains(head, "Access-Control-Allow-Origin") || strings.Contains(head, "Set-Cookie") {
					t.Errorf("%s %s: %q", method, path, head)
				}
			}
		}
		for _, path := range []string{"/console/"} {
			head, _, _ := strings.Cut(a.raw(t, a.host, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "\r\n\r\n")
			for _, want := range []string{"Content-Security-Policy: ", "X-Content-Type-Options: nosniff"} {
				if !strings.Contains(head, want) {
					t.Errorf("%s has no %s: %q", path, want, head)
				}
			}
		}
	})

	t.Run("too much", func(t *testing.T) {
		long, bearer := strings.Repeat("x", 2<<20), "Authorization: Bearer "+a.secrets["api"]+"\r\n"
		for name, tc := range map[string]struct{ request, want string }{
			"header":  {"GET /api/rooms HTTP/1.1\r\nHost: x\r\nX: " + long + "\r\n\r\n", "431"},
			"target":  {"GET /" + long + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
			"body":    {fmt.Sprintf("POST /api/publish HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", bearer, 64<<20, long), "413"},
			"lengths": {"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400"},
			"both":    {"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "501"},
			"deep":    {fmt.Sprintf("POST /api/publish HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n%sContent-Length: 200000\r\n\r\n%s", bearer, strings.Repeat("[", 200000)), "400"},
		} {
			if got := status(a.raw(t, a.host, tc.request)); !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s: %s, want %s", name, got, tc.want)
			}
		}
	})

	t.Run("injection", func(t *testing.T) {
		lines := "x\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\r\n"
		for _, request := range []string{
			"GET /x%0d%0a%7b%22msg%22:%22forged%22%7d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: \x1b[31m\"}\xff\r\nX-Request-Id: a\"b\r\nX-Forwarded-For: \"},{\r\n\r\n",
			"GET /console/%0aSet-Cookie:x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"G\x1bT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: x\x1b\r\nConnection: close\r\n\r\n",
		} {
			if head, _, _ := strings.Cut(a.raw(t, a.host, request), "\r\n\r\n"); strings.Contains(head, "\nSet-Cookie") || strings.Contains(head, "forged\"") {
				t.Errorf("%q: %q", request, head)
			}
		}
		for _, user := range []string{lines, "ann\u2028x", "a\x00b", "a\x1b[2Jb"} {
			a.hello(t, "/live", a.sign(t, jwt.SigningMethodRS256, a.signer, nil, jwt.MapClaims{"sub": user}))
		}
	})

	// It is alive, and what it can be asked tells no secret.
	var told strings.Builder
	for _, path := range []string{"/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/healthz", "/readyz"} {
		code, text := get(t, "http://"+a.admin+path)
		if code != 200 {
			t.Errorf("%s: %d", path, code)
		}
		told.WriteString(text)
	}
	if got := a.hello(t, "/live", good); got != "ok" {
		t.Errorf("afterwards: %s", got)
	}
	a.cmd.Process.Signal(syscall.SIGTERM)
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	log, err := os.ReadFile(a.log)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(log)) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil || m["msg"] == nil || m["msg"] == "forged" {
			t.Errorf("a line of the log: %v %.200q", err, line)
		}
		if i := strings.IndexFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
			t.Errorf("a control character in the log: %.200q", line)
		}
		n++
	}
	if n < 20 {
		t.Errorf("%d lines: is the access log on?\n%s", n, log)
	}
	told.Write(log)
	for _, secret := range slices.Concat(slices.Collect(maps.Values(a.secrets)), tokens) {
		if len(secret) > 20 {
			secret = secret[len(secret)-20:] // of a token the part that signs
		}
		if len(secret) >= 16 && strings.Contains(told.String(), secret) {
			t.Errorf("it told %q", secret)
		}
	}
}

// Who has all descriptors has them only as long as he stays.
func TestFewDescriptors(t *testing.T) {
	cmd := command("-c", `ulimit -n 64; exec "$0" serve --addr 127.0.0.1:0 --rooms 'chat:* allow=join' --anonymous`, os.Args[0])
	var err error
	if cmd.Path, err = exec.LookPath("sh"); err != nil {
		t.Fatal(err)
	}
	out, log := launch(t, cmd)
	host := ""
	for out.Scan() && out.Text() != "Press Ctrl-C to stop." {
		if _, rest, ok := strings.Cut(out.Text(), "serving on http://"); ok {
			host = strings.TrimSuffix(rest, "/")
		}
	}
	var all []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	until(t, log, "too many open files")
	for _, c := range all {
		c.Close()
	}
	if _, got := greet(t, host, "/live", ""); got != "ok" {
		t.Errorf("afterwards: %s", got)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	until(t, log, "msg=stopped")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
