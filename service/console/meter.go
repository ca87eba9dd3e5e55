package console

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// Meter hears the hooks of one hub, for a Console. The zero value is ready; it must not be copied. While nobody looks it counts
// errors and drops, and no more.
type Meter struct {
	looked     atomic.Bool // clocks run
	slow, gaps atomic.Int64
	handler    histogram
	delivery   histogram
	errors     codes
	flights    flights
	feeds      atomic.Pointer[map[string]*feed] // nil: none
}

// Hooks returns hooks for [live.Options] that tell the Meter, and then next, which may be nil.
func (m *Meter) Hooks(next *live.Hooks) *live.Hooks {
	var h live.Hooks
	if next != nil {
		h = *next
	}
	was := h
	h.Message = func(ctx context.Context, s *live.Session, msg *live.Message) (context.Context, func(error)) {
		after := func(error) {}
		if was.Message != nil {
			ctx, after = was.Message(ctx, s, msg)
		}
		var begun time.Time
		if m.looked.Load() {
			begun = time.Now()
			if msg.Room != "" && msg.Mid != "" && msg.Type[0] != '$' {
				m.flights.begin(flight{msg.Room, msg.Mid}, begun)
			}
		}
		return ctx, func(err error) {
			if !begun.IsZero() {
				m.handler.add(time.Since(begun))
			}
			if err != nil {
				m.errors.add(codeOf(err))
			}
			after(err)
		}
	}
	h.Published = func(msg *live.Message, members int) {
		if m.flights.open.Load() > 0 && msg.Mid != "" {
			if begun, ok := m.flights.end(flight{msg.Room, msg.Mid}); ok {
				m.delivery.add(time.Since(begun))
			}
		}
		if feeds := m.feeds.Load(); feeds != nil {
			if f := (*feeds)[msg.Room]; f != nil {
				f.push(msg)
			}
		}
		if was.Published != nil {
			was.Published(msg, members)
		}
	}
	h.Slow = func(s *live.Session, room string, p live.Policy) {
		m.slow.Add(1)
		if was.Slow != nil {
			was.Slow(s, room, p)
		}
	}
	h.Gap = func(room, reason string) {
		m.gaps.Add(1)
		if was.Gap != nil {
			was.Gap(room, reason)
		}
	}
	return &h
}

// codeOf is what a client is told of an error.
func codeOf(err error) string {
	var e *live.Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, live.ErrUnavailable):
		return protocol.CodeUnavailable
	}
	return protocol.CodeInternal
}

// codes counts errors.
type codes struct {
	mu    sync.Mutex
	count map[string]int
}

const maxCodes = 12 // that are told apart in a second

func (c *codes) add(code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	if _, ok := c.count[code]; !ok && len(c.count) >= maxCodes {
		code = "others"
	}
	c.count[code]++
}

// take returns what was counted since the last time.
func (c *codes) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.count
	c.count = nil
	return was
}

// flight is a publish of a client that has not come to the room's members yet.
type flight struct{ room, mid string }

const (
	maxFlights    = 1024 // that are timed at once
	longestFlight = 10 * time.Second
)

type flights struct {
	open atomic.Int64 // len(all), to be read without mu
	mu   sync.Mutex
	all  map[flight]time.Time
}

func (f *flights) begin(one flight, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) >= maxFlights {
		return
	}
	if f.all == nil {
		f.all = map[flight]time.Time{}
	}
	f.all[one] = at
	f.open.Store(int64(len(f.all)))
}

func (f *flights) end(one flight) (begun time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	begun, ok = f.all[one]
	delete(f.all, one)
	f.open.Store(int64(len(f.all)))
	return begun, ok
}

// forget gives up those that did not come: they were refused, or stored before.
func (f *flights) forget(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one, at := range f.all {
		if now.Sub(at) > longestFlight {
			delete(f.all, one)
		}
	}
	f.open.Store(int64(len(f.all)))
}
