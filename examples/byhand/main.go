// Command byhand is a WebSocket echo server built from net/http and package
// ws/frame alone: the handshake, the frames and the closing are written out, as a
// tutorial would. Package ws does the same with less code, less memory and more
// speed; this is for whoever wants to see how it works, or needs it different.
//
//	go run ./examples/byhand -addr 127.0.0.1:8080
//
// Then talk to ws://127.0.0.1:8080/, for example from a browser's console on
// the page that is served there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"

	"github.com/tidewire/tidewire/ws/frame"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "byhand:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("byhand", flag.ContinueOnError)
	flags.SetOutput(stdout)
	addr := flags.String("addr", "127.0.0.1:8080", "address to listen on")
	limit := flags.Int64("limit", 1<<20, "largest message, in bytes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on http://%s/\n", ln.Addr())

	s := &server{limit: *limit, open: map[*WS]struct{}{}}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: handshakeTime}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err = <-failed:
		s.stop()
		return err
	case <-ctx.Done():
	}
	s.stop() // net/http does not know of hijacked connections: they are ours
	bound, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if srv.Shutdown(bound) != nil {
		srv.Close()
	}
	<-failed
	return nil
}

// A server keeps track of its connections, because net/http forgets those that
// were hijacked.
type server struct {
	limit int64

	mu      sync.Mutex
	open    map[*WS]struct{}
	stopped bool
	all     sync.WaitGroup
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>By hand</title>This page's origin may connect: try "+
			"<code>s = new WebSocket(`ws://${location.host}/`); s.onmessage = e =&gt; console.log(e.data); "+
			"s.onopen = () =&gt; s.send('hello')</code> in the console.")
		return
	}
	if !s.enter() {
		http.Error(w, "the server stops", http.StatusServiceUnavailable)
		return
	}
	defer s.all.Done()
	ws, err := NewHandler(w, r)
	if err != nil {
		return // NewHandler has answered
	}
	defer ws.conn.Close()
	ws.Limit = s.limit
	if err := ws.Handshake(); err != nil || !s.keep(ws) {
		return
	}
	defer s.drop(ws)
	echo(ws)
}

// echo sends every frame back as it came: a fragment as a fragment.
func echo(ws *WS) {
	for {
		f, err := ws.Recv()
		if err == nil {
			err = ws.Send(f)
		}
		if err != nil {
			ws.Fail(err)
			return
		}
	}
}

// enter counts a handshake in, unless the server stops.
func (s *server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.all.Add(1)
	}
	return !s.stopped
}

// keep adds a connection to those that stop says goodbye to.
func (s *server) keep(ws *WS) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.open[ws] = struct{}{}
	}
	return !s.stopped
}

func (s *server) drop(ws *WS) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, ws)
}

// stop says 1001 (going away) to everybody and waits until the last has gone.
func (s *server) stop() {
	s.mu.Lock()
	s.stopped = true
	leaving := make([]*WS, 0, len(s.open))
	for ws := range s.open {
		leaving = append(leaving, ws)
	}
	s.mu.Unlock()
	// A peer that has stopped reading must not keep the others waiting.
	for _, ws := range leaving {
		s.all.Go(func() { ws.StartClose(frame.StatusGoingAway, "the server stops") })
	}
	s.all.Wait()
}
