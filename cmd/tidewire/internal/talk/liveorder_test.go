package talk_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// atHub calls f in virtual time with a hub, and who connects to it.
func atHub(t *testing.T, o *live.Options, f func(t *testing.T, hub *live.Hub, d *talk.Dialer)) {
	synctest.Test(t, func(t *testing.T) {
		o.BackoffMin, o.BackoffMax, o.Logger = time.Millisecond, time.Millisecond, slog.New(slog.DiscardHandler)
		hub := live.NewHub(o)
		defer hub.Close()
		ln := wstest.Listen()
		server := &http.Server{Handler: hub}
		go server.Serve(ln)
		defer server.Close()
		target, err := talk.ParseTarget("ws://hub/")
		if err != nil {
			t.Fatal(err)
		}
		f(t, hub, &talk.Dialer{Target: target, WebSocket: ws.DialOptions{NetDial: ln.DialContext}})
	})
}

// events connects and calls f with the name of each event, and how many there were. It returns all of them.
func events(t *testing.T, d *talk.Dialer, f func(p talk.Peer, event string, n int)) string {
	p, err := d.Live(t.Context())
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
		f(p, e.Event, len(told))
	})
	if !end.Well() {
		t.Error(end)
	}
	return strings.Join(told, " ")
}

// greeting has a hub speak to each session before it has let it in.
func greeting(t *testing.T) *live.Hooks {
	return &live.Hooks{Connected: func(s *live.Session) {
		if err := s.Send(context.Background(), "hi", 1); err != nil {
			t.Error(err)
		}
	}}
}

// TestLiveTellsInOrder has messages come by a new connection while the loss of the last one is being told: word of the connection comes first.
func TestLiveTellsInOrder(t *testing.T) {
	atHub(t, &live.Options{}, func(t *testing.T, hub *live.Hub, d *talk.Dialer) {
		told := events(t, d, func(p talk.Peer, event string, n int) {
			switch {
			case n == 1:
				hub.Sessions()[0].Conn().CloseNow()
			case event == "lost":
				time.Sleep(time.Second) // it comes back
				for range 3 {
					if err := hub.Sessions()[0].Send(t.Context(), "hi", 1); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(time.Second) // they come, and wait to be told
			case event == "message":
				p.Finish(ws.StatusNormalClosure, "")
			}
		})
		if !strings.HasPrefix(told, "connected lost connected message") {
			t.Error(told)
		}
	})
}

// TestLiveTellsOfAGreeting has messages come ahead of the hub's answer to $hello: they wait for word of the connection, too.
func TestLiveTellsOfAGreeting(t *testing.T) {
	slow := func(context.Context, live.Credentials) (live.Identity, error) {
		time.Sleep(time.Second) // the greeting comes, and waits to be told
		return live.Identity{}, nil
	}
	atHub(t, &live.Options{Hooks: greeting(t), Authenticate: slow}, func(t *testing.T, hub *live.Hub, d *talk.Dialer) {
		told := events(t, d, func(p talk.Peer, event string, n int) {
			switch {
			case n == 2:
				hub.Sessions()[0].Conn().CloseNow()
			case event == "message":
				p.Finish(ws.StatusNormalClosure, "")
			}
		})
		if told != "connected message lost connected message" {
			t.Error(told)
		}
	})
}

// TestLiveRefusedBehindAGreeting has a hub speak to who is not let in then: nobody is there to hear it, and nobody waits for that.
func TestLiveRefusedBehindAGreeting(t *testing.T) {
	no := func(context.Context, live.Credentials) (live.Identity, error) {
		return live.Identity{}, errors.New("no")
	}
	atHub(t, &live.Options{Hooks: greeting(t), Authenticate: no}, func(t *testing.T, _ *live.Hub, d *talk.Dialer) {
		began := time.Now()
		if _, err := d.Live(t.Context()); err == nil || !strings.Contains(err.Error(), "does not let you in") {
			t.Error(err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("it took %v to say so", d)
		}
	})
}
