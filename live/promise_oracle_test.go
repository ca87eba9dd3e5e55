package live_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
)

// fact is a message as it was stored, or delivered where nothing is stored.
type fact struct {
	pos live.Position
	mid string
	key string
	nth int // of all
}

// truth is what was accepted, room by room.
type truth struct {
	mu    sync.Mutex
	nth   int
	rooms map[string][]fact // by room and epoch, in order
	mids  map[string][]fact // by room and mid: in each epoch once, and again where nothing is stored
}

func (tr *truth) Deliver(m *live.Message) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.nth++
	f := fact{m.Pos, m.Mid, m.Key, tr.nth}
	k := m.Room + " " + m.Pos.Epoch
	tr.rooms[k] = append(tr.rooms[k], f)
	tr.mids[m.Room+" "+m.Mid] = append(tr.mids[m.Room+" "+m.Mid], f)
}

func (*truth) Check(live.Position) {}

// of returns what was accepted in a room, in an epoch.
func (tr *truth) of(room, epoch string) []fact {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.rooms[room+" "+epoch])
}

// find returns the first fact of a message that is the nth of all, or behind that.
func (tr *truth) find(room, mid string, nth int) (fact, bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, f := range tr.mids[room+" "+mid] {
		if f.nth >= nth {
			return f, true
		}
	}
	return fact{}, false
}

// behind returns the index of the first fact with that mid at i or behind it, or -1.
func behind(facts []fact, i int, mid string) int {
	for ; i < len(facts); i++ {
		if facts[i].mid == mid {
			return i
		}
	}
	return -1
}

// saw is what a subscriber's callbacks were told.
type saw struct {
	pos live.Position
	mid string
	key string
	gap *client.Gap
	at  int // how much was stored of the room then
}

// judge is the oracle.
func (w *world) judge() {
	for room, facts := range w.tr.rooms { // stored once
		mids := map[string]bool{}
		for _, f := range facts {
			if mids[f.mid] && !f.pos.IsZero() {
				w.t.Errorf("%s: %s is stored twice", room, f.mid)
			}
			mids[f.mid] = true
		}
	}
	for what, pos := range w.acked {
		room, mid, _ := strings.Cut(what, " ")
		if !slices.ContainsFunc(w.tr.of(room, pos.Epoch), func(f fact) bool { return f.pos == pos && f.mid == mid }) {
			w.t.Errorf("%s was acknowledged as %v and is not stored there", what, pos)
		}
	}
	for key, all := range w.seen {
		name := key[2:]
		bad := func(i int, format string, args ...any) {
			w.t.Errorf("subscriber %s, event %d: %s", key, i, fmt.Sprintf(format, args...))
		}
		switch kind(name) {
		case "latest":
			w.judgeLatest(name, all, bad)
		case "loose":
			w.judgeLoose(name, all, bad)
		default:
			w.judgeStored(name, all, bad)
		}
	}
	if why := w.behind(); why != "" {
		w.t.Error(why)
	}
}

// judgeStored judges what a subscriber was told of a room with history.
func (w *world) judgeStored(name string, all []saw, bad func(i int, format string, args ...any)) {
	var at live.Position
	for i, s := range all {
		if s.gap != nil {
			w.p.Gaps++
			if g := s.gap; g.Position.Epoch == at.Epoch && !w.excused(name, at, g, s.at) {
				bad(i, "a gap without need: behind %v, %+v", at, *g)
			}
			if s.gap.Reason == client.GapSlow {
				w.p.Slow++
			}
			at = s.gap.Position
			continue
		}
		w.p.Delivered++
		if !slices.ContainsFunc(w.tr.of(name, s.pos.Epoch), func(f fact) bool { return f.pos == s.pos && f.mid == s.mid }) {
			bad(i, "nothing was stored as %v", s.pos)
		}
		if i > 0 {
			switch {
			case s.pos.Epoch != at.Epoch:
				bad(i, "epoch %s behind %s without a gap", s.pos.Epoch, at.Epoch)
			case s.pos.Seq <= at.Seq:
				bad(i, "%v behind %v", s.pos, at)
			default:
				for _, f := range w.tr.of(name, at.Epoch) {
					if f.pos.Seq > at.Seq && f.pos.Seq < s.pos.Seq {
						bad(i, "%v is missing between %v and %v", f.pos, at, s.pos)
					}
				}
			}
		}
		at = s.pos
	}
}

