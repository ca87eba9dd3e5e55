package live

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// member is a session in a room, or watching a wildcard. It is live when it gets
// messages as they are published. Before that, and when it was too slow, it is fed:
// from where it stands, as the connection takes it.
type member struct {
	s *Session
	r *room

	// Guarded by the room's mu, and read without it by who feeds while not live.
	live   bool
	since  uint64   // the serial at which it became live
	cursor Position // where it stands, while not live
	prev   uint64   // likewise: from what its client knows to the cursor the room is empty; 0: unknown
	serial uint64   // likewise
	skip   bool     // it was too slow under DropOldest

	asks    bool   // who is there; does not change
	shown   bool   // it has been told, and is told of changes; guarded by the room's mu
	shownAs uint64 // as of which version

	mu   sync.Mutex // held while it begins and while it is fed
	gone bool
}

// lag has the member fed from before an event. Called with the room's mu held.
func (m *member) lag(e *event) {
	m.r.groups[m.s.codec].Remove(m.s.conn)
	m.live = false
	m.cursor, m.serial = e.before, e.serial-1
	if m.prev = e.before.Seq; e.m != nil {
		m.prev = e.m.Prev
	}
	m.skip = m.r.wild || m.r.kind.set.Slow == DropOldest
	m.s.feed.add(m)
}

// ending is how a membership ends.
type ending byte

const (
	left     ending = iota // it was meant to
	lost                   // the connection broke: the client may be back soon
	replaced               // the session has joined anew
)

// end ends the membership, and reports whether it had not ended before. Nothing of the
// room is sent behind it, and farewell, if any, before the session is told that it is in
// the room again.
func (m *member) end(how ending, farewell func()) bool {
	r := m.r
	m.mu.Lock() // first: enter may be about to make it a member
	was := m.gone
	m.gone = true
	r.mu.Lock()
	if r.members[m.s.conn] == m {
		delete(r.members, m.s.conn)
		r.groups[m.s.codec].Remove(m.s.conn)
		if m.shown {
			r.crowd.groups[m.s.codec].Remove(m.s.conn)
			m.shown = false
		}
		if how != replaced {
			r.disappears(m.s, how == lost)
		}
	}
	m.live = false
	r.mu.Unlock()
	if !was && farewell != nil {
		farewell()
	}
	m.s.mu.Lock()
	if m.s.rooms[r.name] == m { // until here who joins again had to wait
		delete(m.s.rooms, r.name)
	}
	m.s.mu.Unlock()
	m.mu.Unlock()
	if !was {
		r.hub.rooms.leave(r)
	}
	return !was
}

// feedBatch is how many messages a member is fed before it is another one's turn.
const feedBatch = 64

// fed says how far feeding came.
type fed byte

const (
	fedAll    fed = iota // the member is live, or gone
	fedSome              // there is more
	fedFull              // the connection takes no more
	fedBroken            // the history cannot be read
)

// step feeds the member.
func (m *member) step() fed {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return fedAll
	}
	r := m.r
	r.mu.Lock()
	if r.members[m.s.conn] != m {
		r.mu.Unlock()
		return fedAll
	}
	if m.asks && !m.shown {
		if res := m.show(); res != fedSome {
			r.mu.Unlock()
			return res
		}
	}
	if m.live {
		r.mu.Unlock()
		return fedAll
	}
	var events []*event
	read := false
	if m.skip {
		if g := m.skipped(); g != nil {
			r.mu.Unlock()
			return m.tell(g)
		}
	}
	switch {
	case r.keys():
		events = m.values()
	case !r.keeps():
		var missing bool
		events, missing = r.recent.since(m.serial, feedBatch)
		if missing || len(events) == 0 && r.serial > m.serial {
			if m.skip = r.kind.set.Slow == DropOldest && !r.wild; m.skip {
				r.mu.Unlock()
				return fedSome
			}
		}
	case m.cursor.Seq != r.last.Seq || m.cursor.Epoch != r.last.Epoch:
		events, read = r.recent.after(m.cursor, m.prev, feedBatch)
		read = !read || m.cursor.Epoch != r.last.Epoch
	}
	if len(events) == 0 && !read {
		defer r.mu.Unlock()
		return m.begin()
	}
	r.mu.Unlock()
	if read {
		var res fed
		if events, res = m.history(); res != fedSome {
			return res
		}
	}
	for _, e := range events {
		sent, err := m.s.out.offer(m.s, e.prepared(m.s.codec))
		if err != nil {
			return fedAll // the connection has ended
		}
		if !sent {
			return fedFull
		}
		if e.stored() {
			m.cursor, m.prev = e.m.Pos, e.m.Pos.Seq
		}
		m.skip = false
		m.serial = max(m.serial, e.serial)
	}
	return fedSome
}

