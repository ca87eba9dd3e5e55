package natsbroker

import (
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// subs are the rooms that this node listens to.
type subs struct {
	broker *Broker

	mu    sync.Mutex // guards what follows
	rooms map[string]map[*listener]struct{}
}

// listener is a Sink on a room or a wildcard.
type listener struct {
	room live.Room
	sink live.Sink
	sub  *subscription
}

func (l *listener) deliver(m *live.Message)  { l.sub.do(func() { l.sink.Deliver(m) }) }
func (l *listener) check(head live.Position) { l.sub.do(func() { l.sink.Check(head) }) }

// Subscribe listens to what NATS delivers of a room.
func (b *Broker) Subscribe(room live.Room, sink live.Sink) (cancel func(), err error) {
	if b.isClosed() {
		return nil, live.ErrUnavailable
	}
	sub, err := b.lanes.subscribe(b.set.Name+".r."+subject(room.Name), func(m *nats.Msg) {
		if msg := b.received(m); msg != nil {
			sink.Deliver(msg)
		}
	})
	if err != nil {
		return nil, err
	}
	l := &listener{room, sink, sub}
	b.subs.add(l)
	return func() {
		b.subs.remove(l)
		sub.cancel()
	}, nil
}

// received reads a message that was delivered; nil if it is none.
func (b *Broker) received(m *nats.Msg) *live.Message {
	if len(m.Data) == 0 {
		return nil // a fence
	}
	msg, err := decode(m.Data)
	if err != nil {
		b.set.Logger.Error("natsbroker: somebody has published what is no message", "subject", m.Subject, "error", err)
		return nil
	}
	if seq := number(m, headerSeq); seq > 0 {
		s := b.streamOf(m.Header.Get("Nats-Stream"))
		if s == nil {
			return nil // a stream of another number of shards, or of a pattern that is no more
		}
		msg.Pos = live.Position{Epoch: s.epochNow(), Seq: seq, Mid: msg.Mid}
		msg.Prev = number(m, headerLast)
	}
	return msg
}

func (s *subs) add(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[l.room.Name] == nil {
		s.rooms[l.room.Name] = map[*listener]struct{}{}
	}
	s.rooms[l.room.Name][l] = struct{}{}
}

func (s *subs) remove(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rooms[l.room.Name], l)
	if len(s.rooms[l.room.Name]) == 0 {
		delete(s.rooms, l.room.Name)
	}
}

// of returns who listens to a room by its name.
func (s *subs) of(room string) []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*listener
	for l := range s.rooms[room] {
		all = append(all, l)
	}
	return all
}

// in returns who listens to the rooms of a stream.
func (s *subs) in(st *stream) []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*listener
	for name, some := range s.rooms {
		for l := range some {
			if keep := l.room.Retention; keep != nil && keep.Pattern == st.keep.Pattern && !protocol.IsWildcard(name) &&
				s.broker.group(keep).of(name) == st {
				all = append(all, l)
			}
		}
	}
	return all
}

// deliver brings a message that is not stored to who listens on this node, without NATS.
func (s *subs) deliver(room string, m *live.Message) {
	s.mu.Lock()
	var all []*listener
	for name, some := range s.rooms {
		if name == room || protocol.IsWildcard(name) && protocol.Matches(name, room) {
			for l := range some {
				all = append(all, l)
			}
		}
	}
	s.mu.Unlock()
	for _, l := range all {
		l.deliver(m)
	}
}

// Signal sends p to all nodes that listen, this one included.
func (b *Broker) Signal(name string, p []byte) error {
	if !b.nc.IsConnected() {
		return live.ErrUnavailable // what waited would come too late
	}
	if err := b.nc.Publish(b.set.Name+".t."+topic(name), p); err != nil {
		return unavailable(err)
	}
	return nil
}

// Listen calls f for what is signalled.
func (b *Broker) Listen(name string, f func(p []byte)) (cancel func(), err error) {
	if b.isClosed() {
		return nil, live.ErrUnavailable
	}
	sub, err := b.lanes.subscribe(b.set.Name+".t."+topic(name), func(m *nats.Msg) { f(m.Data) })
	if err != nil {
		return nil, err
	}
	return sub.cancel, nil
}
