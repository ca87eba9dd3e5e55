package gallery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
)

const (
	pricesRoom  = "prices:market"
	pricesEvery = 20 * time.Millisecond // between two updates, each of one instrument
	pricesPast  = time.Minute           // that a page can ask for
)

// quote is what an instrument costs, in cents.
type quote struct {
	Symbol string `json:"symbol"`
	Name   string `json:"name"`
	Last   int    `json:"last"`
	Open   int    `json:"open"` // when the day began
	N      int    `json:"n"`    // which update of the room this is
	At     int64  `json:"at"`   // milliseconds since 1970
}

// past is what an instrument cost, oldest first.
type past struct {
	At   []int64 `json:"at"`
	Last []int   `json:"last"`
}

// A market is a few instruments whose prices walk at random, the same way each time.
type market struct {
	mu     sync.Mutex
	random *rand.Rand
	quotes []quote
	pasts  []past
	at     time.Time // of the last update
	n      int       // updates that were published
}

func newMarket() *market {
	m := &market{random: rand.New(rand.NewPCG(1, 2))}
	for _, one := range []quote{
		{Symbol: "ANKR", Name: "Anchor Freight", Open: 14250},
		{Symbol: "BUOY", Name: "Buoy & Beacon", Open: 8730},
		{Symbol: "COVE", Name: "Cove Resorts", Open: 4125},
		{Symbol: "DRFT", Name: "Drift Energy", Open: 23380},
		{Symbol: "GULL", Name: "Gull Air", Open: 6015},
		{Symbol: "KELP", Name: "Kelp Foods", Open: 3290},
		{Symbol: "REEF", Name: "Reef Data", Open: 31840},
		{Symbol: "TIDE", Name: "Tide Power", Open: 11900},
	} {
		one.Last = one.Open
		m.quotes = append(m.quotes, one)
		m.pasts = append(m.pasts, past{})
	}
	return m
}

// next moves the price of one instrument, and returns it. What nobody looked at before is made up for, as far back
// as a page can ask.
func (m *market) next(now time.Time) quote {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Sub(m.at) > time.Second {
		if start := now.Add(-pricesPast); m.at.Before(start) {
			m.at = start
		}
		for m.at.Before(now.Add(-pricesEvery)) {
			m.move(m.at.Add(pricesEvery))
		}
	}
	q := m.move(now)
	m.n++
	q.N = m.n
	return *q
}

// move moves one price a little, and a little towards where it was in the morning.
func (m *market) move(now time.Time) *quote {
	m.at = now
	i := m.random.IntN(len(m.quotes))
	q := &m.quotes[i]
	open, last := float64(q.Open), float64(q.Last)
	last += open*0.0008*m.random.NormFloat64() + (open-last)*0.0005
	q.Last = int(min(max(last, open/2), open*2) + 0.5)
	q.At = now.UnixMilli()
	p := &m.pasts[i]
	p.At, p.Last = append(p.At, q.At), append(p.Last, q.Last)
	m.forget(p)
	return q
}

// forget forgets what was more than a minute before the last update.
func (m *market) forget(p *past) {
	oldest := m.at.Add(-pricesPast).UnixMilli()
	for len(p.At) > 0 && p.At[0] < oldest {
		p.At, p.Last = p.At[1:], p.Last[1:]
	}
}

// past returns what an instrument cost in the last minute that somebody looked.
func (m *market) past(symbol string) (past, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, q := range m.quotes {
		if q.Symbol == symbol {
			p := &m.pasts[i]
			m.forget(p)
			return past{append([]int64{}, p.At...), append([]int{}, p.Last...)}, nil
		}
	}
	return past{}, &live.Error{Code: "prices.symbol", Message: fmt.Sprintf("%.16q is no symbol of this market", symbol)}
}

// prices is a room that keeps the latest price of each symbol: who comes, or comes back, or reads slowly, gets these, and
// not a queue of old ones.
func prices(hub *live.Hub) func(context.Context) {
	m, watchers := newMarket(), newAudience()
	hub.ConfigureRooms(pricesRoom, live.RoomOptions{
		Slow:       live.Latest,
		MaxKeys:    len(m.quotes),
		CanJoin:    watchers.enter,
		CanPublish: serverOnly,
	})
	live.Handle(hub, "prices.past", func(_ context.Context, _ *live.Session, symbol string) (past, error) {
		return m.past(symbol)
	})
	return func(ctx context.Context) {
		watchers.entertain(ctx, pricesEvery, func(now time.Time) {
			q := m.next(now)
			hub.Room(pricesRoom).Publish(ctx, "quote", q, live.WithKey(q.Symbol)) // an error: the hub has closed
		})
	}
}