// begin makes the member live. Called with the room's mu held.
func (m *member) begin() fed {
	r := m.r
	msg := &Message{Type: protocol.TypeLive, Room: r.name}
	if r.keeps() {
		msg.Pos = r.last
	}
	p, err := m.s.codec.Append(nil, msg)
	if err != nil {
		return fedAll
	}
	e := &event{}
	sent, err := m.s.out.offer(m.s, e.prepare(m.s.codec, p))
	if err != nil {
		return fedAll
	}
	if !sent {
		return fedFull
	}
	m.live, m.since = true, r.serial
	if !r.wild {
		r.groups[m.s.codec].Add(m.s.conn)
	}
	return fedAll
}

// history reads on from where the member stands, and tells it of a gap.
func (m *member) history() ([]*event, fed) {
	r := m.r
	ctx, done := context.WithTimeout(m.s.conn.Context(), readTimeout)
	defer done()
	page, err := r.hub.broker.History(ctx, r.key(), Query{From: m.cursor.Seq, Limit: feedBatch + 1})
	if err != nil {
		return nil, fedBroken
	}
	r.mu.Lock()
	r.hub.recent.extend(r, page.Messages)
	r.mu.Unlock()
	if start, reason := judge(m.cursor, &page); reason != "" {
		return nil, m.tell(gapEvent(r.name, m.cursor, start, reason))
	}
	var events []*event
	prev := m.prev
	for _, msg := range page.Messages {
		if msg.Pos.Seq > m.cursor.Seq {
			own := *msg
			own.Prev, prev = prev, msg.Pos.Seq
			events = append(events, &event{m: &own})
		}
	}
	if len(events) == 0 {
		// The room is empty up to the head. It may not have heard of that yet.
		r.mu.Lock()
		behind := m.cursor.Seq > r.last.Seq || m.cursor.Epoch != r.last.Epoch
		if !behind {
			if r.last.Seq <= page.Head.Seq {
				m.cursor = r.last
			} else if page.Head.Seq > m.cursor.Seq {
				m.cursor = page.Head
			}
		}
		r.mu.Unlock()
		if behind {
			r.Check(Position{})
			return nil, fedBroken
		}
	}
	return events, fedSome
}

func gapEvent(room string, after, start Position, reason string) *event {
	return notice(&Message{Type: protocol.TypeGap, Room: room, Pos: start}, protocol.Gap{After: after.Seq, Reason: reason}, start)
}

// tell sends a gap, and has the member go on behind it.
func (m *member) tell(g *event) fed {
	sent, err := m.s.out.offer(m.s, g.prepared(m.s.codec))
	if err != nil {
		return fedAll
	}
	if !sent {
		return fedFull
	}
	m.cursor, m.prev, m.serial, m.skip = g.before, g.before.Seq, max(m.serial, g.serial), false
	return fedSome
}

// skipped passes over what a slow member missed, but for the newest that its queue
// surely holds, and returns the gap, or nil if that is all of it. Called with the
// room's mu held.
func (m *member) skipped() *event {
	r := m.r
	start, serial := r.last, r.serial
	room := int64(m.s.hub.set.Accept.WriteQueue) / 4
	for i := len(r.recent.events) - 1; i >= 0; i-- {
		e := r.recent.events[i]
		if room -= e.size(); room < 0 || e.serial <= m.serial {
			break
		}
		start, serial = e.before, e.serial-1
	}
	if serial == m.serial {
		return nil
	}
	if !r.keeps() {
		start = Position{}
	}
	g := gapEvent(r.name, m.cursor, start, protocol.GapSlow)
	g.serial = serial
	return g
}

// values returns the values that the member does not have yet, oldest first. Called
// with the room's mu held.
func (m *member) values() []*event {
	age, now := m.r.kind.set.HistoryAge, time.Now()
	var events []*event
	for e := range m.r.latest.newest() {
		if e.serial <= m.serial || age > 0 && now.Sub(e.at) >= age {
			break
		}
		events = append(events, e)
	}
	slices.Reverse(events)
	return events[:min(len(events), feedBatch)]
}
