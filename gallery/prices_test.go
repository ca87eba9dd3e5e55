package gallery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
)

// Who comes gets a price of each symbol and then all of them, in their order; and nothing is published while nobody looks.
func TestPrices(t *testing.T) {
	play(t, prices, func(t *testing.T, th *theatre) {
		th.pass(time.Minute)
		if th.published.Load() > 0 {
			t.Fatalf("%d prices were published to nobody", th.published.Load())
		}
		ann := th.visit("Ann")
		th.pass(time.Minute)
		if th.published.Load() > 0 {
			t.Fatalf("%d prices were published to a guest who is not in the room", th.published.Load())
		}
		first := listen[quote](th, ann, pricesRoom, "quote")
		th.pass(10*time.Second + pricesEvery/2)
		if all := first.all(); len(all) != 501 || all[500].N != 501 {
			t.Errorf("%d prices in 10 seconds, the last is %+v", len(all), all[len(all)-1])
		}
		bob := th.visit("Bob")
		late := listen[quote](th, bob, pricesRoom, "quote")
		th.pass(0)
		symbols := map[string]bool{}
		got := late.all()
		for i, q := range got {
			symbols[q.Symbol] = true
			if i > 0 && q.N <= got[i-1].N {
				t.Errorf("%+v came behind %+v", q, got[i-1])
			}
		}
		if len(got) != 8 || len(symbols) != 8 {
			t.Errorf("who came late got %+v", got)
		}
		th.leave(ann)
		before := th.published.Load()
		th.pass(time.Second)
		if th.published.Load() != before+50 {
			t.Errorf("%d prices in a second when one of two was gone", th.published.Load()-before)
		}
		th.leave(bob)
		th.pass(time.Second)
		before = th.published.Load()
		th.pass(time.Minute)
		if th.published.Load() != before {
			t.Errorf("%d prices were published when all had gone", th.published.Load()-before)
		}
	})
}

// Who leaves the room and comes back is spared what was published meanwhile, and has the latest of each symbol at once.
func TestPricesAtOnesOwnPace(t *testing.T) {
	play(t, prices, func(t *testing.T, th *theatre) {
		c := th.visit("Ann")
		all := listen[quote](th, th.visit("Bob"), pricesRoom, "quote")
		for range 5 {
			h := listen[quote](th, c, pricesRoom, "quote")
			th.pass(0)
			latest := map[string]quote{}
			for _, q := range all.all() {
				latest[q.Symbol] = q
			}
			for _, q := range h.all() {
				if q != latest[q.Symbol] {
					t.Errorf("got %+v; the latest is %+v", q, latest[q.Symbol])
				}
			}
			if len(h.all()) != len(latest) {
				t.Errorf("got %d prices of %d symbols", len(h.all()), len(latest))
			}
			h.room.Leave(t.Context())
			n := len(all.all())
			th.pass(4*time.Second + pricesEvery/2)
			if len(h.all()) != len(latest) || len(all.all()) < n+200 {
				t.Errorf("who had left got %d prices, who had not %d", len(h.all()), len(all.all())-n)
			}
		}
	})
}

