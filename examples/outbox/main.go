// Command outbox shows the transactional outbox: an application writes what it has to tell beside what it tells of, and a relay
// publishes that over the HTTP API of a hub. Whatever dies in between, nothing is lost, and nothing is there twice.
//
//	outbox place FILE ROOM TEXT    puts a message into the outbox
//	outbox relay FILE URL          publishes what is there, and what comes; the API's key is in OUTBOX_KEY
//
// The outbox is a file here. docs/api.md says how it is a table.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv("OUTBOX_KEY")); err != nil {
		fmt.Fprintln(os.Stderr, "outbox:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, key string) error {
	switch {
	case len(args) == 4 && args[0] == "place":
		box, err := OpenFile(args[1])
		if err != nil {
			return err
		}
		return box.Append(args[2], "placed", args[3])
	case len(args) == 3 && args[0] == "relay":
		box, err := OpenFile(args[1])
		if err != nil {
			return err
		}
		relay := &Relay{
			Outbox: box, URL: args[2] + "/api/publish", Key: key, Every: 200 * time.Millisecond, Log: slog.Default(),
			Client: &http.Client{Timeout: 20 * time.Second},
		}
		relay.Run(ctx)
		return nil
	}
	return fmt.Errorf("usage: outbox place FILE ROOM TEXT, or outbox relay FILE URL")
}