// judgeLoose judges what a subscriber was told of a room that stores nothing: what is
// missing while it was away is not told.
func (w *world) judgeLoose(name string, all []saw, bad func(i int, format string, args ...any)) {
	facts, at := w.tr.of(name, ""), -1
	for i, s := range all {
		if s.gap != nil {
			w.p.Loose++
			if s.gap.Reason != client.GapSlow {
				bad(i, "a gap for no reason: %+v", *s.gap)
			}
			continue
		}
		next := behind(facts, at+1, s.mid)
		if next < 0 {
			bad(i, "%s comes behind a later one, again, or was not published", s.mid)
			return
		}
		at = next
	}
}

// judgeLatest judges what a subscriber was told of a room under Latest. When it comes
// back it is sent the values again.
func (w *world) judgeLatest(name string, all []saw, bad func(i int, format string, args ...any)) {
	last := map[string]fact{}
	for i, s := range all {
		if s.gap != nil {
			bad(i, "a gap: %+v", *s.gap)
			continue
		}
		was := last[s.key]
		f, ok := w.tr.find(name, s.mid, was.nth)
		switch {
		case !ok || f.key != s.key:
			bad(i, "nobody has published %s of %s at or behind %v", s.mid, s.key, was.pos)
		case was.pos.Epoch == f.pos.Epoch && slices.ContainsFunc(w.tr.of(name, f.pos.Epoch), func(g fact) bool {
			return g.key == f.key && g.nth > was.nth && g.nth < f.nth
		}):
			w.p.Conflated++
		}
		last[s.key] = f
	}
}

// behind says who has not come to the end, or nothing.
func (w *world) behind() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for who := range 3 {
		for _, name := range promiseRooms {
			key := fmt.Sprint(who, " ", name)
			if why := w.behindIn(name, w.seen[key]); why != "" {
				return fmt.Sprintf("subscriber %s %s", key, why)
			}
		}
	}
	return ""
}

func (w *world) behindIn(name string, all []saw) string {
	switch kind(name) {
	case "latest":
		seen := map[string]string{}
		for _, s := range all {
			seen[s.key] = s.mid
		}
		want := map[string]string{}
		for _, f := range w.tr.of(name, w.epoch) {
			want[f.key] = f.mid
		}
		for key, mid := range want {
			if seen[key] != mid {
				return fmt.Sprintf("has %s of %s; the last is %s", seen[key], key, mid)
			}
		}
	case "loose":
		if facts := w.tr.of(name, ""); w.healed && len(facts) > 0 && (len(all) == 0 || all[len(all)-1].mid != facts[len(facts)-1].mid) {
			return "did not hear the last message"
		}
	default:
		var at live.Position
		if n := len(all); n > 0 {
			if at = all[n-1].pos; all[n-1].gap != nil {
				at = all[n-1].gap.Position
			}
		}
		if facts := w.tr.of(name, w.epoch); len(facts) > 0 && (at.Epoch != w.epoch || facts[len(facts)-1].pos.Seq > at.Seq) {
			return fmt.Sprintf("is at %v, the head is %v", at, facts[len(facts)-1].pos)
		}
	}
	return ""
}

// excused reports whether a message behind at and up to the gap's position was
// evicted when the gap was told, or, where the slow miss some, that there is one.
func (w *world) excused(room string, at live.Position, g *client.Gap, stored int) bool {
	slow := g.Reason == client.GapSlow && kind(room) == "drop"
	facts := w.tr.of(room, g.Position.Epoch)
	for i, f := range facts {
		if f.pos.Seq > at.Seq && f.pos.Seq <= g.Position.Seq && (slow || stored-i > w.keep) {
			return true
		}
	}
	return false
}
