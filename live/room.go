package live

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// rooms are those that have members on this node.
type rooms struct {
	hub *Hub
	mu  sync.Mutex
	all map[string]*room
}

// room is one of them: the members, what they get next, and the tail of the history.
// It exists from the first member's coming to the last one's going.
//
// Locks are taken in this order: the broker's own, room.mu, a Group's, Session.mu.
type room struct {
	hub    *Hub
	name   string
	kind   *kind
	wild   bool
	refs   int // guarded by rooms.mu
	ready  chan struct{}
	failed error         // behind ready
	over   chan struct{} // closed when the last has gone

	cancel func() // behind ready
	crowd  *crowd // nil without presence

	calling sync.Mutex // held while a call to other nodes is made and sent

	mu      sync.Mutex // guards what follows
	members map[*ws.Conn]*member
	coming  int         // that will be members in a moment
	groups  [2]ws.Group // of the live members, by codec
	last    Position    // of the last message that was brought to them, or behind it
	prev    uint64      // from there to last the room is empty; 0: unknown
	serial  uint64
	rate    frequency // of what push brings
	recent  recent
	backlog *backlog // the newest that is being read; nil: none
	latest  latest[*event]
	healing bool
	pending []*Message // that came while healing
}

const (
	maxPending  = 256
	healPage    = 200
	readTimeout = 10 * time.Second
)

func (rs *rooms) len() int {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.all)
}

// enter returns a room, begun if need be, and holds it until leave.
func (rs *rooms) enter(ctx context.Context, name string, k *kind) (*room, error) {
	rs.mu.Lock()
	r := rs.all[name]
	first := r == nil
	if first {
		r = &room{hub: rs.hub, name: name, kind: k, wild: protocol.IsWildcard(name),
			ready: make(chan struct{}), over: make(chan struct{}), members: map[*ws.Conn]*member{}}
		for c := range r.groups {
			r.groups[c].Refused = r.refused
		}
		if k.set.Presence && !r.wild {
			r.crowd = newCrowd(r)
		}
		r.healing = r.keeps() // until it is known where the room stands
		if rs.all == nil {
			rs.all = map[string]*room{}
		}
		rs.all[name] = r
	}
	r.refs++
	rs.mu.Unlock()
	if first {
		r.failed = r.begin()
		if r.failed != nil {
			rs.mu.Lock()
			delete(rs.all, name)
			rs.mu.Unlock()
		}
		close(r.ready)
	}
	select {
	case <-r.ready:
	case <-ctx.Done():
		rs.leave(r)
		return nil, ctx.Err()
	}
	if r.failed != nil {
		rs.leave(r)
		return nil, r.failed
	}
	return r, nil
}

// leave lets go of a room.
func (rs *rooms) leave(r *room) {
	rs.mu.Lock()
	r.refs--
	last := r.refs == 0
	if last && rs.all[r.name] == r {
		delete(rs.all, r.name)
	}
	rs.mu.Unlock()
	if !last {
		return
	}
	<-r.ready
	if r.cancel != nil {
		r.cancel()
	}
	close(r.over)
	r.endCrowd()
	r.mu.Lock()
	r.hub.recent.forget(r)
	r.mu.Unlock()
}

// each calls f for each room that there is.
func (rs *rooms) each(f func(r *room)) {
	rs.mu.Lock()
	all := slices.Collect(maps.Values(rs.all))
	rs.mu.Unlock()
	for _, r := range all {
		f(r)
	}
}

func (r *room) keeps() bool { return !r.wild && r.kind.retention.History > 0 }
func (r *room) keys() bool  { return !r.wild && r.kind.retention.Keys }

// key is the room as the broker sees it.
func (r *room) key() Room {
	if r.wild {
		return Room{Name: r.name}
	}
	return Room{Name: r.name, Retention: r.kind.retention}
}

