package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/service/webhook"
	"github.com/tidewire/tidewire/ws"
)

// collect answers as a collector of spans, and sends the path and the body of what comes.
func collect(t *testing.T) <-chan string {
	got := make(chan string, 100)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + "\n" + string(body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{}")
	}))
	t.Cleanup(collector.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	return got
}

// greet says hello to an endpoint, and returns the code of its answer, or "ok". The connection stays until the test ends, and answers no close.
func greet(t *testing.T, host, path, token string) (c *ws.Conn, code string) {
	t.Helper()
	c, _, err := ws.Dial(t.Context(), "ws://"+host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	hello, _ := json.Marshal(map[string]any{"type": "$hello", "id": 1, "data": map[string]any{"token": token}})
	if err := c.Write(t.Context(), ws.Text, hello); err != nil {
		return c, err.Error()
	}
	_, answer, err := c.Read(t.Context())
	if err != nil {
		return c, err.Error()
	}
	var m struct {
		Type string
		Data struct{ Code string }
	}
	json.Unmarshal(answer, &m)
	if m.Type == "$ok" {
		return c, "ok"
	}
	return c, m.Data.Code
}

// Who was cut off when the drain's time was over has gone: the application is told, and the spans are sent.
func TestTellsOfWhoWasCutOff(t *testing.T) {
	secret := webhook.NewSecret()
	b, spans := newBackend(t, secret), collect(t)
	s := serve(t, "--rooms", "chat:*", "--jwt-secret-file", secretFile(t, testSecret), "--drain", "300ms", "--traces", "1",
		"--webhook-url", b.URL, "--webhook-secret-file", secretFile(t, secret), "--webhook-events", "disconnect")
	if _, got := greet(t, s.host, "/live", pass(t, "ann", nil)); got != "ok" {
		t.Fatal(got)
	}
	s.stop()
	if err := <-s.done; !errors.Is(err, errCut) {
		t.Errorf("it ended with %v", err)
	}
	s.done <- nil
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := strings.Join(b.heard, "; "); got != "disconnect ann" {
		t.Errorf("the application heard %q", got)
	}
	if len(spans) == 0 {
		t.Error("no spans were sent")
	}
}

// An application that hangs does not take the time in which spans are sent, nor more than the drain's.
func TestDrainsWhileTheApplicationHangs(t *testing.T) {
	secret, free := webhook.NewSecret(), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-free }))
	defer app.Close()
	defer close(free)
	spans := collect(t)
	s := serve(t, "--rooms", "chat:*", "--jwt-secret-file", secretFile(t, testSecret), "--drain", "1200ms", "--traces", "1",
		"--webhook-url", app.URL, "--webhook-secret-file", secretFile(t, secret), "--webhook-events", "disconnect")
	c, err := s.enter(t, pass(t, "ann", nil))
	if err != nil {
		t.Fatal(err)
	}
	c.Close(t.Context())
	s.stop()
	late := time.After(patience)
	select {
	case err := <-s.done:
		if err != nil {
			t.Error(err)
		}
		s.done <- nil
	case <-late:
		t.Fatal("it does not end")
	}
	if len(spans) == 0 {
		t.Error("no spans were sent")
	}
}
