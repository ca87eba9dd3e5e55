//go:build linux

package natsbroker_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
)

// heard is what a subscriber was told: a message, or a gap.
type heard struct {
	pos client.Position
	mid string
	gap *client.Gap
	at  time.Time
}

// where returns where the subscriber stands behind it.
func (h heard) where() client.Position {
	if h.gap != nil {
		return h.gap.Position
	}
	return h.pos
}

// evicts reports whether a room keeps no more than shortHistory.
func evicts(room string) bool { return strings.HasPrefix(room, "short:") }

// rest publishes a last message to each room, waits until everybody has it, and returns what is stored: what somebody is told
// who begins at the beginning.
func (c *crew) rest() map[string][]heard {
	ctx, done := context.WithTimeout(c.t.Context(), time.Minute+*promiseTime/4)
	defer done()
	x := c.client()
	var all sync.WaitGroup
	for _, name := range promiseRooms {
		all.Go(func() {
			room, err := x.Room(name, nil)
			if err != nil {
				c.t.Error(err)
				return
			}
			last, err := room.Send(ctx, "n", "last")
			if err != nil {
				c.t.Errorf("the last message of %s: %v", name, err)
				return
			}
			c.subscribe(c.client(), "log", name, &client.RoomOptions{Position: client.Position{Epoch: last.Epoch, Seq: 1}})
			for _, who := range append([]string{"log"}, c.who...) {
				c.waitFor(ctx, who, name, last)
			}
		})
	}
	all.Wait()
	log := map[string][]heard{}
	for _, name := range promiseRooms {
		log[name] = c.seen["log "+name]
	}
	return log
}

func (c *crew) waitFor(ctx context.Context, who, name string, last client.Position) {
	for there := false; !there; pass(ctx, 10*time.Millisecond) {
		c.mu.Lock()
		all := c.seen[who+" "+name]
		there = len(all) > 0 && all[len(all)-1].pos == last
		c.mu.Unlock()
		if ctx.Err() != nil && !there {
			c.t.Errorf("subscriber %s of %s does not get the last message, %v", who, name, last)
			return
		}
	}
}

// judge holds what was told against what is stored.
func (c *crew) judge(log map[string][]heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range promiseRooms {
		if evicts(name) {
			c.judgeShort(name)
		} else {
			c.judgeWhole(name, log[name])
		}
	}
}

// judgeWhole judges a room of which nothing is evicted: what is stored is known, and each gap is a false one.
func (c *crew) judgeWhole(name string, log []heard) {
	index := map[string]int{}
	for i, m := range log {
		if m.gap != nil {
			c.t.Errorf("%s begins with a gap, and nothing was evicted: %+v", name, *m.gap)
		}
		if _, twice := index[m.mid]; twice {
			c.t.Errorf("%s: %s is stored twice", name, m.mid)
		}
		index[m.mid] = i
	}
	for mid, a := range c.acked[name] {
		if i, ok := index[mid]; !ok || log[i].pos.Seq != a.pos.Seq {
			c.t.Errorf("%s: %s was acknowledged as %v, and is not there", name, mid, a.pos)
		}
	}
	for _, who := range c.who {
		at := -1
		for n, h := range c.seen[who+" "+name] {
			i, ok := index[h.mid]
			switch {
			case h.gap != nil:
				c.t.Errorf("subscriber %s of %s was told of a gap, and nothing was evicted: %+v", who, name, *h.gap)
			case !ok:
				c.t.Errorf("subscriber %s of %s got %s, which is not stored", who, name, h.mid)
			case n > 0 && i != at+1:
				c.t.Errorf("subscriber %s of %s got message %d behind message %d", who, name, i, at)
			}
			at = i
		}
	}
}

// fact is a message that somebody has heard, or whose publisher knows where it is.
type fact struct {
	pos   client.Position
	began time.Time // it was published behind that; zero: nobody knows
}

// facts gathers what subscribers and publishers know of a room together, in order.
func (c *crew) facts(name string) []fact {
	at := map[uint64]fact{}
	of := map[string]uint64{}
	epoch := ""
	note := func(who string, f fact) {
		if epoch == "" {
			epoch = f.pos.Epoch
		}
		was, known := at[f.pos.Seq]
		seq, twice := of[f.pos.Mid]
		switch {
		case f.pos.Epoch != epoch:
			c.t.Errorf("%s: %s knows %v, of another epoch than %s", name, who, f.pos, epoch)
		case known && was.pos.Mid != f.pos.Mid:
			c.t.Errorf("%s: %s knows %v, and others %v", name, who, f.pos, was.pos)
		case twice && seq != f.pos.Seq:
			c.t.Errorf("%s: %s knows %v, which is also stored as %d", name, who, f.pos, seq)
		case !known:
			at[f.pos.Seq], of[f.pos.Mid] = f, f.pos.Seq
		}
	}
	for _, a := range c.acked[name] {
		note("a publisher", a)
	}
	for _, who := range append([]string{"log"}, c.who...) {
		for _, h := range c.seen[who+" "+name] {
			if h.gap == nil {
				note(who, fact{pos: h.pos})
			}
		}
	}
	return slices.SortedFunc(maps.Values(at), func(a, b fact) int { return int(a.pos.Seq) - int(b.pos.Seq) })
}

