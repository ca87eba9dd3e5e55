package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tidewire/tidewire/client"
)

// Chat is the data of the messages in a room.
type Chat struct {
	Text string `json:"text"`
}

// A program that reads a room and writes to it, and survives that the connection is lost.
func Example() {
	ctx := context.Background()
	c, err := client.Dial(ctx, "wss://example.org/live", &client.Options{
		Token:   func(ctx context.Context, why client.Reason) (string, error) { return "…", nil },
		OnState: func(s client.State) { slog.Info("state", "phase", s.Phase, "error", s.Err) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ctx)

	room, err := c.Room("room:7", &client.RoomOptions{Last: 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	client.OnMessage(room, "chat", func(ctx context.Context, m Chat, meta client.Meta) {
		fmt.Println(meta.From, m.Text)
	})
	room.OnGap(func(ctx context.Context, g client.Gap) { fmt.Println("missing:", g.Reason) })
	if err := room.Join(ctx); err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := room.Send(ctx, "chat", Chat{"hi"}); errors.Is(err, client.ErrUnknown) {
		fmt.Println("perhaps it was stored")
	}
}

func ExampleCall() {
	var c *client.Client // from Dial
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	sum, err := client.Call[[]int, int](ctx, c, "sum", []int{1, 2})
	var e *client.Error
	if errors.As(err, &e) && e.Code == "shop.sold-out" {
		fmt.Println("none left")
	}
	fmt.Println(sum)
}

func ExampleMessages() {
	var room *client.Room // from Client.Room
	for m, err := range client.Messages[Chat](context.Background(), room, "chat") {
		var gap *client.Gap
		switch {
		case errors.As(err, &gap):
			fmt.Println("missing behind", gap.After)
		case err != nil:
			fmt.Println(err) // the last round, but for a message that does not fit Chat
		default:
			fmt.Println(m.From, m.Data.Text)
		}
	}
}
