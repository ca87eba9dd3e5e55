// Command typed is a chat with typed messages, requests and history on package live,
// and its two guests, on package client: one that speaks, and one that
// comes late and reads what was said.
//
//	go run ./examples/typed
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
)

// Chat is what the room's messages hold.
type Chat struct{ Text string }

func newHub() *live.Hub {
	hub := live.NewHub(nil)
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 100, HistoryAge: time.Hour})
	live.OnPublish(hub, "room:*", func(_ context.Context, p *live.Publication[Chat]) error {
		if p.Data.Text = strings.TrimSpace(p.Data.Text); p.Data.Text == "" {
			return &live.Error{Code: "chat.empty", Message: "say something"}
		}
		return nil
	}, "chat")
	live.Handle(hub, "sum", func(_ context.Context, _ *live.Session, n []int) (total int, _ error) {
		for _, x := range n {
			total += x
		}
		return total, nil
	})
	return hub
}

func run(ctx context.Context, out io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	hub := newHub()
	server := &http.Server{Handler: hub}
	go server.Serve(ln)
	defer server.Close()
	defer hub.Close()

	url := "ws://" + ln.Addr().String() + "/live"
	ann, err := client.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer ann.Close(ctx)
	room, err := ann.Room("room:7", nil)
	if err != nil {
		return err
	}
	for _, text := range []string{"  hello ", "anybody?"} {
		if _, err := room.Send(ctx, "chat", Chat{text}); err != nil {
			return err
		}
	}
	_, err = room.Send(ctx, "chat", Chat{" "})
	fmt.Fprintln(out, "refused:", err)
	sum, err := client.Call[[]int, int](ctx, ann, "sum", []int{1, 2, 3})
	fmt.Fprintln(out, "sum:", sum, err)

	return listen(ctx, url, out)
}

// listen is the guest that came late.
func listen(ctx context.Context, url string, out io.Writer) error {
	bob, err := client.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer bob.Close(ctx)
	room, err := bob.Room("room:7", &client.RoomOptions{Last: 50})
	if err != nil {
		return err
	}
	for m, err := range client.Messages[Chat](ctx, room, "chat") {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "bob reads:", m.Data.Text)
		if m.Data.Text == "anybody?" {
			return nil
		}
	}
	return nil
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
