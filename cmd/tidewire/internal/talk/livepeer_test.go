package talk_test

import (
	"context"
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
