package live_test

import (
	"context"
	"math/rand/v2"
	"sync"

	"github.com/tidewire/tidewire/live"
)

// flaky is a broker whose network is bad until it is healed. What is not stored is
// delivered well: nothing could mend it.
type flaky struct {
	*live.Memory
	mu    sync.Mutex
	rnd   *rand.Rand
	bad   bool
	sinks map[*flakySink]bool
	p     *provoked
}

type flakySink struct {
	f    *flaky
	room live.Room
	sink live.Sink
	held *live.Message
}

func (f *flaky) chance(n int) bool { return f.bad && f.rnd.IntN(n) == 0 }

func (f *flaky) Subscribe(room live.Room, sink live.Sink) (func(), error) {
	s := &flakySink{f: f, room: room, sink: sink}
	cancel, err := f.Memory.Subscribe(room, s)
	f.mu.Lock()
	f.sinks[s] = true
	f.mu.Unlock()
	return func() {
		f.mu.Lock()
		delete(f.sinks, s)
		f.mu.Unlock()
		cancel()
	}, err
}

func (s *flakySink) Check(p live.Position) { s.sink.Check(p) }

func (s *flakySink) Deliver(m *live.Message) {
	f := s.f
	if r := s.room.Retention; r.History == 0 && !r.Keys {
		s.sink.Deliver(m)
		return
	}
	f.mu.Lock()
	held := s.held
	s.held = nil
	lose, double, hold, forget := f.chance(30), f.chance(20), held == nil && f.chance(20), f.chance(20)
	switch {
	case lose:
		f.p.Lost++
	case double:
		f.p.Doubled++
	case hold:
		f.p.Reordered++
		s.held = m
	}
	if forget {
		own := *m
		own.Prev, m = 0, &own
		f.p.Forgotten++
	}
	f.mu.Unlock()
	if !lose && !hold {
		s.sink.Deliver(m)
	}
	if double {
		s.sink.Deliver(m)
	}
	if held != nil {
		s.sink.Deliver(held)
	}
}

// Publish may fail before it stores, or forget to say that it has.
func (f *flaky) Publish(p *live.Publish, done func(live.Stored, error)) {
	f.mu.Lock()
	before, behind := f.chance(40), f.chance(40)
	if before || behind {
		f.p.Unacked++
	}
	f.mu.Unlock()
	if before {
		done(live.Stored{}, live.ErrUnavailable)
		return
	}
	f.Memory.Publish(p, func(s live.Stored, err error) {
		if behind {
			s, err = live.Stored{}, live.ErrUnavailable
		}
		done(s, err)
	})
}

// announce tells the heads, as brokers do now and then, and that values may be lost.
func (f *flaky) announce() {
	f.mu.Lock()
	var all []*flakySink
	for s := range f.sinks {
		all = append(all, s)
	}
	f.mu.Unlock()
	for _, s := range all {
		if s.room.Retention.Keys {
			s.sink.Check(live.Position{})
			continue
		}
		if page, err := f.History(context.Background(), s.room, live.Query{}); err == nil {
			s.sink.Check(page.Head)
		}
	}
}
