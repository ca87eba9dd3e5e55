// Command echo is a WebSocket echo: a server that sends every message back, and a
// client that talks to it.
//
//	go run ./examples/echo                                    # serves ws://127.0.0.1:8080/
//	go run ./examples/echo -dial ws://127.0.0.1:8080/ one two # sends two messages, prints the answers
//
// The server handles each connection in a loop of its own. See examples/chat for
// one that is driven by events.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/tidewire/tidewire/ws"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, or dials and returns when it has printed the answers.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on")
	url := flags.String("dial", "", "URL of a server to send the arguments to, instead of serving")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *url != "" {
		return dial(ctx, *url, flags.Args(), stdout)
	}
	return serve(ctx, *addr, stdout)
}

func serve(ctx context.Context, addr string, stdout io.Writer) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on ws://%s/\n", ln.Addr())

	// A HandlerFunc is called with each message. One connection's messages come one
	// after the other; what Write cannot send at once is queued, within bounds.
	srv := &ws.Server{
		Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
				c.Write(context.Background(), typ, p) // if it fails, the connection is over
			}), nil, nil
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		srv.Close()
		return err
	case <-ctx.Done():
	}
	// Everybody is told 1001 (going away) and has five seconds to answer.
	bound, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = srv.Shutdown(bound)
	<-failed
	return err
}

// dial sends each text and prints what comes back.
func dial(ctx context.Context, url string, texts []string, stdout io.Writer) error {
	c, _, err := ws.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for _, text := range texts {
		if err := ws.Plain.Send(ctx, c, text); err != nil {
			return err
		}
		var answer string
		if err := ws.Plain.Receive(ctx, c, &answer); err != nil {
			return err
		}
		fmt.Fprintln(stdout, answer)
	}
	if err := c.Close(ws.StatusNormalClosure, ""); err != nil {
		return errors.New("the server did not say goodbye: " + err.Error())
	}
	return nil
}
