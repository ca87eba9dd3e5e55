package live

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/tidewire/tidewire/live/protocol"
)

// joinRequest handles a $join.
func (s *Session) joinRequest(ctx context.Context, m *Message) error {
	var d protocol.Join
	if err := read(m, &d); err != nil {
		return err
	}
	return s.join(ctx, m, &d)
}

// Join makes the session a member of a room, as if it had sent a $join, but without
// asking CanJoin. The client is sent the same $ok, without re.
func (s *Session) Join(ctx context.Context, room string) error {
	k, err := s.hub.kindFor(room)
	if err != nil {
		return err
	}
	return s.enter(ctx, &Message{Room: room}, &protocol.Join{}, k)
}

// Leave ends the session's membership of a room, and tells the client with $left. It
// reports whether there was one.
func (s *Session) Leave(room, reason string) bool {
	for {
		s.mu.Lock()
		m := s.rooms[room]
		s.mu.Unlock()
		if m == nil {
			return false
		}
		if s.removed(m, reason) {
			return true
		}
	}
}

// Rooms returns the names of the rooms and wildcards that the session is in, sorted.
func (s *Session) Rooms() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.rooms))
}

// in reports whether the session is in a room.
func (s *Session) in(room string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rooms[room] != nil
}

// hearsBy returns by which of its memberships the session gets what is published to a
// room: that of the room, or of the first wildcard by name.
func (s *Session) hearsBy(room string) (name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[room] != nil {
		return room
	}
	for wildcard, m := range s.rooms {
		if m.r.wild && (name == "" || wildcard < name) && protocol.Matches(wildcard, room) {
			name = wildcard
		}
	}
	return name
}

// kindFor returns the pattern of a room or of a wildcard, or says why there is none.
func (h *Hub) kindFor(room string) (*kind, error) {
	if room == "" {
		return nil, protocol.Errorf(protocol.CodeInvalid, "there is no room")
	}
	if err := protocol.CheckRoom(room); err != nil {
		return nil, err
	}
	var k *kind
	if protocol.IsWildcard(room) {
		k = h.kindCovering(room)
	} else {
		k = h.kindOf(room)
	}
	if k == nil {
		return nil, protocol.Errorf(protocol.CodeNoRoom, "there can be no room %s", room)
	}
	return k, nil
}

// kindCovering returns the pattern that covers a wildcard, or nil. It says who may
// watch; no narrower one may say otherwise.
func (h *Hub) kindCovering(wildcard string) *kind {
	h.confMu.RLock()
	defer h.confMu.RUnlock()
	var best *kind
	for _, k := range h.kinds {
		if protocol.Covers(k.pattern, wildcard) {
			if best == nil || protocol.Covers(best.pattern, k.pattern) {
				best = k
			}
		}
	}
	for _, k := range h.kinds {
		if best != nil && k != best && protocol.Overlap(k.pattern, wildcard) && !protocol.Covers(k.pattern, best.pattern) {
			return nil
		}
	}
	return best
}

// mayJoin asks the application.
func (s *Session) mayJoin(ctx context.Context, room string, k *kind, token string) error {
	var err error
	switch {
	case protocol.IsWildcard(room):
		if k.set.CanWatch == nil {
			return protocol.Errorf(protocol.CodeForbidden, "nobody may watch %s", room)
		}
		err = k.set.CanWatch(ctx, s, room)
	case k.set.CanJoin != nil:
		err = k.set.CanJoin(ctx, s, room, token)
	}
	return forbidden(err, "join "+room)
}

// forbidden makes an application's refusal one that the client may see.
func forbidden(err error, what string) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return protocol.Errorf(protocol.CodeForbidden, "not allowed to %s", what)
}

// joins notes which room the client is joining, or, with "", that it is known what
// became of that: before the reply, behind which the client may leave it.
func (s *Session) joins(room string) {
	s.mu.Lock()
	s.joining, s.unwanted = room, false
	s.mu.Unlock()
}

// join handles a room of a $join or $hello. about is a $join with its ID, Room and Pos.
func (s *Session) join(ctx context.Context, about *Message, d *protocol.Join) error {
	k, err := s.hub.kindFor(about.Room)
	if err != nil {
		return err
	}
	if d.Token != "" {
		if err := protocol.CheckToken(d.Token); err != nil {
			return err
		}
	}
	if err := s.mayJoin(ctx, about.Room, k, d.Token); err != nil {
		return err
	}
	return s.enter(ctx, about, d, k)
}

