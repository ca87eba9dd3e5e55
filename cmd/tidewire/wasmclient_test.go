package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
)

// TestClientInBrowser tries package client from inside Chromium against a hub.
func TestClientInBrowser(t *testing.T) {
	hub := live.NewHub(&live.Options{
		BackoffMin: 50 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		Limits: live.Limits{ExpiryGrace: time.Minute},
		Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			switch c.Token {
			case "bad":
				return live.Identity{}, &live.Error{Code: "unauthorized"}
			case "brief":
				return live.Identity{User: "brief", Expires: time.Now().Add(3 * time.Second)}, nil
			}
			return live.Identity{User: c.Token}, nil
		},
	})
	t.Cleanup(func() { hub.Close() })
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100, Presence: true})
	live.Handle(hub, "sum", func(_ context.Context, _ *live.Session, n []int) (sum int, err error) {
		for _, x := range n {
			sum += x
		}
		return sum, nil
	})
	live.Handle(hub, "ask", func(ctx context.Context, s *live.Session, q string) (bool, error) {
		return live.Call[string, bool](ctx, s, "confirm", q)
	})
	live.On(hub, "away", func(_ context.Context, s *live.Session, reason string) error { return s.Close(reason) })
	// The network breaks, and meanwhile others publish.
	live.On(hub, "cut", func(_ context.Context, s *live.Session, n int) error {
		s.Conn().CloseNow()
		for i := range n {
			if _, err := hub.Room("room:cut").Publish(context.Background(), "n", i); err != nil {
				return err
			}
		}
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("/live", hub)
	serveWasm(t, mux, "../../client/testdata/browser")
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	runWasm(t, server.URL, 13)
}
