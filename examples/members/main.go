// Command members has rooms that not everybody may enter. Who comes brings a token, which says
// who it is and for how long; the client brings the next one by itself and stays in its rooms.
//
//	go run ./examples/members
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
)

var readers, writers = []string{"ann", "bob"}, []string{"ann"} // of every team

// newHub makes a hub where a token is good for ttl. Yours would check a signature and its date.
func newHub(tokens map[string]string, ttl time.Duration) *live.Hub {
	hub := live.NewHub(&live.Options{Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
		user, ok := tokens[c.Token]
		if !ok {
			return live.Identity{}, errors.New("no token of ours") // the client is told "unauthorized"
		}
		return live.Identity{User: user, Expires: time.Now().Add(ttl)}, nil
	}})
	only := func(users []string, s *live.Session) error {
		if !slices.Contains(users, s.User()) {
			return &live.Error{Code: "forbidden", Message: "not for " + s.User()}
		}
		return nil
	}
	hub.ConfigureRooms("team:*", live.RoomOptions{
		History:    100,
		CanJoin:    func(_ context.Context, s *live.Session, _, _ string) error { return only(readers, s) },
		CanPublish: func(_ context.Context, s *live.Session, _, _ string) error { return only(writers, s) },
	})
	return hub
}

// visit joins a team, stays for a while, and then says something there.
func visit(ctx context.Context, out io.Writer, url, token string, stay time.Duration) error {
	c, err := client.Dial(ctx, url, &client.Options{Token: func(_ context.Context, why client.Reason) (string, error) {
		fmt.Fprintln(out, "token wanted:", why)
		return token, nil // ask your login for a new one: this is called before the identity expires, too
	}})
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	room, err := c.Room("team:red", nil)
	if err == nil {
		err = room.Join(ctx)
	}
	if err != nil {
		return err
	}
	time.Sleep(stay)
	_, err = room.Send(ctx, "note", "hello")
	return err
}

func run(ctx context.Context, out io.Writer, ttl time.Duration) {
	hub := newHub(map[string]string{"a1": "ann", "b2": "bob", "e3": "eve"}, ttl)
	defer hub.Close()
	server := httptest.NewServer(hub) // or http.Handle("/live", hub)
	defer server.Close()
	fmt.Fprintln(out, "ann:", visit(ctx, out, server.URL, "a1", 2*ttl)) // longer than a token lasts
	fmt.Fprintln(out, "bob:", visit(ctx, out, server.URL, "b2", 0))
	fmt.Fprintln(out, "eve:", visit(ctx, out, server.URL, "e3", 0))
	fmt.Fprintln(out, "mallory:", visit(ctx, out, server.URL, "forged", 0))
}

func main() { run(context.Background(), os.Stdout, 2*time.Second) }
