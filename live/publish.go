package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// pipe is what a session publishes to one room: one message is under way, the others
// wait behind it, so that they are stored in order and a failure fails those behind.
// There is one while a message is under way.
type pipe struct {
	waits []*publication
	full  bool // a message was refused: those behind it are too, until none is under way
}

// publishRequest handles a message with a room.
func (s *Session) publishRequest(ctx context.Context, m *Message) error {
	k, err := s.kindFor(m.Room)
	if err != nil {
		return err
	}
	if err := s.mayPublish(ctx, m, k); err != nil {
		return err
	}
	p := &publication{session: s, kind: k, message: Message{
		Type: m.Type, ID: m.ID, Room: m.Room, Mid: m.Mid, Key: m.Key, From: s.User(), Volatile: m.Volatile,
		Data: m.Data, Codec: m.Codec,
	}}
	if p.message.Mid == "" {
		p.message.Mid = newMid()
	} else { // even if it is volatile: OnPublish may change that
		p.key = dedupeText(m.Room, s.publisher(), m.Mid)
	}
	if len(k.publish) > 0 || len(s.hub.middleware) > 0 {
		if err := s.handlePublish(ctx, p); err != nil {
			return err
		}
	}
	if key := p.message.Key; key != "" {
		if err := protocol.CheckKey(key); err != nil {
			return fmt.Errorf("live: OnPublish gave a bad key: %w", errors.New(err.Message))
		}
	}
	return s.publish(p)
}

// kindFor is the Hub's, which need not be asked where the session is a member.
func (s *Session) kindFor(room string) (*kind, error) {
	s.mu.Lock()
	m := s.rooms[room]
	s.mu.Unlock()
	if m != nil {
		return m.r.kind, nil
	}
	return s.hub.kindFor(room)
}

// handlePublish calls those who want to see the message before it is published.
func (s *Session) handlePublish(ctx context.Context, p *publication) error {
	typ := p.message.Type
	_, err := s.hub.wrap(func(ctx context.Context, r *Request) (any, error) {
		for _, h := range p.kind.publish {
			if h.types == nil || h.types[typ] {
				if err := h.f(ctx, p); err != nil {
					return nil, err
				}
			}
		}
		return nil, nil
	})(ctx, &Request{s, &p.message})
	return err
}

// publisher returns under which name the session's mids are known again.
func (s *Session) publisher() string {
	if user := s.User(); user != "" {
		return "u" + user
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != "" {
		return "c" + s.client
	}
	return "s" + s.id
}

// newMid returns an id for a message that its publisher gave none. It is no secret: 80
// bits keep it apart from others.
func newMid() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var b [16]byte
	for i, bits := 0, uint64(0); i < len(b); i++ {
		if i%8 == 0 {
			bits = rand.Uint64()
		}
		b[i] = letters[bits&31]
		bits >>= 5
	}
	return string(b[:])
}

// dedupeText joins the parts of a key: names hold no control characters.
func dedupeText(room, publisher, mid string) string {
	return strings.Join([]string{room, publisher, mid}, "\x00")
}

func (s *Session) mayPublish(ctx context.Context, m *Message, k *kind) error {
	if f := k.set.CanPublish; f != nil {
		return forbidden(f(ctx, s, m.Room, m.Type), "publish "+m.Type+" to "+m.Room)
	}
	if k.set.CanJoin != nil && !s.in(m.Room) {
		return protocol.Errorf(protocol.CodeForbidden, "only members publish to %s", m.Room)
	}
	return nil
}

// publish has a message stored, behind those of the session that wait for the same
// room. A volatile one waits for none.
func (s *Session) publish(p *publication) error {
	l := &s.hub.set.Limits
	room, volatile := p.message.Room, p.message.Volatile
	s.mu.Lock()
	if s.leaving {
		s.mu.Unlock()
		return protocol.Errorf(protocol.CodeDraining, "this server is going")
	}
	q := s.pipes[room]
	var err error
	if !volatile && q != nil && q.full || s.flying >= l.SessionPublishes {
		err = tooMany()
	} else {
		err = s.hub.flights.begin(room, p.kind, l)
	}
	if err != nil {
		if !volatile && q != nil {
			q.full = true
		}
		s.mu.Unlock()
		return err
	}
	s.flying++
	s.owing++
	first := q == nil
	switch {
	case volatile:
	case first:
		if s.pipes == nil {
			s.pipes = map[string]*pipe{}
		}
		q = &pipe{}
		s.pipes[room] = q
	default:
		q.waits = append(q.waits, p)
	}
	s.mu.Unlock()
	switch {
	case volatile:
		s.hub.store(p, func(st Stored, err error) {
			s.mu.Lock()
			s.flying--
			s.mu.Unlock()
			s.hub.flights.end(room, 1)
			s.published(p, st, err)
			s.replies(1)
		})
	case first:
		s.hub.store(p, func(st Stored, err error) { s.stored(q, p, st, err) })
	}
	return nil
}

// tooMany is what is told of a publish when too many are under way.
func tooMany() *Error {
	e := protocol.Errorf(protocol.CodeBusy, "too many messages wait to be stored (live.Limits.SessionPublishes, RoomPublishes, Publishes)")
	e.RetryAfter = 500
	return e
}

// replies ends the wait for n replies to publishes, and the session, if it only waited
// for them.
func (s *Session) replies(n int) {
	s.mu.Lock()
	s.owing -= n
	leaves := s.leaving && s.owing == 0
	s.mu.Unlock()
	if leaves {
		s.conn.Close(ws.StatusServiceRestart, "this server is going")
	}
}

// store hands a message to the broker.
func (h *Hub) store(p *publication, done func(Stored, error)) {
	m := &p.message
	if m.ID > 0 || p.kind.retention.Keys && m.Key == "" {
		own := *m
		if own.ID = 0; own.Key == "" && p.kind.retention.Keys {
			own.Key = own.Type
		}
		m = &own
	}
	p.out = Publish{Room: Room{m.Room, p.kind.retention}, Message: m, DedupeKey: p.key}
	h.broker.Publish(&p.out, done)
}

// published tells the client what became of its message.
func (s *Session) published(p *publication, st Stored, err error) {
	if err != nil {
		s.refuse(&p.message, err)
	} else if p.message.ID > 0 {
		s.sendControl(&Message{Type: protocol.TypeOK, Re: p.message.ID, Room: p.message.Room, Pos: st.Pos}, p.answer)
	}
}

// stored goes on with the next message of a pipe.
func (s *Session) stored(q *pipe, p *publication, st Stored, err error) {
	var failed []*publication
	var next *publication
	s.mu.Lock()
	if err != nil {
		failed, q.waits = q.waits, nil
	}
	if len(q.waits) > 0 {
		next = q.waits[0]
		q.waits[0] = nil
		q.waits = q.waits[1:]
	} else {
		delete(s.pipes, p.message.Room)
	}
	n := 1 + len(failed)
	s.flying -= n // before the reply: behind it the client may publish the next
	s.mu.Unlock()
	s.hub.flights.end(p.message.Room, n)
	s.published(p, st, err)
	for _, f := range failed {
		s.fail(&f.message, protocol.Errorf(protocol.CodeAborted, "a message before this one was not stored"))
	}
	s.replies(n)
	if next != nil {
		s.hub.store(next, func(st Stored, err error) { s.stored(q, next, st, err) })
	}
}