// enter makes the session a member, and says so.
func (s *Session) enter(ctx context.Context, about *Message, d *protocol.Join, k *kind) error {
	r, err := s.hub.rooms.enter(ctx, about.Room, k)
	if err != nil {
		return err
	}
	if err := r.reserve(s); err != nil {
		s.hub.rooms.leave(r)
		return err
	}
	in := false
	defer func() {
		if !in { // also where the broker panics
			r.release()
			s.hub.rooms.leave(r)
		}
	}()
	m := &member{s: s, r: r, asks: d.Presence && r.crowd != nil}
	var joined protocol.Joined
	gap := ""
	if r.keeps() {
		if gap, joined, err = m.place(ctx, about.Pos, d.Last); err != nil {
			return err
		}
		m.prev = m.cursor.Seq
	}
	m.mu.Lock() // who ends the membership waits until the client has been told that it began
	defer m.mu.Unlock()
	asked := about.Type == protocol.TypeJoin // by the client
	s.mu.Lock()
	old := s.rooms[r.name]
	switch {
	case s.ended.Load():
		err = protocol.Errorf(protocol.CodeInternal, "the session has ended")
	case old == nil && len(s.rooms) >= s.hub.set.Limits.Rooms:
		err = protocol.Errorf(protocol.CodeLimit, "a session may be in %d rooms (live.Limits.Rooms)", s.hub.set.Limits.Rooms)
	case asked && s.unwanted:
		err = protocol.Errorf(protocol.CodeAborted, "the room was left meanwhile")
		err.(*Error).Retryable = false
	default:
		if s.rooms == nil {
			s.rooms = map[string]*member{}
		}
		s.rooms[r.name] = m
	}
	if asked {
		s.joining = ""
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	in = true
	if old != nil {
		old.end(replaced, nil)
	}
	r.mu.Lock() // before the reply: who has it is seen by others
	r.coming--
	r.members[s.conn] = m
	r.appears(s)
	r.mu.Unlock()
	ok := &Message{Type: protocol.TypeOK, Re: about.ID, Room: r.name, Pos: m.cursor}
	s.sendControl(ok, joined)
	if gap != "" {
		s.sendControl(&Message{Type: protocol.TypeGap, Room: r.name, Pos: m.cursor}, protocol.Gap{After: about.Pos.Seq, Reason: gap})
	}
	r.mu.Lock()
	if !r.keeps() && !r.keys() {
		m.serial = r.serial
	}
	s.feed.add(m)
	r.mu.Unlock()
	return nil
}

// reserve counts a session that is about to be a member, unless the room is full.
func (r *room) reserve(s *Session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if most := r.kind.set.MaxMembers; most > 0 && len(r.members)+r.coming >= most && r.members[s.conn] == nil {
		return protocol.Errorf(protocol.CodeLimit, "the room is full: %d sessions (live.RoomOptions.MaxMembers)", most)
	}
	r.coming++
	return nil
}

// release undoes reserve.
func (r *room) release() {
	r.mu.Lock()
	r.coming--
	r.mu.Unlock()
}

// removed ends a membership that the client did not end, and tells it.
func (s *Session) removed(m *member, reason string) bool {
	return m.end(left, func() {
		s.sendControl(&Message{Type: protocol.TypeLeft, Room: m.r.name}, protocol.Left{Reason: reason})
	})
}

// leaveRequest handles a $leave at once, unless a $hello is still to be answered: that
// may join the room.
func (s *Session) leaveRequest(m *Message) {
	s.mu.Lock()
	greeting := s.greeting
	s.mu.Unlock()
	if greeting {
		s.take(m)
	} else if err := s.leave(m); err != nil {
		s.refuse(m, err)
	}
}

// leave ends a membership, also one whose $join waits.
func (s *Session) leave(m *Message) error {
	s.mu.Lock()
	var dropped []*Message
	s.inbox = slices.DeleteFunc(s.inbox, func(w *Message) bool {
		drop := w.Type == protocol.TypeJoin && w.Room == m.Room
		if drop {
			dropped = append(dropped, w)
			s.inboxed -= len(w.Data)
		}
		return drop
	})
	waiting := len(dropped) > 0
	if s.joining == m.Room {
		s.unwanted, waiting = true, true
	}
	member := s.rooms[m.Room]
	s.mu.Unlock()
	for _, w := range dropped {
		s.fail(w, &Error{Code: protocol.CodeAborted, Message: "the room was left meanwhile"})
	}
	if member == nil && !waiting {
		return protocol.Errorf(protocol.CodeNotJoined, "the session is not in %s", m.Room)
	}
	for member == nil || !member.end(left, func() { s.answer(m, nil) }) {
		s.mu.Lock()
		member = s.rooms[m.Room] // the server may have had it join meanwhile
		if member == nil {
			s.answer(m, nil) // with mu held: who joins now is told so behind it
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
	}
	return nil
}

// place finds out where a member begins: behind pos, if everything behind that is
// there; otherwise gap says so. last is how many messages it wants without a pos.
func (m *member) place(ctx context.Context, pos Position, last int) (gap string, j protocol.Joined, err error) {
	if !pos.IsZero() {
		return m.resume(ctx, pos)
	}
	r := m.r
	last = max(0, min(last, protocol.MaxPage))
	r.mu.Lock()
	head := r.last
	known := last == 0 && !r.healing
	r.mu.Unlock()
	if known {
		m.cursor = head
		return "", protocol.Joined{Head: head.Seq}, nil
	}
	page, err := r.hub.broker.History(ctx, r.key(), Query{Backward: true, Limit: last})
	if err != nil {
		return "", j, err
	}
	m.cursor = page.Head
	if len(page.Messages) > 0 {
		first := page.Messages[0]
		m.cursor = Position{Epoch: page.Head.Epoch, Seq: first.Pos.Seq - 1}
	}
	return "", protocol.Joined{Head: page.Head.Seq}, nil
}

// backlog is a read of a room's history for a member that comes back. Others who want what it reads wait for it, and find
// that in the room's tail.
type backlog struct {
	from uint64
	over chan struct{}
}

// backlogWaits is for how many reads one waits that may not bring what it wants: who reads may have been away for much longer, or go.
const backlogWaits = 3

// resume places a member behind pos.
func (m *member) resume(ctx context.Context, pos Position) (gap string, j protocol.Joined, err error) {
	r := m.r
	mine := &backlog{from: pos.Seq, over: make(chan struct{})}
	for waits := 0; ; waits++ {
		r.mu.Lock()
		head, other := r.last, r.backlog
		known := pos.Mid != "" && (pos == head || r.recent.has(pos))
		wait := other != nil && other.from <= pos.Seq && waits < backlogWaits
		if !known && !wait {
			r.backlog = mine
		}
		r.mu.Unlock()
		if known {
			m.cursor = pos
			return "", protocol.Joined{Recovered: true, Head: head.Seq}, nil
		}
		if !wait {
			break
		}
		select {
		case <-other.over:
		case <-ctx.Done():
			return "", j, ctx.Err()
		}
	}
	page, err := m.read(ctx, mine)
	if err != nil {
		return "", j, err
	}
	m.cursor, gap = judge(pos, &page)
	return gap, protocol.Joined{Recovered: gap == "", Head: page.Head.Seq}, nil
}

// read reads a backlog, and lets those go on who wait for it, whatever becomes of that.
func (m *member) read(ctx context.Context, b *backlog) (page Page, err error) {
	r := m.r
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hub.recent.extend(r, page.Messages)
		if r.backlog == b {
			r.backlog = nil
		}
		close(b.over)
	}()
	return r.hub.broker.History(ctx, r.key(), Query{From: b.from, Limit: recentMost})
}

// history answers a $history.
func (s *Session) history(ctx context.Context, m *Message) error {
	var d protocol.HistoryQuery
	if err := read(m, &d); err != nil {
		return err
	}
	k, err := s.hub.kindFor(m.Room)
	if err != nil {
		return err
	}
	if protocol.IsWildcard(m.Room) || k.set.History == 0 {
		return protocol.Errorf(protocol.CodeUnsupported, "%s has no history", m.Room)
	}
	if !s.in(m.Room) {
		if err := s.mayJoin(ctx, m.Room, k, ""); err != nil {
			return err
		}
	}
	limit := d.Limit
	if limit <= 0 {
		limit = protocol.DefaultPage
	}
	page, err := s.hub.broker.History(ctx, Room{m.Room, k.retention}, Query{Backward: true, Before: d.Before, Limit: min(limit, protocol.MaxPage)})
	if err != nil {
		return err
	}
	out := protocol.HistoryPage{More: page.More}
	size := 0
	for i := len(page.Messages) - 1; i >= 0; i-- { // the newest that fit a message
		one := *page.Messages[i]
		if size += len(one.Data) + 300; size > s.hub.set.Accept.WriteQueue/2 && len(out.Messages) > 0 {
			out.More = true
			break
		}
		one.Pos.Epoch, one.Pos.Mid, one.Room, one.Prev = "", "", "", 0
		out.Messages = append(out.Messages, one)
	}
	slices.Reverse(out.Messages)
	raw, err := s.codec.AppendPage(nil, &out)
	if err != nil {
		return err
	}
	reply := &Message{Type: protocol.TypeOK, Re: m.ID, Room: m.Room, Pos: page.Head, Data: raw, Codec: s.codec}
	if m.ID > 0 {
		return s.sendControl(reply, nil)
	}
	return nil
}
