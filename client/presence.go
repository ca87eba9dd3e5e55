package client

import (
	"context"
	"slices"

	"github.com/tidewire/tidewire/live/protocol"
)

// maxMembers bounds the list of who is there; a hub lists 1000 sessions at most, and then only counts.
const maxMembers = 20_000

// Member is one session that is in a room.
type Member = protocol.Member

// Crowd is who is in a room.
type Crowd struct {
	// Members is sorted by user, then session. It is nil where the server only counts.
	Members []Member
	// Users and Sessions are how many there are.
	Users, Sessions int
}

// A crowd is what is known of who is there.
type crowd struct {
	version  uint64
	members  map[string]Member // by session; nil: not known
	users    int               // where the server only counts
	sessions int
	asking   bool // $presence is under way
	changed  bool // OnPresence is to be told
}

// Present returns who is in the room, as the server last said. It is empty until it has said so, and without
// RoomOptions.Presence. While there is no connection it is what was known before.
func (r *Room) Present() Crowd {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	k := &r.crowd
	if k.members == nil {
		return Crowd{Users: k.users, Sessions: k.sessions}
	}
	crowd := Crowd{Members: make([]Member, 0, len(k.members)), Sessions: len(k.members)}
	for _, m := range k.members {
		crowd.Members = append(crowd.Members, m)
	}
	protocol.SortMembers(crowd.Members)
	for i, m := range crowd.Members {
		if m.User == "" || i == 0 || m.User != crowd.Members[i-1].User {
			crowd.Users++
		}
	}
	return crowd
}

// OnPresence has f called after who is there has changed. Several changes may be told by one call: f asks
// Present.
func (r *Room) OnPresence(f func(ctx context.Context)) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.onCrowd = append(r.onCrowd, f)
}

// nextCrowd is the room's worker's work when no item waits.
func (r *Room) nextCrowd() func(context.Context) {
	if !r.crowd.changed {
		return nil
	}
	r.crowd.changed = false
	list := slices.Clone(r.onCrowd)
	return func(ctx context.Context) {
		for _, f := range list {
			r.c.guard(func() { f(ctx) })
		}
	}
}

// crowded takes a $presence, or the reply to one. c.mu is held.
func (r *Room) crowded(l *link, m *protocol.Message) {
	var p protocol.Presence
	if err := m.Codec.Unmarshal(m.Data, &p); err != nil {
		r.c.o.Logger.Warn("client: $presence cannot be read", "room", r.name, "error", err)
		return
	}
	k := &r.crowd
	switch {
	case p.Users != nil:
		*k = crowd{version: p.Version, members: map[string]Member{}, asking: k.asking}
		for _, u := range *p.Users {
			for _, s := range u.Sessions {
				k.members[s.Session] = Member{User: u.User, Session: s.Session, Info: s.Info}
			}
		}
	case p.Count != nil:
		*k = crowd{version: p.Version, users: p.Count.Users, sessions: p.Count.Sessions, asking: k.asking}
	case k.asking:
		return // what is asked for replaces it
	case p.Version <= k.version:
		return // it is in what a snapshot said
	case k.members == nil || p.Version > k.version+1:
		r.askPresence(l)
		return
	default:
		k.version = p.Version
		for _, s := range p.Leave {
			delete(k.members, s.Session)
		}
		for _, s := range p.Join {
			k.members[s.Session] = s
		}
	}
	if len(k.members) > maxMembers {
		*k = crowd{version: k.version, sessions: len(k.members)}
	}
	k.changed = true
	r.work.wake()
}

// askPresence asks for a snapshot. c.mu is held.
func (r *Room) askPresence(l *link) {
	r.crowd.asking = true
	id := r.joinID
	l.ask(protocol.TypePresence, r.name, protocol.Position{}, nil, func(m *protocol.Message, err error) {
		if err != nil || r.joinID != id {
			return
		}
		r.crowd.asking = false
		if m.Type == protocol.TypeError {
			r.c.o.Logger.Warn("client: presence", "room", r.name, "error", failure(m))
			return
		}
		r.crowded(l, m)
	})
}
