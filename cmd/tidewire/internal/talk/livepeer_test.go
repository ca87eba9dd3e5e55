package talk_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// TestLiveLeavesNothing ends connections to a hub in each way: no goroutine is left and no session, and nothing is told behind the end.
func TestLiveLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var refuse atomic.Bool
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	hub := live.NewHub(&live.Options{Logger: quiet, BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond, Authenticate: func(context.Context, live.Credentials) (live.Identity, error) {
		if refuse.Load() {
			return live.Identity{}, errors.New("no")
		}
		return live.Identity{User: "ann", Expires: time.Now().Add(time.Hour)}, nil
	}})
	defer hub.Close()
	hub.ConfigureRooms("room:*", live.RoomOptions{Presence: true, History: 10})
	live.OnPublish(hub, "room:*", func(_ context.Context, p *live.Publication[any]) error { return p.Session.Close("off") }, "away")
	live.OnPublish(hub, "room:*", func(_ context.Context, p *live.Publication[any]) error { return p.Session.Conn().CloseNow() }, "cut")
	server := httptest.NewServer(hub)
	defer server.Close()
	target, err := talk.ParseTarget("ws" + strings.TrimPrefix(server.URL, "http"))
	if err != nil {
		t.Fatal(err)
	}
	dialer := func(note func(string, ...any)) *talk.Dialer {
		return &talk.Dialer{Target: target, Token: talk.FixedToken("t"), Note: note, WebSocket: ws.DialOptions{ConnOptions: ws.ConnOptions{Logger: quiet}}}
	}
	for name, f := range map[string]func(cancel func(), p talk.Peer) (received bool){
		"finished":                   func(_ func(), p talk.Peer) bool { p.Finish(ws.StatusNormalClosure, ""); return true },
		"aborted":                    func(_ func(), p talk.Peer) bool { p.Abort(); return true },
		"aborted, and never read":    func(_ func(), p talk.Peer) bool { p.Abort(); return false },
		"cancelled":                  func(cancel func(), _ talk.Peer) bool { cancel(); return true },
		"finished, and then aborted": func(_ func(), p talk.Peer) bool { p.Finish(ws.StatusNormalClosure, ""); p.Abort(); return true },
	} {
		t.Run(name, func(t *testing.T) {
			var over atomic.Bool
			told := func() {
				if over.Load() {
					t.Error("something was told behind the end")
				}
			}
			p, err := dialer(func(string, ...any) { told() }).Live(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if f(cancel, p) {
				end := p.Receive(ctx, func(talk.Message) { told() })
				over.Store(true)
				if !end.Well() {
					t.Error(end)
				}
			}
			for end := time.Now().Add(10 * time.Second); len(hub.Sessions()) > 0; runtime.Gosched() {
				if time.Now().After(end) {
					t.Fatal("the hub still has the session")
				}
			}
		})
	}
	for why, command := range map[string]string{"4403": "/cast away", "does not take the token": "/cast cut"} {
		t.Run(why, func(t *testing.T) {
			defer refuse.Store(false)
			d := dialer(func(string, ...any) {})
			run := &talk.Talk{
				Connect: func(ctx context.Context) (talk.Peer, error) {
					p, err := d.Live(ctx)
					refuse.Store(true) // whoever comes back
					return p, err
				},
				Input: talk.Pipe(strings.NewReader("/join room:1\n"+command+"\n"), talk.Piping{Commands: true}), Commands: talk.LiveCommands,
				Screen: &talk.Screen{Out: &paper{}, Err: &paper{}}, Wait: time.Hour,
			}
			if err := run.Run(t.Context()); !errors.Is(err, talk.ErrBroken) || !strings.Contains(err.Error(), why) {
				t.Error(err)
			}
		})
	}
}

