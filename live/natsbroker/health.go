package natsbroker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/live"
)

// health is whether a stream takes messages.
type health struct {
	down atomic.Bool
	seen atomic.Int64 // when it last took one, behind the broker's opening: clocks may be set meanwhile
}

const (
	probeIdle = 5 * time.Second // between probes of a stream with replicas that nobody publishes to
	probeIll  = 500 * time.Millisecond
)

// well says that the stream took a message.
func (h *health) well(s *stream) {
	h.seen.Store(int64(time.Since(s.broker.opened)))
	if h.down.Swap(false) {
		s.broker.set.Logger.Debug("natsbroker: a stream takes messages again", "stream", s.name)
		s.broker.watch.tell(s.broker)
	}
}

// ill says that it did not.
func (h *health) ill(s *stream, err error) {
	if !h.down.Swap(true) && !s.broker.isClosed() {
		s.broker.set.Logger.Warn("natsbroker: a stream takes no messages", "stream", s.name, "error", err)
		s.broker.watch.tell(s.broker)
	}
}

// tend makes streams that are not there, and looks after those that may be ill, until ctx ends.
func (b *Broker) tend(ctx context.Context) {
	for ctx.Err() == nil {
		var all sync.WaitGroup
		for _, s := range b.streams() {
			idle := time.Since(b.opened)-time.Duration(s.health.seen.Load()) > probeIdle
			if s.health.down.Load() || s.replicated.Load() && idle {
				all.Go(func() { s.probe(ctx) })
			}
		}
		all.Wait()
		sleep(ctx, probeIll)
	}
}

// probe finds out whether a stream takes messages.
func (s *stream) probe(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, s.broker.set.AckTimeout)
	defer done()
	if s.health.down.Load() {
		if err := s.make(ctx); err != nil {
			return
		}
	}
	s.fence(ctx) // which says so itself
}

// watch is who wants to know whether messages can be stored.
type watch struct {
	mu       sync.Mutex // held while they are told
	watchers map[*watcher]struct{}
}

type watcher struct {
	f    func(available bool)
	told bool // that they cannot
}

// tell tells what has changed.
func (w *watch) tell(b *Broker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for x := range w.watchers {
		x.tell(b.Available())
	}
}

func (x *watcher) tell(available bool) {
	if x.told == available {
		x.told = !available
		x.f(available)
	}
}

// Available reports whether messages can be stored, as far as is known: whether there is a connection, and each stream
// has taken what it was last sent.
func (b *Broker) Available() bool {
	if !b.nc.IsConnected() {
		return false
	}
	for _, s := range b.streams() {
		if s.health.down.Load() {
			return false
		}
	}
	return true
}

// Watch calls f when Available changes.
func (b *Broker) Watch(f func(available bool)) (cancel func()) {
	w := &b.watch
	x := &watcher{f: f}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watchers[x] = struct{}{}
	x.tell(b.Available())
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watchers, x)
	}
}

// isUnavailable reports whether an error may be none a moment later.
func isUnavailable(err error) bool { return errors.Is(err, live.ErrUnavailable) }
