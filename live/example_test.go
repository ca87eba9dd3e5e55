package live_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
)

// A hub with rooms whose messages are stored, beside the rest of a web server.
func Example() {
	hub := live.NewHub(nil)
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100, HistoryAge: time.Hour})
	http.Handle("/live", hub)

	pos, err := hub.Room("room:7").Publish(context.Background(), "notice", "open")
	fmt.Println(pos.Seq, err)

	// When the program ends: tell the clients to come back elsewhere, a few at a time.
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	fmt.Println(hub.Shutdown(ctx))
	// Output:
	// 1 <nil>
	// <nil>
}

// Messages and calls without a room, in both directions.
func ExampleHandle() {
	type Point struct{ X, Y int }
	hub := live.NewHub(nil)
	defer hub.Close()
	live.On(hub, "cursor", func(_ context.Context, s *live.Session, p Point) error {
		slog.Debug("cursor", "session", s.ID(), "at", p)
		return nil
	})
	live.Handle(hub, "order", func(ctx context.Context, s *live.Session, item string) (string, error) {
		sure, err := live.Call[string, bool](ctx, s, "confirm", "order "+item+"?")
		if err != nil || !sure {
			return "", &live.Error{Code: "shop.given-up", Message: "not confirmed"}
		}
		return "ordered", hub.User(s.User()).Send(ctx, "mail", "thank you")
	})
}

// What a client publishes can be changed, refused and answered.
func ExampleOnPublish() {
	type Chat struct{ Text string }
	hub := live.NewHub(nil)
	defer hub.Close()
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100})
	live.OnPublish(hub, "room:*", func(_ context.Context, p *live.Publication[Chat]) error {
		if p.Data.Text = strings.TrimSpace(p.Data.Text); p.Data.Text == "" {
			return &live.Error{Code: "chat.empty", Message: "say something"}
		}
		return nil
	}, "chat")
}

// Who somebody is, which rooms they may enter, and what they may publish there.
func ExampleRoomOptions() {
	hub := live.NewHub(&live.Options{
		Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			user, ok := strings.CutPrefix(c.Token, "token-of-") // check a signature instead
			if !ok {
				return live.Identity{}, errors.New("no token of ours")
			}
			return live.Identity{User: user, Expires: time.Now().Add(time.Hour)}, nil
		},
	})
	defer hub.Close()
	hub.ConfigureRooms("user:*", live.RoomOptions{
		History: 20,
		CanJoin: func(_ context.Context, s *live.Session, room, _ string) error {
			if room != "user:"+s.User() {
				return errors.New("not yours") // the client is told "forbidden"
			}
			return nil
		},
		CanPublish: func(context.Context, *live.Session, string, string) error { return errors.New("read only") },
	})
	hub.ConfigureRooms("prices:*", live.RoomOptions{Slow: live.Latest})
}

// Who is in a room.
func ExampleRoomHandle_Present() {
	hub := live.NewHub(&live.Options{
		Authenticate: func(context.Context, live.Credentials) (live.Identity, error) {
			return live.Identity{User: "ann", Info: map[string]string{"color": "red"}}, nil
		},
	})
	defer hub.Close()
	hub.ConfigureRooms("room:*", live.RoomOptions{Presence: true})
	crowd, err := hub.Room("room:7").Present(context.Background())
	fmt.Println(crowd.Users, err)
	// Output: 0 <nil>
}

// Counters for expvar, and a log of what handlers take.
func ExampleHooks() {
	counts := new(expvar.Map) // or expvar.NewMap("live"), which publishes it at /debug/vars
	hub := live.NewHub(&live.Options{Hooks: &live.Hooks{
		Connected:    func(*live.Session) { counts.Add("sessions", 1) },
		Disconnected: func(*live.Session, error) { counts.Add("sessions", -1) },
		Published: func(_ *live.Message, members int) {
			counts.Add("published", 1)
			counts.Add("delivered", int64(members))
		},
		Slow: func(_ *live.Session, _ string, p live.Policy) { counts.Add("slow: "+p.String(), 1) },
		Gap:  func(_, reason string) { counts.Add("gap: "+reason, 1) },
		Message: func(ctx context.Context, s *live.Session, m *live.Message) (context.Context, func(error)) {
			began := time.Now()
			return ctx, func(err error) {
				slog.DebugContext(ctx, "message", "type", m.Type, "room", m.Room, "took", time.Since(began), "error", err)
			}
		},
	}})
	defer hub.Close()
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100})
	server := httptest.NewServer(hub)
	defer server.Close()

	ctx := context.Background()
	c, err := client.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ctx)
	room, err := c.Room("room:7", nil)
	if err == nil {
		err = room.Join(ctx)
	}
	if err == nil {
		_, err = room.Send(ctx, "chat", "hi")
	}
	fmt.Println(err, "sessions:", counts.Get("sessions"))
	// Output: <nil> sessions: 1
}