// TestLiveTellsInOrderOfAGreeting has messages come ahead of the hub's answer to $hello: they wait for word of the connection, too.
func TestLiveTellsInOrderOfAGreeting(t *testing.T) {
	hub := live.NewHub(&live.Options{BackoffMin: time.Millisecond, BackoffMax: time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Hooks: &live.Hooks{Connected: func(s *live.Session) {
			if err := s.Send(context.Background(), "hi", 1); err != nil {
				t.Error(err)
			}
		}},
		Authenticate: func(context.Context, live.Credentials) (live.Identity, error) {
			time.Sleep(20 * time.Millisecond) // the greeting comes, and waits to be told
			return live.Identity{}, nil
		}})
	defer hub.Close()
	server := httptest.NewServer(hub)
	defer server.Close()
	target, err := talk.ParseTarget("ws" + strings.TrimPrefix(server.URL, "http"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := (&talk.Dialer{Target: target}).Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	end := p.Receive(t.Context(), func(m talk.Message) {
		var e struct{ Event string }
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Error(err)
		}
		told = append(told, e.Event)
		switch {
		case len(told) == 2:
			hub.Sessions()[0].Conn().CloseNow()
		case e.Event == "message":
			p.Finish(ws.StatusNormalClosure, "")
		}
	})
	if !end.Well() {
		t.Error(end)
	}
	if got := strings.Join(told, " "); got != "connected message lost connected message" {
		t.Error(got)
	}
}

// TestLiveRefusedBehindAGreeting has a hub speak to who is not let in then: nobody is there to hear it, and nobody waits for that.
func TestLiveRefusedBehindAGreeting(t *testing.T) {
	closed := make(chan error, 1)
	hub := live.NewHub(&live.Options{Logger: slog.New(slog.DiscardHandler),
		Hooks: &live.Hooks{
			Connected: func(s *live.Session) {
				if err := s.Send(context.Background(), "hi", 1); err != nil {
					t.Error(err)
				}
			},
			Disconnected: func(_ *live.Session, err error) { closed <- err },
		},
		Authenticate: func(context.Context, live.Credentials) (live.Identity, error) {
			return live.Identity{}, errors.New("no")
		}})
	defer hub.Close()
	server := httptest.NewServer(hub)
	defer server.Close()
	target, err := talk.ParseTarget("ws" + strings.TrimPrefix(server.URL, "http"))
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() {
		_, err := (&talk.Dialer{Target: target}).Live(t.Context())
		told <- err
	}()
	if err := <-closed; ws.CloseStatus(err) != ws.StatusNormalClosure {
		t.Error(err)
	}
	select {
	case err := <-told:
		if err == nil || !strings.Contains(err.Error(), "does not let you in") {
			t.Error(err)
		}
	case <-time.After(6 * time.Second):
		t.Error("the connection is closed, and something is still waited for")
		<-told
	}
}

// TestLiveTellsInOrder has messages come by a new connection while the loss of the last one is being told: word of the connection comes first.
func TestLiveTellsInOrder(t *testing.T) {
	hub := live.NewHub(&live.Options{BackoffMin: time.Millisecond, BackoffMax: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	defer hub.Close()
	server := httptest.NewServer(hub)
	defer server.Close()
	target, err := talk.ParseTarget("ws" + strings.TrimPrefix(server.URL, "http"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := (&talk.Dialer{Target: target}).Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := hub.Sessions()[0]
	var told []string
	end := p.Receive(t.Context(), func(m talk.Message) {
		var e struct{ Event string }
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Error(err)
		}
		told = append(told, e.Event)
		switch {
		case len(told) == 1:
			first.Conn().CloseNow()
		case e.Event == "lost":
			for end := time.Now().Add(10 * time.Second); len(hub.Sessions()) == 0 || hub.Sessions()[0] == first; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					panic("it does not come back")
				}
			}
			second := hub.Sessions()[0]
			for range 3 {
				if err := second.Send(t.Context(), "hi", 1); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(20 * time.Millisecond) // they come, and wait to be told
		case e.Event == "message":
			p.Finish(ws.StatusNormalClosure, "")
		}
	})
	if !end.Well() {
		t.Error(end)
	}
	if got := strings.Join(told, " "); !strings.HasPrefix(got, "connected lost connected message") {
		t.Error(got)
	}
}
