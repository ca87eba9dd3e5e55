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

// subscription calls f for each message, one at a time, until it is cancelled.
type subscription struct {
	f    func(m *nats.Msg)
	lane *lane
	sub  *nats.Subscription

	mu   sync.Mutex // held while f is called, or what do was given
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
func (l *lanes) subscribe(subject string, f func(m *nats.Msg)) (*subscription, error) {
	lane := &l.all[maphash.String(l.seed, subject)%uint64(len(l.all))]
	s := &subscription{f: f, lane: lane}
	lane.mu.Lock() // a message may come at once
	defer lane.mu.Unlock()
	var err error
	if s.sub, err = l.nc.ChanSubscribe(subject, lane.ch); err != nil {
		return nil, unavailable(err)
	}
	lane.subs[s.sub] = s
	return s, nil
}

// cancel ends the subscription. Behind it f is not called any more.
func (s *subscription) cancel() {
	s.sub.Unsubscribe() // fails where the connection is closed, and all is over
	s.lane.mu.Lock()
	delete(s.lane.subs, s.sub)
	s.lane.mu.Unlock()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
}

// do calls f between two messages, unless the subscription is over.
func (s *subscription) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		f()
	}
}

func (l *lane) run() {
	for m := range l.ch {
		l.mu.RLock()
		s := l.subs[m.Sub]
		l.mu.RUnlock()
		if s != nil {
			s.do(func() { s.f(m) })
		}
	}
}

// close ends the lanes. The connection is closed already.
func (l *lanes) close() {
	for i := range l.all {
		close(l.all[i].ch)
	}
	l.over.Wait()
}
