package live_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// Identities end in the middle of a stream. Who refreshes in time misses nothing, nor
// does who refreshes within the grace; who does not is closed with 4401 behind the grace,
// has got everything until then, and comes back without a gap.
func TestExpiryInAStream(t *testing.T) {
	const (
		valid = time.Minute
		grace = 10 * time.Second
		every = 100 * time.Millisecond
		n     = 3000 // five minutes of messages
	)
	bubble(t, func(t *testing.T) {
		auth := func(_ context.Context, c live.Credentials) (live.Identity, error) {
			return live.Identity{User: c.Token, Expires: time.Now().Add(valid)}, nil
		}
		o := &live.Options{Authenticate: auth, Limits: live.Limits{ExpiryGrace: grace}}
		k := newKit(t, o, rooms(live.RoomOptions{History: 2 * n}))

		var asked atomic.Int32
		keeps, err := client.Dial(t.Context(), "ws://hub/", &client.Options{
			Token:       func(context.Context, client.Reason) (string, error) { asked.Add(1); return "ann", nil },
			DialOptions: ws.DialOptions{NetDial: k.ln.DialContext, Proxy: noProxy, ConnOptions: ws.ConnOptions{Engine: k.engine, Logger: quiet}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer keeps.Close(context.Background())
		room, err := keeps.Room("room:7", nil)
		if err != nil {
			t.Fatal(err)
		}
		var kept []int
		client.OnMessage(room, "n", func(_ context.Context, i int, _ client.Meta) { kept = append(kept, i) })
		room.OnGap(func(_ context.Context, g client.Gap) { t.Errorf("the client was told: %v", &g) })
		if err := room.Join(t.Context()); err != nil {
			t.Fatal(err)
		}

		// hear lets a client by hand hear until it is closed, or has the last message.
		type heard struct {
			all    []int
			pos    live.Position
			code   ws.StatusCode
			within time.Duration
		}
		hear := func(pos live.Position, refresh time.Duration) (h heard) {
			p := k.dial()
			begun := time.Now()
			p.send(`{"type":"$hello","data":{"token":"bob"}}`)
			join := live.Message{Type: "$join", ID: 1, Room: "room:7", Pos: pos}
			raw, err := protocol.JSON.Append(nil, &join)
			if err != nil {
				t.Fatal(err)
			}
			p.send("%s", raw)
			if refresh > 0 {
				defer time.AfterFunc(refresh, func() { p.send(`{"type":"$refresh","id":2,"data":{"token":"bob"}}`) }).Stop()
			}
			h.pos = pos
			for {
				_, raw, err := p.conn.Read(t.Context())
				if err != nil {
					h.code, h.within = ws.CloseStatus(err), time.Since(begun)
					return h
				}
				m, err := protocol.JSON.Parse(raw, 0)
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case m.Type == "n":
					var i int
					m.Codec.Unmarshal(m.Data, &i)
					h.all = append(h.all, i)
					h.pos.Seq, h.pos.Mid = m.Pos.Seq, m.Mid
					if i == n-1 {
						return h
					}
				case m.Type == "$ok" && m.Re == 1 && pos.IsZero():
					h.pos = m.Pos
				case m.Type == "$ok" || m.Type == "$live":
				default:
					t.Errorf("unexpected: %s", raw)
				}
			}
		}
		lets, late := make(chan []heard, 1), make(chan heard, 1)
		go func() { // never refreshes, and comes back each time
			var all []heard
			var pos live.Position
			for {
				h := hear(pos, 0)
				all, pos = append(all, h), h.pos
				if h.code == 0 {
					lets <- all
					return
				}
				time.Sleep(3 * time.Second)
			}
		}()
		go func() { late <- hear(live.Position{}, valid+grace/2) }()

		synctest.Wait()
		for i := range n {
			if _, err := k.hub.Room("room:7").Publish(t.Context(), "n", i); err != nil {
				t.Fatal(err)
			}
			time.Sleep(every)
		}
		synctest.Wait()
		whole := func(who string, all []int, least int) {
			for i, got := range all {
				if got != i {
					t.Errorf("%s: %d where %d should be", who, got, i)
					return
				}
			}
			if len(all) < least {
				t.Errorf("%s has %d messages, want %d", who, len(all), least)
			}
		}
		whole("who refreshes", kept, n)
		if got := int(asked.Load()); got < 5 || got > 10 {
			t.Errorf("%d tokens were asked for within %v", got, n*every)
		}
		h := <-late // refreshed once, within the grace: closed behind the second grace
		ends := valid + grace/2 + valid + grace
		whole("who refreshes within the grace", h.all, int(ends/every)-1)
		if h.code != protocol.StatusUnauthorized || h.within < ends || h.within > ends+time.Second {
			t.Errorf("closed with %d after %v, want %d after %v", h.code, h.within, protocol.StatusUnauthorized, ends)
		}
		var all []int
		visits := <-lets
		for _, h := range visits {
			all = append(all, h.all...)
			if h.code > 0 && (h.code != protocol.StatusUnauthorized || h.within < valid+grace || h.within > valid+grace+time.Second) {
				t.Errorf("closed with %d after %v", h.code, h.within)
			}
		}
		whole("who comes back", all, n)
		if len(visits) < 4 {
			t.Errorf("it was there %d times", len(visits))
		}
	})
}
