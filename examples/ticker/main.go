// Command ticker publishes prices into a room that keeps the latest value of each key. Who
// joins late gets one price of each symbol, and who reads slowly gets the newest instead of a queue.
//
//	go run ./examples/ticker
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
)

// Price is what a symbol was worth, at the n-th tick.
type Price struct {
	Symbol string
	Cents  int
	Tick   int
}

func newHub() *live.Hub {
	hub := live.NewHub(nil)
	hub.ConfigureRooms("prices:*", live.RoomOptions{
		Slow:       live.Latest,
		CanPublish: func(context.Context, *live.Session, string, string) error { return fmt.Errorf("read only") },
	})
	return hub
}

// publish publishes a price: its symbol is the key under which the next one replaces it.
func publish(ctx context.Context, hub *live.Hub, p Price) error {
	_, err := hub.Room("prices:tech").Publish(ctx, "price", p, live.WithKey(p.Symbol))
	return err
}

// watch prints prices until it has seen that tick.
func watch(ctx context.Context, out io.Writer, url string, until int) error {
	c, err := client.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	room, err := c.Room("prices:tech", nil)
	if err != nil {
		return err
	}
	for m, err := range client.Messages[Price](ctx, room, "price") {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %d.%02d (tick %d)\n", m.Data.Symbol, m.Data.Cents/100, m.Data.Cents%100, m.Data.Tick)
		if m.Data.Tick >= until {
			return nil
		}
	}
	return nil
}

func main() {
	ctx, hub := context.Background(), newHub()
	server := httptest.NewServer(hub) // or http.Handle("/live", hub)
	go func() {
		for tick := range 200 {
			publish(ctx, hub, Price{[]string{"ACME", "GLOBEX", "HOOLI"}[tick%3], 9_000 + rand.IntN(2_000), tick})
			time.Sleep(5 * time.Millisecond)
		}
	}()
	time.Sleep(500 * time.Millisecond) // late: the first thing it gets is the latest of each symbol
	if err := watch(ctx, os.Stdout, server.URL, 199); err != nil {
		log.Fatal(err)
	}
}
