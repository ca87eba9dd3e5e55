package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/webhook"
)

func blocks(t *testing.T, language string) [][]string {
	t.Helper()
	page := string(must(os.ReadFile("../../docs/webhooks.md")))
	all := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	if len(all) == 0 {
		t.Fatalf("found no block of %s", language)
	}
	return all
}

// TestPage looks up each line of each Go block of docs/webhooks.md in the example, which is compiled.
func TestPage(t *testing.T) {
	example := string(must(os.ReadFile("example_test.go")))
	for _, block := range blocks(t, "go") {
		for line := range strings.Lines(block[1]) {
			if !strings.Contains(example, line) {
				t.Errorf("no line of the example: %s", line)
			}
		}
	}
}

// recorder keeps the last request that passes.
type recorder struct {
	http.Transport
	mu     sync.Mutex
	header http.Header
	body   []byte
}

// RoundTrip is http.RoundTripper's.
func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	body := must(io.ReadAll(q.Body))
	q = q.Clone(q.Context())
	q.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	r.header, r.body = q.Header.Clone(), body
	r.mu.Unlock()
	return r.Transport.RoundTrip(q)
}

// TestNode runs the receiver of docs/webhooks.md in Node, and asks it.
func TestNode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "receiver.mjs")
	if err := os.WriteFile(file, []byte(blocks(t, "js")[0][1]), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithTimeout(t.Context(), 2*time.Minute)
	defer kill()
	node := exec.CommandContext(ctx, "node", file)
	old := webhook.NewSecret()
	node.Env = append(os.Environ(), "PORT=0", "SECRET="+old+" "+secret)
	node.Stderr = os.Stderr
	out := must(node.StdoutPipe())
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	defer node.Wait()
	defer kill()
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "listening on ") {
		t.Fatalf("it says %q", lines.Text())
	}
	url := "http://127.0.0.1:" + strings.TrimPrefix(lines.Text(), "listening on ")

	rec := &recorder{}
	defer rec.CloseIdleConnections()
	ask := func(secrets []string, cookie string) (live.Identity, error) {
		w := must(webhook.New(webhook.Options{URL: url, Secrets: secrets, Events: everything, Transport: rec, Timeout: time.Minute, Logger: new(logbook).logger()}))
		defer w.Close(context.Background())
		return w.Authenticate(nil)(t.Context(), live.Credentials{Header: http.Header{"Cookie": {cookie}}})
	}
	for _, secrets := range [][]string{{secret}, {old}, {webhook.NewSecret(), old}} {
		if id, err := ask(secrets, "session=42"); err != nil || id.User != "ann" {
			t.Errorf("%+v, %v", id, err)
		}
	}
	var e *live.Error
	if id, err := ask([]string{secret}, "session=43"); !errors.As(err, &e) || e.Code != "unauthorized" || e.Message != "log in" {
		t.Errorf("%+v, %v", id, err)
	}
	if id, err := ask([]string{webhook.NewSecret()}, "session=42"); !errors.As(err, &e) || e.Code != "unavailable" {
		t.Errorf("with a foreign secret: %+v, %v", id, err)
	}
	ask([]string{secret}, "session=42")
	send := func(header http.Header, body string) int {
		r := must(http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body)))
		r.Header = header
		resp, err := rec.Transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := send(rec.header, string(rec.body)); got != 401 {
		t.Errorf("a replay is answered with %d", got)
	}
	if got := send(signed("msg_old", time.Now().Add(-10*time.Minute), "{}"), "{}"); got != 401 {
		t.Errorf("an old one is answered with %d", got)
	}
	// Told twice with one id: an effect once. The third has another, so that its line is the next.
	for i, id := range []string{"msg_1", "msg_1", "msg_2"} {
		body := `{"event":"disconnect","user":"` + []string{"ann", "again", "bob"}[i] + `"}`
		if got := send(signed(id, time.Now(), body), body); got != 200 {
			t.Errorf("telling is answered with %d", got)
		}
	}
	for _, want := range []string{"ann has gone", "bob has gone"} {
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("it says %q, want %q", lines.Text(), want)
		}
	}
}