// begin subscribes and reads where the room stands. What comes meanwhile is pending
// where there is a history, and needs no order elsewhere.
func (r *room) begin() (err error) {
	if r.cancel, err = r.hub.broker.Subscribe(r.key(), r); err != nil {
		return err
	}
	if err := r.beginCrowd(); err != nil {
		return err // leave cancels
	}
	ctx, done := context.WithTimeout(context.Background(), readTimeout)
	defer done()
	var head Position
	var values []*Message
	if r.keeps() {
		var page Page
		page, err = r.hub.broker.History(ctx, r.key(), Query{})
		head = page.Head
	} else if r.keys() {
		values, err = r.hub.broker.Latest(ctx, r.key())
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = head
	if head.Mid != "" { // who comes back to an empty room may stand before its head
		r.prev = head.Seq
	}
	for _, m := range values {
		r.accept(m)
	}
	if r.healing = !r.settle(); r.healing {
		r.heal()
	}
	return nil
}

// Deliver takes a message from the broker.
func (r *room) Deliver(m *Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.healing:
		if m.Volatile && r.keeps() {
			return // it may come at any time, or not at all
		}
		if len(r.pending) == maxPending {
			r.pending = nil // they are in the history too, where there is one
		}
		r.pending = append(r.pending, m)
	case !r.accept(m):
		r.pending = append(r.pending, m)
		r.heal()
	}
}

// Check takes the head of the room's history from the broker.
func (r *room) Check(head Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.healing:
	case r.keeps() && (head.IsZero() || head.Epoch != r.last.Epoch || head.Seq > r.last.Seq):
		r.heal()
	case r.keys() && head.IsZero():
		go r.reread()
	}
}

