package live

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// crowd is who is in a room on all nodes, as this node knows it, and what its watchers
// have been told of that. Guarded by the room's mu.
type crowd struct {
	most     int         // sessions that are listed one by one
	mostSize int         // bytes of the list
	groups   [2]ws.Group // of the watchers, by codec
	timer    deadline    // for room.tend

	began  time.Time // behind ready: when it began to listen to other nodes
	cancel func()    // of that; nil where there are none

	all       map[string]*entry // by session
	size      int               // bytes of the list of all
	guises    map[string]*guise
	users     int // guises that are users
	strangers int // entries that are none
	lingering []farewell

	told    map[string]*present // as of version, by session; nil: only counted
	count   protocol.PresenceCount
	dirty   map[string]struct{} // sessions that may differ from told
	version uint64
	toldAt  time.Time
	cached  *event // the snapshot of version

	roll roll
}

// present is a session that is there. It is not changed once it is in a crowd.
type present struct {
	Session string          `json:"session"`
	User    string          `json:"user,omitempty"`
	Guise   string          `json:"guise"` // the same for all sessions of a user, or of a stranger's program
	Info    json.RawMessage `json:"info,omitempty"`
}

func (p *present) same(q *present) bool {
	return p.Session == q.Session && p.User == q.User && p.Guise == q.Guise && bytes.Equal(p.Info, q.Info)
}

// size is how many bytes of a list it takes, at most.
func (p *present) size() int { return len(p.User)*2 + len(p.Session) + len(p.Info) + 48 }

// entry is a present with its node, and the time at which it was lost, if it was: its
// connection broke, and the same user may come back before anybody needs to know.
type entry struct {
	*present
	node string
	lost time.Time
}

// guise is a user, or a stranger's program: how many sessions are there or, while none
// is, the one that was lost last.
type guise struct {
	live int
	lost string
}

type farewell struct {
	session string
	lost    time.Time
}

// leaveGrace is for how long a session that was lost is shown.
const leaveGrace = 5 * time.Second

func newCrowd(r *room) *crowd {
	c := &crowd{
		most:     r.kind.set.PresenceMax,
		mostSize: r.hub.set.Accept.WriteQueue / 2,
		all:      map[string]*entry{},
		guises:   map[string]*guise{},
		dirty:    map[string]struct{}{},
		told:     map[string]*present{},
	}
	for codec := range c.groups {
		c.groups[codec].Refused = r.crowdRefused
	}
	return c
}

// put has a session be there, and reports whether that is new. Its guise's lost session is
// no longer shown: it has come back.
func (c *crowd) put(p *present, node string) bool {
	if e := c.all[p.Session]; e != nil {
		if e.lost.IsZero() && e.node == node && e.same(p) {
			return false
		}
		c.remove(e)
	}
	c.all[p.Session] = &entry{present: p, node: node}
	c.dirty[p.Session] = struct{}{}
	c.size += p.size()
	g := c.guises[p.Guise]
	if g == nil {
		g = &guise{}
		c.guises[p.Guise] = g
		if p.User != "" {
			c.users++
		}
	}
	if p.User == "" {
		c.strangers++
	}
	g.live++
	if g.lost != "" {
		c.remove(c.all[g.lost])
	}
	return true
}

// take has a session of a node leave, at once or, if it was lost, after leaveGrace.
func (c *crowd) take(session, node string, lost bool, now time.Time) {
	e := c.all[session]
	if e == nil || e.node != node || lost && !e.lost.IsZero() {
		return
	}
	if g := c.guises[e.Guise]; !lost || g.live > 1 {
		c.remove(e)
	} else {
		g.live, g.lost = 0, session
		e.lost = now
		c.lingering = append(c.lingering, farewell{session, now})
	}
}

// expire has those leave who were lost long enough ago.
func (c *crowd) expire(now time.Time) {
	for len(c.lingering) > 0 && now.Sub(c.lingering[0].lost) >= leaveGrace {
		f := c.lingering[0]
		c.lingering = c.lingering[1:]
		if e := c.all[f.session]; e != nil && e.lost.Equal(f.lost) {
			c.remove(e)
		}
	}
	if len(c.lingering) == 0 {
		c.lingering = nil
	}
}

