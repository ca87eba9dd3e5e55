package api_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/api"
)

// failing is a broker that does what its test wants with some types and rooms.
type failing struct {
	live.Broker
	publish func(p *live.Publish) error // nil of what is to be stored
	history func() error
	down    atomic.Pointer[error] // of all but these two
}

func (f *failing) Subscribe(room live.Room, sink live.Sink) (func(), error) {
	if err := f.down.Load(); err != nil {
		return nil, *err
	}
	return f.Broker.Subscribe(room, sink)
}

func (f *failing) Signal(topic string, p []byte) error {
	if err := f.down.Load(); err != nil {
		return *err
	}
	return f.Broker.Signal(topic, p)
}

func (f *failing) Publish(p *live.Publish, done func(live.Stored, error)) {
	if err := f.publish(p); err != nil {
		done(live.Stored{}, err)
		return
	}
	f.Broker.Publish(p, done)
}

func (f *failing) History(ctx context.Context, room live.Room, q live.Query) (live.Page, error) {
	if f.history != nil {
		if err := f.history(); err != nil {
			return live.Page{}, err
		}
	}
	return f.Broker.History(ctx, room, q)
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// openFailing is open, with a broker of which the type of a message says how it fails.
func openFailing(t *testing.T) (*desk, *failing, *lines) {
	f := &failing{Broker: live.NewMemory(nil)}
	t.Cleanup(func() { f.Broker.Close() })
	f.publish = func(p *live.Publish) error {
		switch p.Message.Type {
		case "panic":
			panic("the broker\nhas a bug")
		case "down":
			return live.ErrUnavailable
		case "busy":
			e := protocol.Errorf(protocol.CodeBusy, "too many")
			e.RetryAfter = 1500
			return e
		case "odd":
			return errors.New("10.0.0.7:4222: the password is hunter2")
		case "stranger":
			return protocol.Errorf("app.own", "from a broker of one's own")
		}
		return nil
	}
	hub := live.NewHub(&live.Options{Broker: f})
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 10, Presence: true})
	h, err := api.New(hub, key)
	if err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	h.Logger = slog.New(slog.NewTextHandler(log, nil))
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.Close()
		hub.Close()
	})
	return &desk{t, hub, s.URL}, f, log
}

// What fails on the server's side is told by a code, in the log by what it was, and ends neither the process nor the connection.
func TestFailures(t *testing.T) {
	d, f, log := openFailing(t)
	for _, tc := range []struct {
		status            int
		typ, code, logged string
	}{
		{503, "down", "unavailable", ""},
		{429, "busy", "busy", ""},
		{500, "odd", "internal", "hunter2"},
		{500, "stranger", "internal", "app.own"},
		{500, "panic", "internal", `the broker\nhas a bug`},
	} {
		code, header, text := d.ask("POST", "/api/publish", `{"room":"room:7","type":"`+tc.typ+`"}`)
		if code != tc.status || !strings.Contains(text, `{"error":{"code":"`+tc.code+`"`) || strings.Contains(text, "hunter2") || strings.Contains(text, "bug") {
			t.Errorf("%s: %d %s", tc.typ, code, text)
		}
		if tc.code == "busy" && (header.Get("Retry-After") != "2" || !strings.Contains(text, `"retryAfter":1500`)) {
			t.Errorf("%s %v", text, header)
		}
		if !strings.Contains(log.String(), tc.logged) || strings.Contains(log.String(), key) {
			t.Errorf("%s: the log has no %q, or has the key:\n%s", tc.typ, tc.logged, log.String())
		}
	}
	d.want(200, "POST", "/api/publish", `{"messages":[{"room":"room:1","type":"down"},{"room":"room:1","type":"n"},{"room":"room:2","type":"n"},{"room":"room:3","type":"busy"}]}`,
		`{"results":[{"room":"room:1","error":{"code":"unavailable","retryable":true}},{"room":"room:1","error":{"code":"aborted","retryable":true}},
			{"room":"room:2","pos":{}},{"error":{"code":"busy","retryAfter":1500}}]}`)
	// One that panics in a batch, or in a broadcast, is not the end of the process: it was a goroutine's.
	d.want(500, "POST", "/api/publish", `{"messages":[{"room":"room:1","type":"n"},{"room":"room:2","type":"panic"},{"room":"room:3","type":"panic"}]}`, `{"error":{"code":"internal"}}`)
	d.want(500, "POST", "/api/broadcast", `{"rooms":["room:1","room:2"],"type":"panic"}`, `{"error":{"code":"internal"}}`)
	f.history = func() error { panic("another bug") }
	d.want(500, "GET", "/api/history?room=room:2", "", `{"error":{"code":"internal"}}`)
	f.history = func() error { return live.ErrUnavailable }
	d.want(503, "GET", "/api/history?room=room:2", "", `{"error":{"code":"unavailable"}}`)
	f.down.Store(&live.ErrUnavailable)
	d.want(503, "GET", "/api/presence?room=room:2", "", `{"error":{"code":"unavailable"}}`)
	d.want(503, "POST", "/api/disconnect", `{"user":"ann"}`, `{"error":{"code":"unavailable"}}`)
	d.want(200, "POST", "/api/broadcast", `{"users":["ann"],"type":"n"}`, `{"results":[{"user":"ann","error":{"code":"unavailable"}}]}`)
	other := errors.New("no route to 10.0.0.7")
	f.down.Store(&other)
	d.want(500, "POST", "/api/disconnect", `{"user":"ann","room":"room:2"}`, `{"error":{"code":"internal"}}`)
	f.down.Store(nil)
	f.history = nil
	d.want(200, "GET", "/api/history?room=room:2", "", `{"messages":[{"type":"n"}]}`)
}
