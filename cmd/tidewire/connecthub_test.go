package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
)

// connectHub is a hub for connect --live. Who brings the token ann is ann, red; who brings brief is so once, for a second; who brings none is nobody.
// It calls:
//
//	sum    adds numbers
//	poke   sends the message poked, without a room
//	leave  has the caller leave a room
//
// and has the rooms room:*, with a history and presence, log:*, with a history alone, and quiet:*, with neither. Nobody may be in room:closed, the
// connection of who publishes cut is cut off, and who publishes away is sent away.
func connectHub(t testing.TB) *live.Hub {
	var used atomic.Bool
	hub := live.NewHub(&live.Options{
		Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			switch c.Token {
			case "":
				return live.Identity{}, nil
			case "ann":
				return live.Identity{User: "ann", Info: map[string]string{"colour": "red"}}, nil
			case "brief":
				if used.Swap(true) {
					return live.Identity{}, errors.New("this token was used")
				}
				return live.Identity{User: "brief", Expires: time.Now().Add(time.Second)}, nil
			}
			return live.Identity{}, errors.New("this token is unknown")
		},
		BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100, Presence: true})
	hub.ConfigureRooms("room:closed", live.RoomOptions{CanJoin: func(context.Context, *live.Session, string, string) error {
		return &live.Error{Code: "forbidden", Message: "it is closed"}
	}})
	hub.ConfigureRooms("log:*", live.RoomOptions{History: 100})
	hub.ConfigureRooms("quiet:*", live.RoomOptions{})
	live.Handle(hub, "sum", func(_ context.Context, _ *live.Session, all []int) (sum int, err error) {
		for _, n := range all {
			sum += n
		}
		return sum, nil
	})
	live.Handle(hub, "poke", func(ctx context.Context, s *live.Session, v any) (any, error) { return nil, s.Send(ctx, "poked", v) })
	live.Handle(hub, "leave", func(_ context.Context, s *live.Session, room string) (bool, error) {
		return s.Leave(room, "be off"), nil
	})
	live.OnPublish(hub, "room:*", func(_ context.Context, p *live.Publication[string]) error { return p.Session.Close(p.Data) }, "away")
	live.OnPublish(hub, "room:*", func(_ context.Context, p *live.Publication[any]) error { return p.Session.Conn().CloseNow() }, "cut")
	t.Cleanup(func() { hub.Close() })
	return hub
}