func (c *crowd) remove(e *entry) {
	delete(c.all, e.Session)
	c.dirty[e.Session] = struct{}{}
	c.size -= e.size()
	if e.User == "" {
		c.strangers--
	}
	g := c.guises[e.Guise]
	if e.lost.IsZero() {
		g.live--
	} else {
		g.lost = ""
	}
	if g.live == 0 && g.lost == "" {
		delete(c.guises, e.Guise)
		if e.User != "" {
			c.users--
		}
	}
}

// of returns the sessions of a node that are there and not lost.
func (c *crowd) of(node string) []*present {
	var all []*present
	for _, e := range c.all {
		if e.node == node && e.lost.IsZero() {
			all = append(all, e.present)
		}
	}
	return all
}

// interval is how long changes are gathered: in a crowd of thousands each one is told
// to thousands.
func (c *crowd) interval() time.Duration {
	return min(250*time.Millisecond*time.Duration(max(1, len(c.all)/1000)), 5*time.Second)
}

// lists says whether the crowd is to be listed, or only counted. It does not change
// its mind for one more or less.
func (c *crowd) lists() bool {
	if c.told != nil {
		return len(c.all) <= c.most && c.size <= c.mostSize
	}
	return len(c.all) <= c.most*3/4 && c.size <= c.mostSize*3/4
}

// tell makes what there is what is told, and returns what to send to who was told the
// version before; nil if there is nothing new.
func (c *crowd) tell(room string, now time.Time) *event {
	c.toldAt = now
	dirty := c.dirty
	c.dirty = map[string]struct{}{}
	was := c.count
	c.count = protocol.PresenceCount{Users: c.users + c.strangers, Sessions: len(c.all)}
	var p protocol.Presence
	size := 0
	switch lists := c.lists(); {
	case !lists && c.told == nil && c.count == was:
		return nil
	case !lists:
		c.told = nil
		p.Count = &c.count
	case c.told == nil:
		c.told = make(map[string]*present, len(c.all))
		for session, e := range c.all {
			c.told[session] = e.present
		}
		size = 1 << 30 // there is nothing that it would be the difference to
	default:
		for session := range dirty {
			before := c.told[session]
			if e := c.all[session]; e != nil && (before == nil || !e.same(before)) {
				c.told[session] = e.present
				p.Join = append(p.Join, e.change())
				size += e.size()
			} else if e == nil && before != nil {
				delete(c.told, session)
				p.Leave = append(p.Leave, protocol.Member{User: before.User, Session: session})
				size += before.size()
			}
		}
		if len(p.Join)+len(p.Leave) == 0 {
			return nil
		}
	}
	c.version++
	c.cached = nil
	if c.groups[protocol.JSON].Len()+c.groups[protocol.CBOR].Len() == 0 {
		return nil
	}
	if size > c.size && size > c.mostSize/2 {
		return c.snapshot(room) // which is smaller
	}
	protocol.SortMembers(p.Join)
	protocol.SortMembers(p.Leave)
	p.Version = c.version
	return presenceEvent(room, &p)
}

func (p *present) change() protocol.Member {
	one := protocol.Member{User: p.User, Session: p.Session}
	if p.Info != nil { // a nil slice in an interface would be told as null
		one.Info = p.Info
	}
	return one
}

// snapshot returns all that was told, as a $presence.
func (c *crowd) snapshot(room string) *event {
	if c.cached != nil {
		return c.cached
	}
	p := protocol.Presence{Version: c.version}
	if c.told == nil {
		p.Count = &c.count
	} else {
		all := make([]protocol.Member, 0, len(c.told))
		for _, one := range c.told {
			all = append(all, one.change())
		}
		protocol.SortMembers(all)
		users := []protocol.PresentUser{}
		for _, one := range all {
			if len(users) == 0 || users[len(users)-1].User != one.User {
				users = append(users, protocol.PresentUser{User: one.User})
			}
			last := &users[len(users)-1].Sessions
			*last = append(*last, protocol.PresentSession{Session: one.Session, Info: one.Info})
		}
		p.Users = &users
	}
	c.cached = presenceEvent(room, &p)
	return c.cached
}

func presenceEvent(room string, p *protocol.Presence) *event {
	raw, err := protocol.JSON.Marshal(p)
	if err != nil {
		panic(err) // a payload of ours, with an Info that was encoded before
	}
	return &event{
		m:      &Message{Type: protocol.TypePresence, Room: room, Data: raw, Codec: protocol.JSON},
		serial: p.Version, bare: true,
	}
}
