package ws

import (
	"runtime"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/ws/engine"
)

// Group is a set of connections that are sent the same messages: what a chat room
// or a ticker is made of. The zero value is an empty Group. It is safe for
// concurrent use.
//
// Send queues, and returns; goroutines that live for as long as there is something
// to send deliver to the members, on all cores where there are many. What is sent
// meanwhile goes out together: a member gets it by one write. No member waits for
// another one that is slow.
//
// A member that has ended is dropped with the next message.
type Group struct {
	// Refused is called for a member that a message was not queued for because its
	// queue is full, under RefuseWrite. What a delivery has behind a refused message
	// is refused too, so that a Refused that removes the member leaves no hole in
	// what it got. It must not block; if it panics, that member is closed with 1011.
	// nil means that nobody wants to know. It must not change once the Group is
	// used.
	Refused func(c *Conn, m *Prepared)

	mu      sync.Mutex // guards what follows
	seats   map[*Conn]*seat
	members []*seat // replaced, not changed, while shared
	shared  bool    // a delivery reads members
	queue   []*Prepared
	spare   []*Prepared
	sent    uint64 // messages, those in queue included
	busy    bool
}

// seat is one membership.
type seat struct {
	c    *Conn
	from uint64 // the first message that is for this member
	at   int    // its index in members; guarded by the Group's mu
	gone bool   // guarded by the lock of c's queue
}

// Add makes c a member, unless it is one already. It gets exactly the messages
// that are sent from now on.
func (g *Group) Add(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.seats[c]; ok {
		return
	}
	if g.seats == nil {
		g.seats = map[*Conn]*seat{}
	}
	g.own()
	s := &seat{c: c, from: g.sent, at: len(g.members)}
	g.seats[c] = s
	g.members = append(g.members, s)
}

// Remove ends the membership of c, and reports whether it was a member. Once it has
// returned, nothing more is queued for c: what c writes afterwards is behind all
// that it gets from the Group.
func (g *Group) Remove(c *Conn) bool {
	g.mu.Lock()
	s := g.seats[c]
	if s != nil {
		g.own()
		last := len(g.members) - 1
		g.members[s.at] = g.members[last]
		g.members[s.at].at = s.at
		g.members[last] = nil
		g.members = g.members[:last]
		delete(g.seats, c)
	}
	g.mu.Unlock()
	if s != nil {
		c.vacate(s)
	}
	return s != nil
}

// own makes members changeable. The caller holds mu.
func (g *Group) own() {
	if g.shared {
		g.members = slices.Clone(g.members)
		g.shared = false
	}
}

// Len returns the number of members.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// Send sends m to every member, and does not wait. Messages of one Group reach a
// member in the order of their Sends. It returns the error of a message that
// cannot be sent to anybody; how a member fares is seen at that member: its queue
// is bounded by ConnOptions.WriteQueue, and when that is full, QueuePolicy applies,
// attached or not.
func (g *Group) Send(m *Prepared) error {
	if m.err != nil {
		return m.err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.members) == 0 {
		return nil
	}
	g.queue = append(g.queue, m)
	g.sent++
	if !g.busy {
		g.busy = true
		engine.Work(1)
		go g.deliver()
	}
	return nil
}

// share is how many members make another goroutine worth while: two cores that write
// at once take more time together than one alone.
const share = 512

// deliver sends what is queued until nothing is.
func (g *Group) deliver() {
	over := false
	defer func() {
		if !over { // runtime.Goexit in Refused
			go g.deliver()
		}
	}()
	for {
		g.mu.Lock()
		if len(g.queue) == 0 {
			g.busy, over = false, true
			g.mu.Unlock()
			engine.Work(-1)
			return
		}
		batch, members := g.queue, g.members
		first := g.sent - uint64(len(batch))
		g.queue, g.spare = g.spare[:0], nil
		g.shared = true
		g.mu.Unlock()

		joined := join(batch)
		parts := max(1, min(runtime.GOMAXPROCS(0), len(members)/share))
		refused := make([][]refusal, parts)
		var all sync.WaitGroup
		for i := 1; i < parts; i++ {
			part := members[i*len(members)/parts : (i+1)*len(members)/parts]
			all.Go(func() { refused[i] = g.sendTo(part, batch, joined, first) })
		}
		refused[0] = g.sendTo(members[:len(members)/parts], batch, joined, first)
		all.Wait()
		g.tell(refused)

		clear(batch)
		g.mu.Lock()
		g.spare = batch[:0]
		g.mu.Unlock()
	}
}

// refusal is a message that a member's queue had no room for.
type refusal struct {
	c *Conn
	m *Prepared
}

// sendTo sends a batch, whose first message has the number first, to some members.
func (g *Group) sendTo(members []*seat, batch []*Prepared, joined []byte, first uint64) (all []refusal) {
	for _, s := range members {
		own, whole := batch, joined
		if s.from > first { // it came when some of these were under way
			own, whole = batch[min(s.from-first, uint64(len(batch))):], nil
		}
		refused, ended := s.c.queueAll(s, own, whole)
		if ended {
			g.Remove(s.c)
		}
		for _, m := range refused {
			all = append(all, refusal{s.c, m})
		}
	}
	return all
}

// tell calls Refused, once every member has been sent the batch: what it does holds
// up and loses nothing.
func (g *Group) tell(all [][]refusal) {
	if g.Refused == nil {
		return
	}
	for _, refused := range all {
		for _, r := range refused {
			r.c.guard(func() { g.Refused(r.c, r.m) })
		}
	}
}
