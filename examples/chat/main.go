// Command chat is a chat between all who open its page: messages {type, data}, a hub
// that sends each of them to everybody, and a page that comes back by itself when
// the connection is lost.
//
//	go run ./examples/chat            # then open http://127.0.0.1:8080/ twice
//
// "tidewire serve" has a chat with more to it, on package live: names that may
// change, rates, confirmations, and what was missed while away.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws"
)

//go:embed page.html
var page string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// options bound what one member can do. A page that reads too slowly is closed with
// 1013 when its queue is full (that is the default QueuePolicy), so that nobody
// waits for it. Pages of other sites may not connect (so is Origin's).
var options = ws.AcceptOptions{ConnOptions: ws.ConnOptions{
	MaxMessage: 4 << 10,
	WriteQueue: 256 << 10,
}}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on")
	members := flags.Int("members", 1000, "how many may take part at once")
	heartbeat := flags.Duration("heartbeat", 10*time.Second, "time between two heartbeats")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *heartbeat < time.Millisecond {
		return fmt.Errorf("-heartbeat is %v; it must be a millisecond at least", *heartbeat)
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on http://%s/\n", ln.Addr())

	hub := newHub(*members)
	html := strings.ReplaceAll(page, "{{heartbeat}}", strconv.FormatInt(heartbeat.Milliseconds(), 10))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, html)
	})
	srv := &ws.Server{
		HTTP: mux, // the page and the sockets share a port
		Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			if r.Path() != "/chat" {
				return nil, nil, nil // 404
			}
			return &member{hub: hub}, &options, nil
		},
	}

	beats, stopBeats := context.WithCancel(context.Background())
	var beating sync.WaitGroup
	beating.Go(func() { hub.beat(beats, *heartbeat) })
	defer beating.Wait()
	defer stopBeats()

	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		srv.Close()
		return err
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = srv.Shutdown(bound)
	<-failed
	return err
}
