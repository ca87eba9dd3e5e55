package live

import (
	"cmp"
	"container/list"
	"slices"
	"sync"
)

// recent is the tail of a room on this node, encoded: whoever joins, comes back or is
// slow is served from it, as far as it reaches. It is an unbroken chain: a gap
// empties it. Guarded by the room's mu.
type recent struct {
	events []*event
	bytes  int64
	elem   *list.Element // in the budget's list
}

const (
	recentMost  = 256 // events of a room
	recentBytes = 256 << 10
)

// recentBudget bounds what all rooms keep together; the room that had no message for
// longest goes first.
type recentBudget struct {
	most int64

	mu    sync.Mutex
	used  int64
	order list.List // of *room, least recently used first
}

// keep adds an event to a room's tail. The caller holds r.mu.
func (b *recentBudget) keep(r *room, e *event) {
	t := &r.recent
	before := t.bytes
	t.events = append(t.events, e)
	t.bytes += e.size()
	for len(t.events) > recentMost || t.bytes > recentBytes && len(t.events) > 1 {
		t.bytes -= t.events[0].size()
		t.events[0] = nil
		t.events = t.events[1:]
	}
	b.grown(r, t.bytes-before)
}

// extend puts what was read of a room's history before its tail, if that is where it ends: those who come back to the room
// together are served by one read. The caller holds r.mu.
func (b *recentBudget) extend(r *room, read []*Message) {
	t := &r.recent
	first := r.last // the tail's, or where one would begin
	if len(t.events) > 0 {
		first = t.events[0].m.Pos
	}
	n := slices.IndexFunc(read, func(m *Message) bool { return m.Pos == first })
	if n < 0 || n == 0 && len(t.events) > 0 {
		return
	}
	before := t.bytes
	var older []*event
	for i := n; i >= 0; i-- {
		own := *read[i]
		e := &event{m: &own}
		if own.Prev = 0; i > 0 { // otherwise it is not known
			e.before, own.Prev = read[i-1].Pos, read[i-1].Pos.Seq
		}
		if len(older) == 0 && len(t.events) > 0 { // in place of the one that may not have known
			e.serial = t.events[0].serial
			t.bytes -= t.events[0].size()
			t.events = t.events[1:]
		}
		if len(older)+len(t.events) == recentMost || t.bytes+e.size() > recentBytes && len(older) > 0 {
			break
		}
		older = append(older, e)
		t.bytes += e.size()
	}
	slices.Reverse(older)
	t.events = append(older, t.events...)
	b.grown(r, t.bytes-before)
}

// grown keeps to the bound behind a change of a room's tail. The caller holds r.mu.
func (b *recentBudget) grown(r *room, bytes int64) {
	t := &r.recent
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += bytes
	if t.elem == nil {
		t.elem = b.order.PushBack(r)
	} else {
		b.order.MoveToBack(t.elem)
	}
	for b.used > b.most {
		old := b.order.Front().Value.(*room)
		if old != r && !old.mu.TryLock() { // it has something to do, and is not the least recently used for long
			b.order.MoveToBack(b.order.Front())
			return
		}
		b.clear(old)
		if old == r {
			return
		}
		old.mu.Unlock()
	}
}

// forget empties a room's tail. The caller holds r.mu.
func (b *recentBudget) forget(r *room) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear(r)
}

func (b *recentBudget) clear(r *room) {
	t := &r.recent
	b.used -= t.bytes
	if t.elem != nil {
		b.order.Remove(t.elem)
	}
	*t = recent{}
}

// after returns up to n events behind a position, and whether the tail reaches back
// to it; from prev to there the room is empty. The caller knows that the position is in
// the room's history.
func (t *recent) after(pos Position, prev uint64, n int) ([]*event, bool) {
	i, _ := slices.BinarySearchFunc(t.events, pos.Seq+1, func(e *event, seq uint64) int { return cmp.Compare(e.m.Pos.Seq, seq) })
	if i == len(t.events) {
		return nil, false
	}
	if i == 0 && (t.events[0].m.Prev == 0 || t.events[0].m.Prev > prev) {
		return nil, false
	}
	return slices.Clone(t.events[i:min(i+n, len(t.events))]), true
}

// has reports whether a message is in the tail.
func (t *recent) has(pos Position) bool {
	i, ok := slices.BinarySearchFunc(t.events, pos.Seq, func(e *event, seq uint64) int { return cmp.Compare(e.m.Pos.Seq, seq) })
	return ok && t.events[i].m.Pos == pos
}

// since returns up to n events with a serial above that one, and how many between are
// missing.
func (t *recent) since(serial uint64, n int) (events []*event, missing bool) {
	for i, e := range t.events {
		if e.serial > serial {
			return slices.Clone(t.events[i:min(i+n, len(t.events))]), e.serial > serial+1
		}
	}
	return nil, false
}