// Who reads nothing for a while has the newest prices then, and not all those in between; nobody else is held up.
func TestPricesForASlowReader(t *testing.T) {
	play(t, prices, func(t *testing.T, th *theatre) {
		slow, _, err := ws.Dial(t.Context(), "ws://hub/", &ws.DialOptions{
			NetDial:     th.ln.DialContext,
			ConnOptions: ws.ConnOptions{Engine: th.engine, PingInterval: -1},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer slow.CloseNow()
		slow.Write(t.Context(), ws.Text, []byte(`{"type":"$hello","id":1,"data":{"token":"Ann"}}`))
		slow.Write(t.Context(), ws.Text, fmt.Appendf(nil, `{"type":"$join","id":2,"room":%q}`, pricesRoom))
		quick := listen[quote](th, th.visit("Bob"), pricesRoom, "quote")
		th.pass(2 * time.Minute)
		all := quick.all()
		if len(all) < 5_900 {
			t.Errorf("the quick one got %d prices in 2 minutes", len(all))
		}
		got, n, want := map[string]int{}, 0, all[len(all)-1].N
		for newest := 0; newest < want; {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, raw, err := slow.Read(ctx)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			var m struct {
				Type string
				Data quote
			}
			if json.Unmarshal(raw, &m) != nil || m.Type != "quote" {
				continue
			}
			if m.Data.N <= got[m.Data.Symbol] {
				t.Fatalf("%+v came behind update %d", m.Data, got[m.Data.Symbol])
			}
			got[m.Data.Symbol] = m.Data.N
			newest = max(newest, m.Data.N)
			n++
		}
		if n > want/2 {
			t.Errorf("%d of %d prices were queued", n, want)
		}
	})
}

// A page can ask for the last minute of a symbol; what nobody looked at has been made up for.
func TestPricesPast(t *testing.T) {
	play(t, prices, func(t *testing.T, th *theatre) {
		c := th.visit("Ann")
		for range 2 {
			h := listen[quote](th, c, pricesRoom, "quote")
			th.pass(10 * time.Second)
			now := time.Now()
			p, err := client.Call[string, past](t.Context(), c, "prices.past", "TIDE")
			if err != nil || len(p.At) != len(p.Last) || len(p.At) < 250 || len(p.At) > 500 {
				t.Fatalf("%d times, %d prices: %v", len(p.At), len(p.Last), err)
			}
			if first := now.UnixMilli() - p.At[0]; first > 60_000 || first < 55_000 || !slices.IsSorted(p.At) {
				t.Errorf("the past begins %d ms ago", first)
			}
			for _, q := range h.all()[8:] { // the first are the latest, of an hour ago
				if q.Symbol == "TIDE" && !slices.Contains(p.At, q.At) {
					t.Errorf("%+v is not in the past", q)
				}
			}
			th.leave(c)
			th.pass(time.Hour)
			c = th.visit("Ann")
		}
	})
}

// Guests publish no prices, and ask for none that there are not.
func TestPricesRefuse(t *testing.T) {
	play(t, prices, func(t *testing.T, th *theatre) {
		c := th.visit("Ann")
		h := listen[quote](th, c, pricesRoom, "quote")
		th.pass(time.Second)
		var refusal *client.Error
		for _, typ := range []string{"quote", "other"} {
			if _, err := h.room.Send(t.Context(), typ, quote{Symbol: "TIDE", Last: 1}); !errors.As(err, &refusal) || refusal.Code != "guest.read-only" {
				t.Errorf("publishing a %s: %v", typ, err)
			}
		}
		for _, ask := range []any{"", "tide", "<b>TIDE</b>", 7, nil, []string{"TIDE"}, map[string]any{}} {
			if _, err := client.Call[any, past](t.Context(), c, "prices.past", ask); !errors.As(err, &refusal) {
				t.Errorf("the past of %v: %v", ask, err)
			}
		}
		for _, q := range h.all() {
			if q.Last == 1 {
				t.Errorf("%+v was published", q)
			}
		}
		if room, err := c.Room("prices:other", nil); err != nil || room.Join(t.Context()) == nil {
			t.Errorf("there is another room: %v", err)
		}
	})
}

// Prices stay within bounds, and change.
func TestMarketStaysWithinBounds(t *testing.T) {
	m, now := newMarket(), time.Now()
	least, most := map[string]float64{}, map[string]float64{}
	for range 200_000 {
		now = now.Add(pricesEvery)
		q := m.next(now)
		ratio := float64(q.Last) / float64(q.Open)
		if low, ok := least[q.Symbol]; !ok || ratio < low {
			least[q.Symbol] = ratio
		}
		most[q.Symbol] = max(most[q.Symbol], ratio)
	}
	for symbol, low := range least {
		if high := most[symbol]; low < 0.5 || high > 2 || high-low < 0.02 {
			t.Errorf("%s went from %.2f to %.2f of its price", symbol, low, high)
		}
	}
	for _, p := range m.pasts {
		if len(p.At) > 1000 {
			t.Errorf("%d prices are kept", len(p.At))
		}
	}
}
