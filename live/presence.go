package live

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// Crowd is who is in a room, on all nodes.
type Crowd struct {
	// Members is sorted by user, then session. It is nil in a room that is past
	// RoomOptions.PresenceMax.
	Members []Member
	// Users and Sessions are how many there are. Each session of a stranger counts as
	// a user.
	Users, Sessions int
}

// Member is one session that is in a room. Its Info is Identity.Info, as decoded from JSON into an interface.
type Member = protocol.Member

// Present returns who is in the room, whose RoomOptions must have Presence. Where this
// node has no members in the room, it waits up to half a second for what other nodes say.
func (r RoomHandle) Present(ctx context.Context) (Crowd, error) {
	fail := func(err error) (Crowd, error) {
		return Crowd{}, fmt.Errorf("live: who is in %s: %w", r.name, err)
	}
	k, err := r.hub.kindFor(r.name)
	if err != nil {
		return fail(err)
	}
	if !k.set.Presence || protocol.IsWildcard(r.name) {
		return fail(noPresence(r.name))
	}
	one, err := r.hub.rooms.enter(ctx, r.name, k)
	if err != nil {
		return fail(err)
	}
	defer r.hub.rooms.leave(one)
	if r.hub.distributed() {
		select {
		case <-time.After(time.Until(one.crowd.began.Add(listenFirst))):
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	c := one.crowd
	crowd := Crowd{Users: c.users + c.strangers, Sessions: len(c.all)}
	if !c.lists() {
		return crowd, nil
	}
	crowd.Members = make([]Member, 0, len(c.all))
	for _, e := range c.all {
		m := Member{User: e.User, Session: e.Session}
		if e.Info != nil {
			if err := json.Unmarshal(e.Info, &m.Info); err != nil {
				return fail(err)
			}
		}
		crowd.Members = append(crowd.Members, m)
	}
	protocol.SortMembers(crowd.Members)
	return crowd, nil
}

// listenFirst is how long a room listens to other nodes before it is said who is there.
const listenFirst = 500 * time.Millisecond

func noPresence(room string) error {
	return protocol.Errorf(protocol.CodeUnsupported, "there is no presence in %s", room)
}

// presence answers a $presence.
func (s *Session) presence(m *Message) error {
	k, err := s.kindFor(m.Room)
	if err != nil {
		return err
	}
	if !k.set.Presence || protocol.IsWildcard(m.Room) {
		return noPresence(m.Room)
	}
	s.mu.Lock()
	one := s.rooms[m.Room]
	s.mu.Unlock()
	if one == nil {
		return protocol.Errorf(protocol.CodeNotJoined, "only members see who is in %s", m.Room)
	}
	if m.ID == 0 {
		return nil
	}
	r := one.r
	r.mu.Lock()
	e := r.crowd.snapshot(r.name)
	r.mu.Unlock()
	return s.sendControl(&Message{Type: protocol.TypeOK, Re: m.ID, Room: m.Room, Data: e.m.Data, Codec: e.m.Codec}, nil)
}

// present returns the session as others see it.
func (s *Session) present() *present {
	p := &present{Session: s.id, User: s.User(), Guise: s.publisher()}
	if who := s.who.Load(); who != nil {
		p.Info = who.info
	}
	if p.User == "" { // a stranger's secret is not told to other nodes
		sum := sha256.Sum256([]byte(p.Guise))
		p.Guise = "s" + base64.RawURLEncoding.EncodeToString(sum[:12])
	}
	return p
}

// maxInfo bounds Identity.Info, as JSON; infoDepth is how deep it lies in the data of a
// $presence.
const (
	maxInfo   = 1 << 10
	infoDepth = 5
)

// encodeInfo encodes an Identity.Info.
func encodeInfo(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	raw, err := protocol.JSON.Marshal(v)
	if err == nil && len(raw) > maxInfo {
		err = fmt.Errorf("%d bytes, where %d may be told to everybody", len(raw), maxInfo)
	}
	if err == nil { // what a client cannot read would hide from it everybody else
		if _, deep := protocol.JSON.Parse(fmt.Appendf(nil, `{"type":"info","data":%s}`, raw), protocol.DefaultDepth-infoDepth); deep != nil {
			err = errors.New(deep.Error()) // the client has done nothing wrong
		}
	}
	if err != nil {
		return nil, fmt.Errorf("live: Authenticate returned a bad Info: %w", err)
	}
	return raw, nil
}

// appears notes that a session is in the room, or that its Info has changed. Called with
// mu held.
func (r *room) appears(s *Session) {
	if r.crowd == nil {
		return
	}
	if p := s.present(); r.crowd.put(p, r.hub.neighbours.node) {
		r.moved(p.Session, moveIn)
		r.tendCrowd(time.Now())
	}
}

// disappears notes that a session is in the room no more. Called with mu held.
func (r *room) disappears(s *Session, lost bool) {
	if r.crowd == nil {
		return
	}
	m := moveOut
	if lost {
		m = moveLost
	}
	now := time.Now()
	r.crowd.take(s.id, r.hub.neighbours.node, lost, now)
	r.moved(s.id, m)
	r.tendCrowd(now)
}

// moved notes what a session of this node did, if there may be anybody to call it out to.
// Called with mu held.
func (r *room) moved(session string, m move) {
	if !r.hub.distributed() {
		return
	}
	l := &r.crowd.roll
	if l.moves == nil {
		l.moves = map[string]move{}
	}
	l.moves[session] = m
}

// tendCrowd tells the members who is there, if it is time to, and sees to it that
// everything else is done when it is time to. Called with mu held.
func (r *room) tendCrowd(now time.Time) {
	if r.isOver() {
		return
	}
	c := r.crowd
	c.expire(now)
	if len(c.dirty) > 0 && !now.Before(c.toldAt.Add(c.interval())) {
		r.tellCrowd(now)
	}
	if at := c.next(r.hub.distributed()); !at.IsZero() {
		r.hub.deadlines.set(&c.timer, at, r.tend)
	}
}

// tellCrowd tells the members who is there. Called with mu held.
func (r *room) tellCrowd(now time.Time) {
	e := r.crowd.tell(r.name, now)
	if e != nil {
		e.send(&r.crowd.groups, r.hub)
	}
}

// tend does what is due in a crowd.
func (r *room) tend() {
	if !r.calling.TryLock() { // what is called out leaves in its order
		return // who does so looks again
	}
	r.mu.Lock()
	now := time.Now()
	var calls []*call
	if r.hub.distributed() && !r.isOver() {
		calls = r.crowd.calls(r.hub.neighbours.node, now)
	}
	r.tendCrowd(now)
	r.mu.Unlock()
	r.call(calls)
	r.calling.Unlock()
	r.mu.Lock()
	r.tendCrowd(time.Now()) // for who found it locked
	r.mu.Unlock()
}

// call calls out to the other nodes. What is lost is asked for again.
func (r *room) call(calls []*call) {
	for _, x := range calls {
		r.hub.broker.Signal(presenceTopic(r.name), x.encode())
	}
}

func presenceTopic(room string) string { return "presence:" + room }

// beginCrowd begins to follow what other nodes say.
func (r *room) beginCrowd() error {
	if r.crowd == nil || !r.hub.distributed() {
		return nil
	}
	ns, l := &r.hub.neighbours, &r.crowd.roll
	r.mu.Lock()
	l.life, l.beatEvery, l.beatAt = ns.begin(r.hub), askEvery, time.Now().Add(askEvery)
	r.mu.Unlock()
	cancel, err := r.hub.broker.Listen(presenceTopic(r.name), r.hear)
	if err != nil {
		ns.end()
		return err
	}
	r.crowd.cancel, r.crowd.began = cancel, time.Now()
	r.call([]*call{{Do: callBeat, Node: ns.node, Life: l.life}})
	return nil
}

// endCrowd says farewell to the other nodes. The room is over.
func (r *room) endCrowd() {
	if r.crowd == nil {
		return
	}
	r.hub.deadlines.clear(&r.crowd.timer)
	if r.crowd.cancel == nil {
		return
	}
	r.crowd.cancel()
	r.calling.Lock()
	defer r.calling.Unlock()
	r.mu.Lock()
	l := &r.crowd.roll
	x := r.crowd.change() // nobody is in any more
	x.Node, x.Life, x.N = r.hub.neighbours.node, l.life, l.n
	alone := len(l.nodes) == 0
	r.mu.Unlock()
	if !alone {
		r.call([]*call{x})
	}
	r.hub.neighbours.end()
}

// hear takes what a node calls out. It is called by the broker.
func (r *room) hear(p []byte) {
	var x call
	if err := json.Unmarshal(p, &x); err != nil || x.Node == "" {
		r.hub.logger().Error("live: another node said of presence what cannot be read", "room", r.name, "error", err)
		return
	}
	if x.Node == r.hub.neighbours.node {
		return
	}
	r.hub.neighbours.heard(x.Node)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isOver() {
		return
	}
	now := time.Now()
	r.crowd.hear(&x, r.hub.neighbours.node, now)
	r.tendCrowd(now)
}

// crowdRefused is told of a member that has no room for a $presence: it gets all of it
// once it has.
func (r *room) crowdRefused(c *ws.Conn, p *ws.Prepared) {
	e := p.Value.(*event)
	r.hub.traffic.out.add(-1, p.Len())
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[c]
	if m == nil || !m.shown || e.serial <= m.shownAs {
		return
	}
	r.crowd.groups[m.s.codec].Remove(c)
	m.shown = false
	m.s.feed.add(m)
}

// show sends a member who is there, and has it told of changes. Called with the room's mu
// held.
func (m *member) show() fed {
	c := m.r.crowd
	sent, err := m.s.out.offer(m.s, c.snapshot(m.r.name).prepared(m.s.codec))
	switch {
	case err != nil:
		return fedAll
	case !sent:
		return fedFull
	}
	m.shown, m.shownAs = true, c.version
	c.groups[m.s.codec].Add(m.s.conn)
	return fedSome
}
