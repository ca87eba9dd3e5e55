package natsbroker

import (
	"hash/maphash"
	"sync"

	"github.com/nats-io/nats.go"
)

// lanes bring what NATS delivers to who has subscribed. A subscription of nats.go with a callback has a goroutine; these
// have none, as there is one for each room of a node: those of a lane share a channel, and its goroutine.
type lanes struct {
	nc   *nats.Conn
	seed maphash.Seed
	all  [4]lane
	over sync.WaitGroup
}

type lane struct {
	ch   chan *nats.Msg
	mu   sync.RWMutex
	subs map[*nats.Subscription]*subscription
}

// laneLength is how many messages wait in a lane. Those past it are lost, which is made up for as any loss is.
const laneLength = 1 << 14

// subscription calls f for each message, one at a time, until cancel.
type subscription struct {
	f func(m *nats.Msg)

	mu   sync.Mutex // held while f is called
	over bool
}

func newLanes(nc *nats.Conn) *lanes {
	l := &lanes{nc: nc, seed: maphash.MakeSeed()}
	for i := range l.all {
		lane := &l.all[i]
		lane.ch, lane.subs = make(chan *nats.Msg, laneLength), map[*nats.Subscription]*subscription{}
		l.over.Go(lane.run)
	}
	return l
}

// subscribe calls f, which does not block, for what comes to a subject.
func (l *lanes) subscribe(subject string, f func(m *nats.Msg)) (cancel func(), err error) {
	lane := &l.all[maphash.String(l.seed, subject)%uint64(len(l.all))]
	s := &subscription{f: f}
	lane.mu.Lock() // a message may come at once
	sub, err := l.nc.ChanSubscribe(subject, lane.ch)
	if err == nil {
		lane.subs[sub] = s
	}
	lane.mu.Unlock()
	if err != nil {
		return nil, unavailable(err)
	}
	return func() {
		sub.Unsubscribe() // fails where the connection is closed, and all is over
		lane.mu.Lock()
		delete(lane.subs, sub)
		lane.mu.Unlock()
		s.mu.Lock()
		s.over = true
		s.mu.Unlock()
	}, nil
}

func (l *lane) run() {
	for m := range l.ch {
		l.mu.RLock()
		s := l.subs[m.Sub]
		l.mu.RUnlock()
		if s != nil {
			s.call(m)
		}
	}
}

func (s *subscription) call(m *nats.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.f(m)
	}
}

// close ends the lanes. The connection is closed already.
func (l *lanes) close() {
	for i := range l.all {
		close(l.all[i].ch)
	}
	l.over.Wait()
}
