package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/tidewire/tidewire/conformance"
)

// maxMessage is what every peer that has a limit is told to take.
const maxMessage = 32 << 20

// peer is a library, set up as its documentation shows, for an echo with messages of 16 MiB and,
// where it has it, compression.
type peer struct {
	name    string // as the table calls it
	module  string // what its version is looked up by
	version string // for what no Go module is
	// serve starts an echo server.
	serve func() (url string, stop func(), err error)
	// dial connects to a URL and echoes until the connection ends.
	dial func(ctx context.Context, url string) error
	// start prepares dial, where that needs something; nil where not.
	start func() (stop func(), err error)
}

// peers are ours and the others, in the order of the table.
var peers = []peer{ours, gorillaPeer, coderPeer, gobwasPeer, gwsPeer, xnetPeer, npmPeer}

func asServer(ctx context.Context, p peer, r *conformance.Runner, globs ...string) ([]conformance.Result, error) {
	url, stop, err := p.serve()
	if err != nil {
		return nil, err
	}
	defer stop()
	return r.RunServer(ctx, url, globs...)
}

func asClient(ctx context.Context, p peer, r *conformance.Runner, globs ...string) ([]conformance.Result, error) {
	if p.start != nil {
		stop, err := p.start()
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	return r.RunClient(ctx, nil, func(ctx context.Context, url string) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("the library panicked: %v", v)
			}
		}()
		return p.dial(ctx, url)
	}, globs...)
}

// serveHTTP serves h on loopback.
func serveHTTP(h http.Handler) (url string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	// net/http recovers from a library's panics, and would log them here.
	s := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(ln)
	}()
	return "ws://" + ln.Addr().String() + "/", func() {
		s.Close()
		<-done
	}, nil
}

// echoHandler serves a library that hijacks: upgrade gives the function that
// echoes until the connection has ended.
func echoHandler(upgrade func(w http.ResponseWriter, r *http.Request) (echo func(), err error)) func() (string, func(), error) {
	return func() (string, func(), error) {
		return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if echo, err := upgrade(w, r); err == nil {
				echo()
			}
		}))
	}
}

// closing closes c when ctx ends.
func closing(ctx context.Context, c interface{ Close() error }) (stop func() bool) {
	return context.AfterFunc(ctx, func() { c.Close() })
}
