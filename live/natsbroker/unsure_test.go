package natsbroker_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
)

// gate is a way to a server on which nothing comes back while it is shut.
type gate struct{ open sync.RWMutex }

func (g *gate) Dial(network, addr string) (net.Conn, error) {
	c, err := net.Dial(network, addr)
	return gated{c, g}, err
}

type gated struct {
	net.Conn
	g *gate
}

func (c gated) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.g.open.RLock()
	defer c.g.open.RUnlock()
	return n, err
}

// Whoever has published without an acknowledgement says so: it may be stored, and others may not have heard of it.
func TestOthersHearOfWhatMayBeStored(t *testing.T) {
	url := alone(t)
	other := sit(t, url, live.Retention{History: 3})
	heads := make(checks, 100)
	cancel, err := other.b.Subscribe(other.room, heads)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	g := &gate{}
	b, err := natsbroker.Connect(url, &natsbroker.Options{Shards: 1, Logger: quiet, AckTimeout: 300 * time.Millisecond, NATS: []nats.Option{nats.SetCustomDialer(g)}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Configure(other.room.Retention); err != nil {
		t.Fatal(err)
	}
	g.open.Lock()
	_, err = put(b, other.room, "m1")
	g.open.Unlock()
	if !errors.Is(err, live.ErrUnavailable) {
		t.Fatalf("without an acknowledgement: %v", err)
	}
	if page, err := other.b.History(context.Background(), other.room, live.Query{Limit: 10}); err != nil || len(page.Messages) != 1 {
		t.Fatalf("it was not stored: %v, %v", page.Messages, err)
	}
	for end := time.After(10 * time.Second); ; {
		select {
		case head := <-heads:
			if head.IsZero() {
				return
			}
		case <-end:
			t.Fatal("it was not told")
		}
	}
}
