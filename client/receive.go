package client

import (
	"context"
	"slices"

	"github.com/tidewire/tidewire/live/protocol"
)

type itemKind uint8

const (
	itemMessage itemKind = iota
	itemGap
	itemLive
	itemLeft
)

// An item waits for the callbacks of a room.
type item struct {
	kind itemKind
	m    *Message
	gap  Gap
	err  error
	pos  Position // is reached with it; zero: no change
}

func (it *item) size() int {
	if it.m == nil {
		return 0
	}
	return len(it.m.data)
}

// arrived takes a message of a room to the handles that it is for. c.mu is held, and m's data is lent.
func (c *Client) arrived(m *protocol.Message) {
	var it item
	if r := c.rooms[m.Room]; r != nil && r.want {
		if !r.joined || !r.accept(m) {
			return // what is ignored here comes again, or came before, also for wildcards
		}
		it = item{m: messageOf(m)}
		if m.Pos.Seq != 0 {
			it.pos = r.got
		}
		it.m.Position = it.pos
		r.push(it)
	}
	for _, w := range c.wild {
		if w.stands(m.Room) {
			if it.m == nil {
				it.m = messageOf(m)
			}
			w.push(item{m: it.m})
		}
	}
}

// accept reports whether the message is the next one of the room, and goes on to its position. docs/protocol.md,
// "Positions". c.mu is held.
func (r *Room) accept(m *protocol.Message) bool {
	if m.Pos.Seq == 0 || m.Volatile {
		m.Pos = Position{}
		return true
	}
	if !r.got.IsZero() {
		if m.Pos.Seq <= r.got.Seq {
			return false
		}
		if m.Prev > r.got.Seq {
			r.missing()
			return false
		}
	}
	r.got = Position{Epoch: r.got.Epoch, Seq: m.Pos.Seq, Mid: m.Mid}
	return true
}

// missing joins again, as something is missing behind got. When that did not help it waits. c.mu is held.
func (r *Room) missing() {
	again := r.brokenAt == r.got.Seq+1
	r.brokenAt = r.got.Seq + 1
	r.c.o.Logger.Warn("client: a message is missing, joining again", "room", r.name, "after", r.got.Seq)
	if again {
		r.failures++
		r.rejoin(r.c.span.wait(r.failures))
		return
	}
	r.rejoin(0)
}

// advance takes over a position that no message brought. c.mu is held.
func (r *Room) advance(pos Position) {
	r.got = pos
	switch n := len(r.queue); {
	case r.lost != nil:
		r.lost.pos, r.lost.gap.Position = pos, pos
	case n > 0:
		r.queue[n-1].pos = pos
	default:
		r.pos = pos
	}
}

// gap takes over a gap that the server tells of. c.mu is held.
func (r *Room) gap(pos Position, g protocol.Gap) {
	it := item{kind: itemGap, gap: Gap{Room: r.name, After: g.After, Position: pos, Reason: g.Reason}, pos: pos}
	if !pos.IsZero() {
		r.got = pos
	}
	if n := len(r.queue); r.lost == nil && n > 0 && r.queue[n-1].kind == itemGap {
		last := &r.queue[n-1] // one gap says it all
		last.pos, last.gap.Position = pos, pos
		return
	}
	r.push(it)
}

// push has an item handed over. c.mu is held.
func (r *Room) push(it item) {
	limit := r.c.o.Inbox
	room := func(n, size int) bool {
		return len(r.queue) == 0 || len(r.queue)+n <= limit.Max && r.bytes+size <= limit.MaxBytes
	}
	if r.lost != nil && room(2, it.size()) {
		r.queue = append(r.queue, *r.lost)
		r.lost = nil
	}
	switch {
	case it.kind == itemLeft: // once for each Join
		if r.lost != nil {
			r.queue = append(r.queue, *r.lost)
			r.lost = nil
		}
		r.queue = append(r.queue, it)
	case r.lost == nil && room(1, it.size()):
		r.queue = append(r.queue, it)
		r.bytes += it.size()
	case it.kind == itemMessage && it.m.Volatile:
		r.c.stats.Dropped++
	case it.kind == itemLive:
		if r.lost == nil && len(r.queue) < 2*limit.Max {
			r.queue = append(r.queue, it)
		}
	default:
		r.overflow(it)
	}
	r.work.wake()
}

// overflow loses an item, and notes that. c.mu is held.
func (r *Room) overflow(it item) {
	if r.lost == nil {
		r.lost = &item{kind: itemGap, gap: Gap{Room: r.name, Reason: GapOverflow}}
		r.lost.gap.After = r.pos.Seq
		for i := range slices.Backward(r.queue) {
			if pos := r.queue[i].pos; !pos.IsZero() {
				r.lost.gap.After = pos.Seq
				break
			}
		}
	}
	if !it.pos.IsZero() {
		r.lost.pos, r.lost.gap.Position = it.pos, it.pos
	}
}

// next is the room's worker's work.
func (r *Room) next() func(context.Context) {
	if len(r.queue) == 0 && r.lost != nil {
		r.queue = append(r.queue, *r.lost)
		r.lost = nil
	}
	if len(r.queue) == 0 {
		return r.nextCrowd()
	}
	it := r.queue[0]
	r.queue = slices.Delete(r.queue, 0, 1)
	r.bytes -= it.size()
	if !it.pos.IsZero() {
		r.pos = it.pos
	}
	c := r.c
	switch it.kind {
	case itemGap:
		for _, s := range r.subs {
			s.miss(it.gap)
		}
		list := slices.Clone(r.onGap)
		return func(ctx context.Context) {
			for _, f := range list {
				c.guard(func() { f(ctx, it.gap) })
			}
		}
	case itemLive:
		list := slices.Clone(r.onLive)
		return func(ctx context.Context) {
			for _, f := range list {
				c.guard(func() { f(ctx) })
			}
		}
	case itemLeft:
		if !r.want {
			r.endLoops(it.err)
		}
		list := slices.Clone(r.onLeft)
		return func(ctx context.Context) {
			for _, f := range list {
				c.guard(func() { f(ctx, it.err) })
			}
		}
	}
	for _, s := range r.subs {
		s.take(it.m)
	}
	list := slices.Clone(r.on[it.m.Type])
	if len(list) == 0 {
		list = slices.Clone(r.on[""])
	}
	return func(ctx context.Context) {
		for _, f := range list {
			c.guard(func() { f(ctx, it.m) })
		}
	}
}