// judgeShort judges a room that evicts. Nobody has all of it; what is judged by is what all know together.
func (c *crew) judgeShort(name string) {
	facts := c.facts(name)
	for _, who := range c.who {
		var at client.Position
		for n, h := range c.seen[who+" "+name] {
			now := h.where()
			if h.gap != nil {
				c.gaps++
			}
			if n > 0 || h.gap != nil {
				if why := unjust(facts, at, h, n == 0); why != "" {
					c.t.Errorf("subscriber %s of %s, at %v, was told %v %+v: %s", who, name, at, h.pos, h.gap, why)
				}
			}
			at = now
		}
	}
}

// unjust says what is wrong with what somebody was told who was there; first: who has just begun.
func unjust(facts []fact, at client.Position, h heard, first bool) string {
	now := h.where()
	if first && h.gap != nil && h.gap.After > 0 { // it joined there, and was cut off before anything came
		at, first = client.Position{Epoch: now.Epoch, Seq: h.gap.After}, false
	}
	var missing []fact // behind where it was, and up to where it is
	newer := 0         // than the first of those, at that time, at the most
	for _, f := range facts {
		if f.pos.Seq > at.Seq && (f.pos.Seq < now.Seq || h.gap != nil && f.pos.Seq == now.Seq) {
			missing = append(missing, f)
		}
		if len(missing) > 0 && f.pos.Seq > missing[0].pos.Seq && f.began.Before(h.at) {
			newer++
		}
	}
	switch {
	case first:
		return "it has just begun"
	case now.Epoch != at.Epoch || now.Seq <= at.Seq:
		return "it does not stand behind that"
	case h.gap == nil && len(missing) > 0:
		return fmt.Sprintf("without a gap, and %v is missing", missing[0].pos)
	case h.gap == nil:
		return ""
	case h.gap.Reason != client.GapEvicted:
		return "nothing else than an eviction can be"
	case len(missing) == 0:
		return "nothing that anybody knows is missing"
	case newer < shortHistory:
		return fmt.Sprintf("%v is missing, and no more than %d are newer", missing[0].pos, newer)
	}
	return ""
}

// TestUnjust sees that the judge of short rooms finds what is wrong.
func TestUnjust(t *testing.T) {
	pos := func(seq uint64) client.Position { return client.Position{Epoch: "e", Seq: seq, Mid: fmt.Sprint(seq)} }
	began := time.Now()
	var facts []fact
	for seq := range uint64(40) { // 2, 4, 6, …
		facts = append(facts, fact{pos(2*seq + 2), began.Add(time.Duration(seq) * time.Second)})
	}
	late := began.Add(time.Hour)
	gap := func(to uint64, at time.Time) heard {
		return heard{gap: &client.Gap{Position: client.Position{Epoch: "e", Seq: to}, Reason: client.GapEvicted}, at: at}
	}
	for what, x := range map[string]struct {
		at   uint64
		h    heard
		just bool
	}{
		"the next":                     {10, heard{pos: pos(12)}, true},
		"one is missing":               {10, heard{pos: pos(14)}, false},
		"the same again":               {10, heard{pos: pos(10)}, false},
		"one before":                   {10, heard{pos: pos(8)}, false},
		"a gap":                        {10, gap(20, late), true},
		"a gap in which nothing is":    {10, gap(11, late), false},
		"a gap to where it was":        {10, gap(10, late), false},
		"a gap in what is kept":        {42, gap(44, late), false},
		"a gap in what was kept then":  {10, gap(20, began.Add(20*time.Second)), false},
		"a gap in what was gone then":  {10, gap(20, began.Add(26*time.Second)), true},
		"a gap of which 20 are behind": {36, gap(44, late), true},
	} {
		if why := unjust(facts, pos(x.at), x.h, false); (why == "") != x.just {
			t.Errorf("%s: %q", what, why)
		}
	}
	for after, want := range map[uint64]bool{0: false, 10: true, 20: false, 42: false} { // who has heard nothing yet is judged from where it joined
		h := gap(20, late)
		if after == 42 {
			h = gap(44, late)
		}
		h.gap.After = after
		if why := unjust(facts, client.Position{}, h, true); (why == "") != want {
			t.Errorf("at first a gap behind %d: %q", after, why)
		}
	}
}
