// Command typed is a chat with typed messages and a request on package live, with two
// guests on package client: one speaks, the other comes late and reads what was said.
//
//	go run ./examples/typed
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
)

// Chat is what the room's messages hold.
type Chat struct{ Text string }

func newHub() *live.Hub {
	hub := live.NewHub(nil)
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100})
	live.OnPublish(hub, "room:*", func(_ context.Context, p *live.Publication[Chat]) error {
		if p.Data.Text = strings.TrimSpace(p.Data.Text); p.Data.Text == "" {
			return &live.Error{Code: "chat.empty", Message: "say something"}
		}
		return nil
	}, "chat")
	live.Handle(hub, "upper", func(_ context.Context, _ *live.Session, s string) (string, error) {
		return strings.ToUpper(s), nil
	})
	return hub
}

func run(ctx context.Context, out io.Writer) error {
	hub := newHub()
	defer hub.Close()
	server := httptest.NewServer(hub) // or http.Handle("/live", hub)
	defer server.Close()
	ann, err := client.Dial(ctx, server.URL, nil)
	if err != nil {
		return err
	}
	defer ann.Close(ctx)
	room, err := ann.Room("room:7", nil)
	if err != nil {
		return err
	}
	for _, text := range []string{"  hello ", " ", "anybody?"} {
		_, err := room.Send(ctx, "chat", Chat{text})
		fmt.Fprintf(out, "ann says %q: %v\n", text, err)
	}
	loud, err := client.Call[string, string](ctx, ann, "upper", "hello")
	fmt.Fprintln(out, "ann asks:", loud, err)

	bob, err := client.Dial(ctx, server.URL, nil)
	if err != nil {
		return err
	}
	defer bob.Close(ctx)
	if room, err = bob.Room("room:7", &client.RoomOptions{Last: 50}); err != nil {
		return err
	}
	for m, err := range client.Messages[Chat](ctx, room, "chat") {
		if fmt.Fprintln(out, "bob reads:", m.Data.Text, err); m.Data.Text == "anybody?" || err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}