// reread takes the values that were missed in a room under Latest.
func (r *room) reread() {
	ctx, done := context.WithTimeout(context.Background(), readTimeout)
	defer done()
	values, err := r.hub.broker.Latest(ctx, r.key())
	if err != nil {
		r.hub.logger().Warn("live: values could not be read", "room", r.name, "error", err)
		return // the broker says again that it may have lost something
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range values {
		r.accept(m)
	}
}

// accept brings a message to the members, and reports whether it could: whether
// nothing is missing before it. Called with mu held.
func (r *room) accept(m *Message) bool {
	if !r.keeps() || m.Pos.Seq == 0 {
		e, ok := r.latest.get(r.keyOf(m))
		if ok && m.Pos.Seq > 0 && e.m.Pos.Epoch == m.Pos.Epoch && e.m.Pos.Seq >= m.Pos.Seq {
			return true
		}
		r.push(m)
		return true
	}
	switch {
	case m.Pos.Epoch != r.last.Epoch:
		return false
	case m.Pos.Seq <= r.last.Seq:
		// Once more; or the broker has lost what was there, and gives its number out again.
		return m.Pos == r.last || r.last.Mid == "" || r.recent.has(m.Pos)
	case m.Prev == 0, m.Prev > r.last.Seq, m.Prev < r.last.Seq && r.last.Mid != "":
		return false
	}
	r.push(m)
	return true
}

// keyOf returns the key of a message under Latest.
func (r *room) keyOf(m *Message) string { return cmp.Or(m.Key, m.Type) }

// push brings a message to the members. Called with mu held.
func (r *room) push(m *Message) {
	r.serial++
	e := &event{m: m, serial: r.serial, before: r.last, bare: !r.keeps(), at: time.Now()}
	r.rate.tick(e.at)
	if e.stored() {
		r.last, r.prev = m.Pos, m.Pos.Seq
	}
	switch {
	case r.wild:
		r.watch(e)
		return
	case r.keys():
		if m.Volatile {
			break
		}
		r.latest.put(r.keyOf(m), e)
		if r.latest.len() > r.kind.set.MaxKeys {
			oldest, _ := r.latest.oldest()
			r.latest.remove(oldest)
		}
	case e.stored() || !r.keeps() && r.kind.set.Slow == DropOldest:
		r.hub.recent.keep(r, e)
	}
	members := e.send(&r.groups, r.hub)
	if f := r.hub.set.Hooks.Published; f != nil {
		f(m, members)
	}
}

// settle takes the pending messages as far as nothing is missing, and reports whether
// that was all of them. Called with mu held.
func (r *room) settle() bool {
	slices.SortStableFunc(r.pending, func(a, b *Message) int { return cmp.Compare(a.Pos.Seq, b.Pos.Seq) })
	for i, m := range r.pending {
		if !r.accept(m) {
			r.pending = r.pending[i:]
			return false
		}
	}
	r.pending = nil
	return true
}

// heal reads what was missed from the history. Called with mu held.
func (r *room) heal() {
	r.healing = true
	go r.read()
}

// read reads from where the room stands to the head, and then takes what came
// meanwhile. What was pending before needs no look: History is never stale, so that
// is in it, or evicted, or of a history that is no more.
func (r *room) read() {
	wait := 10 * time.Millisecond
	for healed := 0; ; {
		r.mu.Lock()
		r.pending = nil
		from := r.last
		r.mu.Unlock()
		ctx, done := context.WithTimeout(context.Background(), readTimeout)
		page, err := r.hub.broker.History(ctx, r.key(), Query{From: from.Seq, Limit: healPage})
		done()
		if err != nil {
			select {
			case <-r.over:
				return
			case <-time.After(wait):
				wait = min(2*wait, 2*time.Second)
			}
			continue
		}
		r.mu.Lock()
		if r.isOver() {
			r.mu.Unlock()
			return
		}
		healed += r.take(from, &page)
		if !page.More && r.settle() {
			r.healing = false
			r.mu.Unlock()
			if f := r.hub.set.Hooks.Healed; f != nil {
				f(r.name, healed)
			}
			return
		}
		r.mu.Unlock()
	}
}

// isOver reports whether the last member has gone: leave has emptied recent, or is
// about to. Called with mu held.
func (r *room) isOver() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// take brings a page that was read from a position to the members, and returns how
// many messages they had missed. Called with mu held.
func (r *room) take(from Position, page *Page) (n int) {
	if start, reason := judge(from, page); reason != "" {
		r.gap(start, reason)
	}
	for _, m := range page.Messages {
		if m.Pos.Seq > r.last.Seq {
			own := *m
			own.Prev = r.prev
			r.push(&own)
			n++
		}
	}
	if !page.More && page.Head.Epoch == r.last.Epoch && page.Head.Seq > r.last.Seq {
		r.last = page.Head // the room is empty up to there
	}
	return n
}

// gap tells the live members that messages are missing, and goes on behind start.
// Called with mu held.
func (r *room) gap(start Position, reason string) {
	e := notice(&Message{Type: protocol.TypeGap, Room: r.name, Pos: start}, protocol.Gap{After: r.last.Seq, Reason: reason}, r.last)
	r.serial++
	e.serial = r.serial
	r.last, r.prev = start, start.Seq
	r.hub.recent.forget(r)
	e.send(&r.groups, r.hub)
	if f := r.hub.set.Hooks.Gap; f != nil {
		f(r.name, reason)
	}
	r.hub.logger().Warn("live: a room lost messages", "room", r.name, "reason", reason, "after", e.before.Seq, "position", start.Seq)
}

// judge says whether everything behind pos is in a page that was read from pos.Seq
// on, inclusive. If it is not, reason says why, and start is where to go on.
func judge(pos Position, page *Page) (start Position, reason string) {
	epoch := page.Head.Epoch
	floor := Position{Epoch: epoch, Seq: page.Floor}
	switch {
	case pos.Epoch != epoch:
		return floor, protocol.GapEpoch
	case pos.Seq > page.Head.Seq && pos.Seq > page.Floor:
		return page.Head, protocol.GapRewound
	case pos.Seq < page.Floor:
		return floor, protocol.GapEvicted
	case pos.Mid == "":
		return pos, ""
	case len(page.Messages) > 0 && page.Messages[0].Pos.Seq == pos.Seq:
		if page.Messages[0].Pos.Mid != pos.Mid {
			return page.Head, protocol.GapRewound
		}
		return pos, ""
	case pos.Seq > page.Floor: // it would have to be there
		return page.Head, protocol.GapRewound
	}
	return pos, "" // it was the last that was evicted
}

// watch brings a message to the members of a wildcard, but for those that get it
// otherwise. Called with mu held.
func (r *room) watch(e *event) {
	for _, m := range r.members {
		if !m.live || m.s.hearsBy(e.m.Room) != r.name {
			continue
		}
		if sent, _ := m.s.out.offer(m.s, e.prepared(m.s.codec)); !sent {
			m.lag(e)
		}
	}
}

// refused is told of a live member that has no room for a message.
func (r *room) refused(c *ws.Conn, p *ws.Prepared) {
	e := p.Value.(*event)
	r.hub.traffic.out.add(-1, p.Len())
	r.mu.Lock()
	m := r.members[c]
	if m == nil || !m.live || e.serial <= m.since || e.m != nil && e.m.Volatile {
		r.mu.Unlock()
		return
	}
	closes := r.kind.set.Slow == Disconnect
	if !closes {
		m.lag(e)
	}
	r.mu.Unlock()
	if f := r.hub.set.Hooks.Slow; f != nil {
		f(m.s, r.name, r.kind.set.Slow)
	}
	if closes {
		c.Close(ws.StatusTryAgainLater, "reads too slowly: its queue is full")
	}
}
