package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// serve runs a hub until the test ends.
func serve(t *testing.T) (ctx context.Context, hub *live.Hub, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	hub = newHub()
	t.Cleanup(func() { hub.Close() })
	server := httptest.NewServer(hub)
	t.Cleanup(server.Close)
	return ctx, hub, server.URL
}

// Who joins late is given the latest price of each symbol, and none that was replaced.
func TestLateJoiner(t *testing.T) {
	ctx, hub, url := serve(t)
	for tick := range 30 {
		if err := publish(ctx, hub, Price{fmt.Sprint("S", tick%3), tick, tick}); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := watch(ctx, &out, url, 29); err != nil {
		t.Fatal(err)
	}
	if want := "S0 0.27 (tick 27)\nS1 0.28 (tick 28)\nS2 0.29 (tick 29)\n"; out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// Who reads nothing for a while is given the newest prices then: fewer than were published, never an older one
// behind a newer one of the same symbol, and in the end the last of each.
func TestSlowReader(t *testing.T) {
	ctx, hub, url := serve(t)
	c, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), &ws.DialOptions{ConnOptions: ws.ConnOptions{MaxMessage: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	read := func() protocol.Message {
		t.Helper()
		_, raw, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		m, err := protocol.JSON.Parse(bytes.Clone(raw), 32)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if err := c.Write(ctx, ws.Text, []byte(`{"type":"$join","id":1,"room":"prices:tech"}`)); err != nil {
		t.Fatal(err)
	}
	for read().Type != protocol.TypeLive {
	}
	// 20 MiB: more than the hub's queue and the kernel's buffers on both sides.
	type padded struct {
		Price
		Pad string
	}
	const ticks = 5_000
	pad := strings.Repeat("x", 4096)
	for tick := range ticks {
		p := Price{fmt.Sprint("S", tick%3), tick, tick}
		if _, err := hub.Room("prices:tech").Publish(ctx, "price", padded{p, pad}, live.WithKey(p.Symbol)); err != nil {
			t.Fatal(err)
		}
	}
	got, last := 0, map[string]int{}
	for last["S0"]+last["S1"]+last["S2"] != 3*ticks-6 {
		m := read()
		if m.Type == protocol.TypeLive {
			continue // it has caught up, for now
		}
		var p padded
		if m.Type != "price" {
			t.Fatalf("got a %s", m.Type)
		} else if err := json.Unmarshal(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[p.Symbol]; ok && p.Tick <= before {
			t.Fatalf("tick %d of %s behind %d", p.Tick, p.Symbol, before)
		}
		last[p.Symbol] = p.Tick
		got++
	}
	if got >= ticks {
		t.Errorf("all %d prices were queued", got)
	}
	t.Logf("%d of %d prices were read", got, ticks)
}
