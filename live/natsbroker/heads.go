package natsbroker

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/live"
)

// heads is how nodes learn of messages that NATS has lost on the way to them, behind which no other one came. Each node
// announces the heads of the rooms to which it has published, and counts its announcements: who missed one, or knows that it
// may have, asks the streams where its rooms stand.
type heads struct {
	broker *Broker
	node   string

	mu     sync.Mutex // guards what follows
	moved  map[string]head
	n      uint64 // announcements made
	others map[string]*other
	doubts map[*stream]bool
	wake   chan struct{} // has room for one
	ranAt  time.Time
}

// head is where a room stands. Without an epoch it is not known.
type head struct {
	Room  string `json:"room"`
	Epoch string `json:"epoch,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
}

// announcement is what a node says.
type announcement struct {
	Node  string `json:"node"`
	N     uint64 `json:"n"`
	Bye   bool   `json:"bye,omitempty"`
	Heads []head `json:"heads,omitempty"`
}

// other is a node as this one knows it.
type other struct {
	n  uint64
	at time.Time
}

const (
	headsEvery   = 2 * time.Second
	headsSilence = 10 * time.Second // behind which a node is gone, and what it had not announced is unknown
	headsMost    = 500              // of one announcement
	headsAsked   = 200              // of one question
	headsNodes   = 1000             // that are counted
)

// note says that this node has published to a room.
func (h *heads) note(s *stream, room string, seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was := h.moved[room]; was.Seq < seq || was.Epoch != s.epochNow() {
		h.moved[room] = head{room, s.epochNow(), seq}
	}
}

// unsure says that this node may have published to a room: nobody else would tell of what was stored and not acknowledged.
func (h *heads) unsure(room string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moved[room] = head{Room: room}
}

// doubt has the rooms of a stream be looked at; nil means all.
func (h *heads) doubt(s *stream) {
	all := []*stream{s}
	if s == nil {
		all = h.broker.streams()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range all {
		h.doubts[s] = true
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// announce says where the rooms stand to which this node has published.
func (h *heads) announce(bye bool) {
	h.mu.Lock()
	now := time.Now()
	asleep := !h.ranAt.IsZero() && now.Sub(h.ranAt) > 3*headsEvery
	h.ranAt = now
	var all []announcement
	one := announcement{Node: h.node}
	for room, x := range h.moved {
		one.Heads = append(one.Heads, x)
		delete(h.moved, room)
		if len(one.Heads) == headsMost {
			all = append(all, one)
			one = announcement{Node: h.node}
		}
	}
	one.Bye = bye
	all = append(all, one)
	for i := range all {
		h.n++
		all[i].N = h.n
	}
	silent := false
	for node, o := range h.others {
		if asleep {
			o.at = now // this node did not run: what it has not heard says nothing
		} else if now.Sub(o.at) > headsSilence {
			silent = true
			delete(h.others, node)
		}
	}
	h.mu.Unlock()
	for _, a := range all {
		if p, err := json.Marshal(a); err == nil {
			h.broker.nc.Publish(h.broker.set.Name+".h", p) // whoever misses it sees that by the next
		}
	}
	if asleep || silent {
		h.doubt(nil)
	}
}

// hear takes what a node announces. This one's own heads count as well: what it published may be lost on the way back.
func (h *heads) hear(m *nats.Msg) {
	var a announcement
	if json.Unmarshal(m.Data, &a) != nil {
		return
	}
	if a.Node != h.node && h.missed(&a) {
		h.doubt(nil)
	}
	for _, x := range a.Heads {
		for _, l := range h.broker.subs.of(x.Room) {
			l.check(live.Position{Epoch: x.Epoch, Seq: x.Seq})
		}
	}
}

// missed counts what another node has announced, and reports whether there was more than was heard.
func (h *heads) missed(a *announcement) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.others[a.Node]
	switch {
	case a.Bye:
		delete(h.others, a.Node)
		return o != nil && a.N > o.n+1
	case o == nil && len(h.others) < headsNodes:
		h.others[a.Node] = &other{a.N, time.Now()}
		return a.N > 1 // it is not new: it was silent, or this one is new
	case o == nil:
		return false
	}
	was := o.n
	o.n, o.at = max(o.n, a.N), time.Now()
	return a.N > was+1
}

// run asks the streams that are in doubt, until ctx ends.
func (h *heads) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for again := true; again && ctx.Err() == nil; {
			h.mu.Lock()
			doubts := h.doubts
			h.doubts = map[*stream]bool{}
			h.mu.Unlock()
			var all sync.WaitGroup
			var failed atomic.Bool
			for s := range doubts {
				all.Go(func() { // one that does not answer holds up no other
					if err := h.settle(ctx, s); err != nil {
						h.mu.Lock()
						h.doubts[s] = true
						h.mu.Unlock()
						failed.Store(true)
					}
				})
			}
			all.Wait()
			if again = failed.Load(); again {
				sleep(ctx, time.Second)
			}
		}
	}
}

// settle tells who listens to the rooms of a stream where these stand.
func (h *heads) settle(ctx context.Context, s *stream) error {
	ctx, done := context.WithTimeout(ctx, h.broker.set.AckTimeout)
	defer done()
	if err := s.make(ctx); err != nil { // it may be another one by now
		return err
	}
	all := h.broker.subs.in(s)
	if len(all) == 0 {
		return nil
	}
	if s.keep.Keys {
		if _, err := s.fence(ctx); err != nil { // those who read would fail, and would not be told again
			return err
		}
		for _, l := range all {
			l.check(live.Position{})
		}
		return nil
	}
	bySubject := map[string][]*listener{}
	var subjects []string
	for _, l := range all {
		x := s.every(l.room.Name)
		if bySubject[x] == nil {
			subjects = append(subjects, x)
		}
		bySubject[x] = append(bySubject[x], l)
	}
	for len(subjects) > 0 {
		n := min(len(subjects), headsAsked)
		found, err := s.heads(ctx, subjects[:n])
		if err != nil {
			return err
		}
		for _, x := range found.all {
			if x.msg != nil {
				for _, l := range bySubject[s.every(x.msg.Room)] {
					l.check(x.msg.Pos)
				}
			}
		}
		subjects = subjects[n:]
	}
	return nil
}

// heads returns the last message of each subject, as of a moment behind the call.
func (s *stream) heads(ctx context.Context, subjects []string) (batch, error) {
	ask := append([]string{s.prefix + fenceKey}, subjects...)
	behind := uint64(0)
	if s.replicated.Load() {
		var err error
		if behind, err = s.fence(ctx); err != nil {
			return batch{}, err
		}
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		found, err := s.ask(ctx, get{Last: ask})
		switch {
		case err != nil && !isUnavailable(err):
			return batch{}, err
		case err == nil && found.upTo == 0: // nothing at all is stored
			if _, err := s.fence(ctx); err != nil {
				return batch{}, err
			}
			continue
		case err == nil && found.upTo >= behind:
			return found, nil
		}
		if err := s.pause(ctx, wait); err != nil {
			return batch{}, err
		}
	}
}

// pause waits before a read is repeated. It fails if nobody waits for that any more.
func (s *stream) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	case <-s.broker.closing:
		return live.ErrUnavailable
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
