package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/webhook"
)

const (
	testSecret = "0123456789abcdef0123456789abcdef"
	testKey    = "fedcba9876543210"
)

// secretFile writes a file for its owner alone, and returns its name.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// pass returns a token for a user, with more claims.
func pass(t *testing.T, user string, more jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range more {
		claims[name] = value
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// enter connects with a token.
func (s *served) enter(t *testing.T, token string) (*client.Client, error) {
	t.Helper()
	c, err := client.Dial(t.Context(), "ws://"+s.host+"/live", &client.Options{
		Token: func(context.Context, client.Reason) (string, error) { return token, nil },
	})
	if err == nil {
		t.Cleanup(func() { c.Close(context.Background()) })
	}
	return c, err
}

// hear joins a room, and returns what it hears there of a type, with who said it.
func hear(t *testing.T, c *client.Client, name, typ string) (*client.Room, <-chan string) {
	t.Helper()
	room, err := c.Room(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 10)
	client.OnMessage(room, typ, func(_ context.Context, data string, m client.Meta) { heard <- data + " of " + m.From })
	if err := room.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	return room, heard
}

func refusal(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

// backend is an application that says HI where clients say hi, and lets nobody say no.
type backend struct {
	*httptest.Server
	mu    sync.Mutex
	heard []string
}

func newBackend(t *testing.T, secret string) *backend {
	guard, err := webhook.NewGuard(0, secret)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, _, err := guard.Check(r.Header, body, time.Now()); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		var q struct{ Event, User, Room, Data string }
		json.Unmarshal(body, &q)
		b.mu.Lock()
		b.heard = append(b.heard, strings.TrimSpace(fmt.Sprint(q.Event, " ", q.User, " ", q.Room, " ", q.Data)))
		b.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch q.Data {
		case "hi":
			io.WriteString(w, `{"allow":true,"data":"HI"}`)
		case "no":
			io.WriteString(w, `{"error":{"code":"chat.rude","message":"not here"}}`)
		default:
			io.WriteString(w, `{"allow":true}`)
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// Rooms, tokens, an application that is asked, the API, the console and the metrics, in one server.
func TestApplication(t *testing.T) {
	secret := webhook.NewSecret()
	b := newBackend(t, secret)
	s := serve(t, "--rooms", "chat:* history=10 presence allow=join,publish", "--rooms", "secret:* history=10",
		"--jwt-secret-file", secretFile(t, testSecret), "--api-key-file", secretFile(t, testKey), "--console-key-file", secretFile(t, "console-"+testKey),
		"--webhook-url", b.URL+"/hook", "--webhook-secret-file", secretFile(t, secret), "--webhook-events", "publish,disconnect",
		"--admin-addr", "127.0.0.1:0", "--access-log", "1")

	if _, err := s.enter(t, ""); refusal(err) != "unauthorized" {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := s.enter(t, pass(t, "ann", jwt.MapClaims{"aud": "somebody else"})); refusal(err) != "unauthorized" {
		t.Errorf("a token for somebody else: %v", err)
	}
	ann, err := s.enter(t, pass(t, "ann", nil))
	if err != nil {
		t.Fatal(err)
	}
	room, heard := hear(t, ann, "chat:7", "n")
	if _, err := room.Send(t.Context(), "n", "hi"); err != nil {
		t.Error(err)
	}
	if _, err := room.Send(t.Context(), "n", "no"); refusal(err) != "chat.rude" {
		t.Errorf("what the application refuses: %v", err)
	}
	if code, text := get(t, "http://"+s.host+"/api/history?room=chat:7", testKey); code != 200 || !strings.Contains(text, `"data":"HI"`) || strings.Contains(text, `"no"`) {
		t.Errorf("%d %s", code, text)
	}
	if got := <-heard; got != "HI of ann" {
		t.Error(got)
	}

	// The narrow rule allows nothing; a token may.
	closed, err := ann.Room("secret:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Join(t.Context()); refusal(err) != "forbidden" {
		t.Errorf("without a grant: %v", err)
	}
	bob, err := s.enter(t, pass(t, "bob", jwt.MapClaims{"rooms": []any{map[string]any{"room": "secret:*", "can": []string{"join"}}}}))
	if err != nil {
		t.Fatal(err)
	}
	if closed, err = bob.Room("secret:1", nil); err != nil {
		t.Fatal(err)
	}
	if err := closed.Join(t.Context()); err != nil {
		t.Errorf("with a grant: %v", err)
	}

	// What needs a key answers nobody without, and what is not offered is not there.
	for _, path := range []string{"/api/rooms", "/api/history?room=chat:7", "/api/openapi.yaml", "/api/"} {
		if code, text := get(t, "http://"+s.host+path); code != 401 || strings.Contains(text, "chat:7") {
			t.Errorf("%s without a key: %d %s", path, code, text)
		}
		if code, _ := get(t, "http://"+s.host+path, "console-"+testKey); code != 401 {
			t.Errorf("%s with the console's key: %d", path, code)
		}
	}
	for path, want := range map[string]int{
		"/": 404, "/chat/": 404, "/echo": 404, "/metrics": 404, "/debug/pprof/": 404, "/tidewire.js": 200, "/console/": 200, "/console/live": 426, "/live": 426,
		"/readyz": 200, "/healthz": 200,
	} {
		if code, _ := get(t, "http://"+s.host+path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	if code, text := get(t, "http://"+s.adminHost(t)+"/metrics"); code != 200 || !strings.Contains(text, "\ntidewire_sessions 2\n") || !strings.Contains(text, "\n"+`tidewire_webhook_refusals_total{event="publish"} 1`+"\n") || strings.Contains(text, testKey) {
		t.Errorf("%d %.2000s", code, text)
	}

	// Before it goes it tells the application who has gone.
	s.stop()
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	s.done <- nil
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.Sort(b.heard)
	if got := strings.Join(b.heard, "; "); got != "disconnect ann; disconnect bob; publish ann chat:7 hi; publish ann chat:7 no" {
		t.Error(got)
	}
}

// Where the application says who a client is, its answer counts, and where it gives none nobody comes in.
func TestApplicationAsksWhoItIs(t *testing.T) {
	secret := webhook.NewSecret()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"user":"carol","rooms":[{"room":"chat:*","can":["join"]}]}`)
	}))
	s := serve(t, "--rooms", "chat:* history=10", "--webhook-url", app.URL, "--webhook-secret-file", secretFile(t, secret), "--webhook-events", "connect", "--webhook-timeout", "1s")
	c, err := s.enter(t, "anything")
	if err != nil {
		t.Fatal(err)
	}
	if who := c.State().User; who != "carol" {
		t.Errorf("it is %q", who)
	}
	room, err := c.Room("chat:7", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := room.Join(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := room.Send(t.Context(), "n", "hi"); refusal(err) != "forbidden" {
		t.Errorf("what rooms does not allow: %v", err)
	}
	app.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if late, err := client.Dial(ctx, "ws://"+s.host+"/live", nil); err == nil {
		late.Close(context.Background())
		t.Error("somebody came in while nobody could say who it is")
	}
}

// Spans go where the environment says, and what waits is sent before the end.
func TestTraces(t *testing.T) {
	spans := collect(t)
	s := serve(t, "--rooms", "chat:* allow=join", "--anonymous", "--traces", "1")
	c, err := s.enter(t, "")
	if err != nil {
		t.Fatal(err)
	}
	room, err := c.Room("chat:7", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := room.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.stop()
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	s.done <- nil
	text := ""
	for len(spans) > 0 {
		text += <-spans
	}
	if !strings.Contains(text, "/v1/traces\n") || !strings.Contains(text, "tidewire join") || strings.Contains(text, "chat:7") {
		t.Errorf("the collector got %s", text)
	}
}
