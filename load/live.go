package load

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// live is the traffic of the scenario live: rooms, and who publishes to them.
type live struct {
	rooms      []*room
	publishers []*publisher // once the connections are open
	there      atomic.Int64 // publishers whose connections have not ended
	turn       int          // whose is next, in an open loop
	ready      atomic.Bool  // publishers is whole
	most       int          // bytes of a message to the members
}

// room is one of them. Locks are taken in this order: a peer's, a room's.
type room struct {
	name       string
	publishers []*publisher
	read       [recentlyRead]atomic.Pointer[read] // by which delivery of a member's it was

	mu     sync.Mutex // guards what follows
	here   int        // members that get what is published
	frames map[*message]*frameOf
}

// recentlyRead is how many messages of a room are remembered as they were read.
const recentlyRead = 64

// publisher is a member that publishes. Its messages have numbers of their own.
type publisher struct {
	index int // of all
	slot  int // of its room's
	room  *room
	peer  *peer
	ring  []published  // by number, as often as it goes round
	total atomic.Int64 // messages published
}

// published is a message on its way to the members. It stays as it is while one lacks it.
type published struct {
	message   *message
	due, sent int64
	left      atomic.Int32 // members that lack it
}

// freed are messages that nobody lacks any more.
type freed struct {
	from *publisher
	n    int
}

func newLive(p Plan) *live {
	l := &live{most: maxExtra}
	for _, z := range p.Sizes {
		l.most = max(l.most, z.Bytes+maxExtra)
	}
	for i := range p.Rooms {
		l.rooms = append(l.rooms, &room{name: fmt.Sprintf("%s%d", p.RoomPrefix, i+1), frames: make(map[*message]*frameOf)})
	}
	return l
}

// enter makes a connection a member of its room and waits until it is one, or has failed.
func (l *live) enter(ctx context.Context, p *peer) {
	r := p.run
	begun := r.now()
	p.mu.Lock()
	p.out = append(p.out, joinFrame(p.member.room.name)...)
	p.flush()
	p.mu.Unlock()
	t := time.NewTimer(r.plan.Timeout)
	defer t.Stop()
	select {
	case <-p.member.joined:
		r.record(r.joins, r.now()-begun)
	case <-p.ended:
	case <-ctx.Done():
	case <-t.C:
		p.mu.Lock()
		p.fail("a room was not joined within the time-out")
		p.mu.Unlock()
	}
}

// appoint counts the members and makes the first ones of each room its publishers.
func (l *live) appoint(r *run) {
	for _, p := range r.peers {
		p.mu.Lock()
		m := p.member
		if p.over || !m.in {
			p.mu.Unlock()
			continue
		}
		if m.number >= r.plan.Connections-r.plan.Stalled {
			m.stalled.Store(true)
			if tcp, ok := p.conn.(*net.TCPConn); ok {
				tcp.SetReadBuffer(4096) // the kernel would read on for it, up to megabytes
			}
			p.mu.Unlock()
			continue
		}
		m.room.mu.Lock()
		m.counts = true
		m.room.here++
		if len(m.room.publishers) < r.plan.Publishers {
			pub := &publisher{index: len(l.publishers), slot: len(m.room.publishers), room: m.room, peer: p}
			m.room.publishers = append(m.room.publishers, pub)
			m.publisher = pub
			l.publishers = append(l.publishers, pub)
			l.there.Add(1)
		}
		m.room.mu.Unlock()
		p.mu.Unlock()
	}
	for _, pub := range l.publishers {
		most := r.plan.Depth
		if r.plan.Rate > 0 {
			most = max(256, maxFlight/len(l.publishers))
		}
		pub.ring = make([]published, most)
	}
	for _, p := range r.peers {
		p.mu.Lock()
		p.member.next = make([]int64, len(p.member.room.publishers))
		p.mu.Unlock()
	}
	l.ready.Store(true)
	if len(l.publishers) == 0 {
		r.once.Do(func() { close(r.emptied) })
	}
}

