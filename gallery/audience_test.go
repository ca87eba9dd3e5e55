package gallery

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// A theatre is one demo on its hub, under virtual time.
type theatre struct {
	t         *testing.T
	hub       *live.Hub
	ln        *wstest.Listener
	engine    *ws.Engine
	published atomic.Int64
}

// play runs a demo for f. What it began must end with the demo's context.
func play(t *testing.T, d demo, f func(t *testing.T, th *theatre)) {
	synctest.Test(t, func(t *testing.T) {
		th := &theatre{t: t, ln: wstest.Listen(wstest.PipeOptions{Buffer: 8 << 10}), engine: ws.NewEngine()}
		th.hub = live.NewHub(&live.Options{
			Authenticate: introduce,
			Accept:       ws.AcceptOptions{AnyOrigin: true, ConnOptions: ws.ConnOptions{Engine: th.engine, PingInterval: -1, WriteTimeout: -1}},
			Hooks:        &live.Hooks{Published: func(*live.Message, int) { th.published.Add(1) }},
			Logger:       slog.New(slog.DiscardHandler),
		})
		run := d(th.hub)
		ctx, cancel := context.WithCancel(t.Context())
		served, ran := make(chan error, 1), make(chan struct{})
		go func() { served <- th.hub.Serve(th.ln) }()
		go func() { defer close(ran); run(ctx) }()
		f(t, th)
		cancel()
		<-ran
		th.hub.Close()
		<-served
	})
}

// visit connects a guest.
func (th *theatre) visit(name string) *client.Client {
	th.t.Helper()
	c, err := client.Dial(th.t.Context(), "ws://hub/", &client.Options{
		DialOptions: ws.DialOptions{
			NetDial:     th.ln.DialContext,
			Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
			ConnOptions: ws.ConnOptions{Engine: th.engine, Logger: slog.New(slog.DiscardHandler)},
		},
		Token: func(context.Context, client.Reason) (string, error) { return url.PathEscape(name), nil },
	})
	if err != nil {
		th.t.Fatal(err)
	}
	th.t.Cleanup(func() { th.leave(c) })
	return c
}

// leave ends a guest's connection.
func (th *theatre) leave(c *client.Client) {
	th.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.Close(ctx)
}

// A heard is what a guest hears of a room.
type heard[T any] struct {
	room *client.Room
	mu   sync.Mutex
	list []T
}

func (h *heard[T]) all() []T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}

// listen joins a room.
func listen[T any](th *theatre, c *client.Client, name, typ string) *heard[T] {
	th.t.Helper()
	room, err := c.Room(name, nil)
	if err != nil {
		th.t.Fatal(err)
	}
	h := &heard[T]{room: room}
	client.OnMessage(room, typ, func(_ context.Context, v T, _ client.Meta) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.list = append(h.list, v)
	})
	if err := room.Join(th.t.Context()); err != nil {
		th.t.Fatal(err)
	}
	return h
}

// pass lets time pass, and then what happens then.
func (th *theatre) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
