package live

import (
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// roll is this node's part of a crowd, as it is called out to the other nodes, and what
// these have called out. A node counts what it says of changes, so that who has missed
// one sees it and asks for the whole roll. Guarded by the room's mu.
type roll struct {
	life   uint64 // which of the node's rooms of that name
	n      uint64 // changes called out
	moves  map[string]move
	toldAt time.Time

	owes      bool // another node has asked for the whole roll
	wholes    uint64
	wholeAt   time.Time
	beatAt    time.Time
	beatEvery time.Duration

	nodes map[string]*otherRoll
}

// move is what a session of this node did since it was last called out.
type move byte

const (
	moveIn move = iota
	moveOut
	moveLost
)

// otherRoll is how far this node has followed the roll of another one.
type otherRoll struct {
	life    uint64
	n       uint64
	known   bool // up to n
	heard   time.Time
	askedAt time.Time

	whole   uint64 // which roll it is that comes in parts
	parts   map[int]bool
	present []*present
}

// call is what nodes call out to each other about a room.
type call struct {
	Do   string `json:"do"`
	Node string `json:"node"`
	Life uint64 `json:"life"`
	N    uint64 `json:"n"`

	To string `json:"to,omitempty"` // of callAsk: the node that is asked

	Roll  uint64     `json:"roll,omitempty"` // of callWhole: which one, as two with the same N differ
	Part  int        `json:"part,omitempty"` // from 0
	Parts int        `json:"parts,omitempty"`
	In    []*present `json:"in,omitempty"`
	Out   []string   `json:"out,omitempty"`
	Lost  []string   `json:"lost,omitempty"`
}

const (
	callAsk    = "ask"    // for the whole roll
	callBeat   = "beat"   // nothing new since N
	callChange = "change" // the one that makes it N
	callWhole  = "whole"  // all that are in, as of N
)

const (
	askEvery    = time.Second
	wholeEvery  = listenFirst / 2 // or who asks in vain goes away
	maxBeat     = 32 * time.Second
	rollSilence = 3 * maxBeat // behind which a roll is thrown away
	partBytes   = 64 << 10    // of a part of a whole roll, about
)

// hear takes what another node calls out.
func (c *crowd) hear(x *call, self string, now time.Time) {
	if x.Do == callAsk && x.To == self {
		c.roll.owes = true
	}
	o := c.roll.nodes[x.Node]
	switch {
	case o == nil || x.Life > o.life:
		if o != nil {
			c.forget(x.Node, nil, now)
		}
		o = &otherRoll{life: x.Life, known: x.N == 0} // nobody was in before
		if c.roll.nodes == nil {
			c.roll.nodes = map[string]*otherRoll{}
		}
		c.roll.nodes[x.Node] = o
		c.roll.beatAt = now // that one may not know of this node
	case x.Life < o.life:
		return
	}
	o.heard = now
	switch {
	case x.Do == callWhole:
		if !o.known || x.N > o.n {
			c.gather(o, x, now)
		}
	case o.known && x.N <= o.n:
	case o.known && x.N == o.n+1 && x.Do == callChange:
		o.n = x.N
		for _, p := range x.In {
			c.put(p, x.Node)
		}
		for _, session := range x.Out {
			c.take(session, x.Node, false, now)
		}
		for _, session := range x.Lost {
			c.take(session, x.Node, true, now)
		}
	default:
		o.known = false
	}
}

// gather takes a part of a whole roll, and the roll once all parts are there.
func (c *crowd) gather(o *otherRoll, x *call, now time.Time) {
	if o.parts == nil || o.whole != x.Roll {
		o.whole, o.parts, o.present = x.Roll, map[int]bool{}, nil
	}
	if !o.parts[x.Part] {
		o.parts[x.Part] = true
		o.present = append(o.present, x.In...)
	}
	if len(o.parts) < x.Parts {
		return
	}
	in := map[string]bool{}
	for _, p := range o.present {
		in[p.Session] = true
		c.put(p, x.Node)
	}
	c.forget(x.Node, in, now)
	o.n, o.known = x.N, true
	o.parts, o.present = nil, nil
}

// forget has those of a node that are not in be lost: nobody said how they went.
func (c *crowd) forget(node string, in map[string]bool, now time.Time) {
	for _, p := range c.of(node) {
		if !in[p.Session] {
			c.take(p.Session, node, true, now)
		}
	}
}

// drop has everybody of a node leave at once, the lost too: it has been silent for longer
// than they would be shown. It reports whether there was anybody.
func (c *crowd) drop(node string) bool {
	before := len(c.all)
	for _, e := range c.all {
		if e.node == node {
			c.remove(e)
		}
	}
	delete(c.roll.nodes, node)
	return len(c.all) < before
}

// calls returns what is to be called out now.
func (c *crowd) calls(self string, now time.Time) []*call {
	l := &c.roll
	var all []*call
	say := func(x *call) {
		x.Node, x.Life, x.N = self, l.life, l.n
		all = append(all, x)
	}
	if len(l.moves) > 0 && !now.Before(l.toldAt.Add(c.interval())) {
		if x := c.change(); len(l.nodes) > 0 {
			say(x)
		}
		l.toldAt = now
		l.beatAt, l.beatEvery = now.Add(askEvery), askEvery
	}
	if l.owes && !now.Before(l.wholeAt.Add(wholeEvery)) {
		l.owes, l.wholeAt = false, now
		for _, x := range c.whole(self) {
			say(x)
		}
	}
	for node, o := range l.nodes {
		if !o.known && !now.Before(o.askedAt.Add(askEvery)) {
			o.askedAt = now
			say(&call{Do: callAsk, To: node})
		}
	}
	if !now.Before(l.beatAt) {
		say(&call{Do: callBeat})
		l.beatEvery = min(2*l.beatEvery, maxBeat)
		l.beatAt = now.Add(l.beatEvery)
		for node, o := range l.nodes {
			if now.Sub(o.heard) > rollSilence {
				c.forget(node, nil, now)
				delete(l.nodes, node)
			}
		}
	}
	return all
}

// change returns what this node's sessions did since it was last called out.
func (c *crowd) change() *call {
	l := &c.roll
	x := &call{Do: callChange}
	for session, m := range l.moves {
		switch e := c.all[session]; {
		case m == moveIn && e != nil:
			x.In = append(x.In, e.present)
		case m == moveLost:
			x.Lost = append(x.Lost, session)
		default:
			x.Out = append(x.Out, session)
		}
	}
	l.moves = nil
	l.n++
	return x
}

// whole returns the whole roll, in parts.
func (c *crowd) whole(self string) []*call {
	all := []*call{{Do: callWhole}}
	bytes := 0
	for _, p := range c.of(self) {
		if bytes > partBytes {
			all, bytes = append(all, &call{Do: callWhole, Part: len(all)}), 0
		}
		bytes += p.size() + len(p.Guise)
		x := all[len(all)-1]
		x.In = append(x.In, p)
	}
	c.roll.wholes++
	for _, x := range all {
		x.Roll, x.Parts = c.roll.wholes, len(all)
	}
	return all
}

// next returns when there is something to tell, to call out or to forget; zero if that
// is never.
func (c *crowd) next(distributed bool) (at time.Time) {
	earlier := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if len(c.dirty) > 0 {
		earlier(c.toldAt.Add(c.interval()))
	}
	if len(c.lingering) > 0 {
		earlier(c.lingering[0].lost.Add(leaveGrace))
	}
	if !distributed {
		return at
	}
	l := &c.roll
	earlier(l.beatAt)
	if len(l.moves) > 0 {
		earlier(l.toldAt.Add(c.interval()))
	}
	if l.owes {
		earlier(l.wholeAt.Add(wholeEvery))
	}
	for _, o := range l.nodes {
		if !o.known {
			earlier(o.askedAt.Add(askEvery))
		}
	}
	return at
}

func (x *call) encode() []byte {
	raw, err := protocol.JSON.Marshal(x) // which leaves an Info as it is
	if err != nil {
		panic(err) // names, and an Info that was encoded before
	}
	return raw
}