// begin sends the first messages of a closed loop.
func (l *live) begin(r *run) {
	for _, pub := range l.publishers {
		pub.publish(r, r.plan.Depth, 0)
	}
}

// next is the publisher whose turn it is, or nil if there is none any more.
func (l *live) next() *publisher {
	for range l.publishers {
		pub := l.publishers[l.turn%len(l.publishers)]
		l.turn++
		pub.peer.mu.Lock()
		over := pub.peer.over
		pub.peer.mu.Unlock()
		if !over {
			return pub
		}
	}
	return nil
}

// publish sends so many messages. In a closed loop they are due now, and due is 0.
func (pub *publisher) publish(r *run, n int, due int64) {
	p, room := pub.peer, pub.room
	p.mu.Lock()
	defer p.mu.Unlock()
	for range n {
		if p.over || p.ending || !r.sending.Load() {
			break
		}
		number := pub.total.Load()
		e := &pub.ring[number%int64(len(pub.ring))]
		if e.left.Load() > 0 {
			p.fail(fmt.Sprintf("%d messages of a publisher had not come to everybody", len(pub.ring)))
			return
		}
		e.message, e.due, e.sent = r.mix.choose(p.shard), due, r.now()
		if due == 0 {
			e.due = e.sent
		}
		room.mu.Lock()
		e.left.Store(int32(room.here))
		pub.total.Store(number + 1)
		f := room.frame(e.message)
		room.mu.Unlock()
		p.out = f.appendTo(p.out, pub.index, number)
		p.shard.sent.Add(1)
	}
	p.flush()
}

// delivered notes that one more member has a message, and returns 1 if it was the last one.
func (pub *publisher) delivered(number int64) int {
	if pub.ring[number%int64(len(pub.ring))].left.Add(-1) == 0 {
		return 1
	}
	return 0
}

// leave takes a member out. Called with the peer's mu held. It returns what nobody lacks any
// more, and whether nobody is left who publishes.
func (l *live) leave(p *peer) (all []freed, last bool) {
	m := p.member
	m.room.mu.Lock()
	defer m.room.mu.Unlock()
	if !m.counts {
		return nil, false
	}
	m.counts = false
	m.room.here--
	for i, next := range m.next { // none before the publishers were appointed
		pub := m.room.publishers[i]
		f := freed{from: pub}
		for n := next; n < pub.total.Load(); n++ {
			f.n += pub.delivered(n)
		}
		if f.n > 0 {
			all = append(all, f)
		}
	}
	return all, m.publisher != nil && l.there.Add(-1) == 0
}

// orphaned tells whether a publisher has gone: the server may have dropped its messages.
func (l *live) orphaned() bool { return l.there.Load() < int64(len(l.publishers)) }

// frameOf is a message as it is published to one room: all but its numbers.
type frameOf struct {
	bytes []byte
	at    int // where in bytes the numbers stand
	mask  int // which byte of the mask key is the first one there
}

// frame returns the frame of a message for the room. Called with mu held.
func (r *room) frame(m *message) *frameOf {
	f := r.frames[m]
	if f == nil {
		before := `{"type":"` + liveType + `","room":` + quoted(r.name) + `,"data":"`
		payload := append(append([]byte(before), m.payload...), `"}`...)
		f = &frameOf{bytes: newFrame(0x81, payload), mask: len(before) & 3}
		f.at = len(f.bytes) - len(payload) + len(before)
		r.frames[m] = f
	}
	return f
}

// appendTo appends the frame with the numbers of a publisher and of its message.
func (f *frameOf) appendTo(b []byte, publisher int, number int64) []byte {
	at := len(b) + f.at
	b = append(b, f.bytes...)
	for i, c := range numbers(publisher, number) {
		b[at+i] = c ^ maskKey[(f.mask+i)&3]
	}
	return b
}

// joinFrame asks to be let into a room.
func joinFrame(name string) []byte {
	return newFrame(0x81, []byte(`{"type":"$join","id":1,"room":`+quoted(name)+`}`))
}
