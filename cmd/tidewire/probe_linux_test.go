package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// elsewhere dials from an address that is not the proxies'.
var elsewhere = net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}

// probe is a server behind a proxy that notes what comes to it.
type probe struct {
	addr string

	mu   sync.Mutex
	seen []string
}

func (p *probe) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, fmt.Sprintf(format, args...))
}

// take returns what has come since the last time.
func (p *probe) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := p.seen
	p.seen = nil
	return seen
}

// newProbe lets WebSockets in, if their query does not ask for another answer, with pings this far apart.
func newProbe(t *testing.T, pings time.Duration) *probe {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{addr: ln.Addr().String()}
	address := trusting(t, "127.0.0.1").address()
	s := &ws.Server{
		Logger: slog.New(slog.DiscardHandler),
		HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				return // the proxy itself asks
			}
			body, _ := io.ReadAll(r.Body)
			p.note("%s %s %q upgrade=%q", r.Method, r.URL.Path, body, r.Header.Get("Upgrade"))
		}),
		Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			p.note("WebSocket %s from %v", r.Path(), address(r))
			if r.RawQuery() == "forbidden" {
				return nil, nil, &ws.Refusal{Status: http.StatusForbidden, Body: "no"}
			}
			return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, m []byte) { c.Write(context.Background(), typ, m) }),
				&ws.AcceptOptions{ConnOptions: ws.ConnOptions{PingInterval: pings, Compression: &deflate.Options{}}}, nil
		},
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return p
}
