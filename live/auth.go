package live

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// hello answers the first message of a client.
func (s *Session) hello(ctx context.Context, m *Message) error {
	var d protocol.Hello
	if err := read(m, &d); err != nil {
		return err
	}
	s.mu.Lock()
	again := s.greeted
	s.greeted = true
	if n := len(d.Client); !again && n >= 16 && n <= 64 {
		s.client = d.Client
	}
	s.mu.Unlock()
	if again {
		return protocol.Errorf(protocol.CodeInvalid, "$hello was said before")
	}
	if len(d.Join) > protocol.HelloJoins {
		return protocol.Errorf(protocol.CodeInvalid, "more than %d rooms in a $hello: send $join for the others", protocol.HelloJoins)
	}
	switch {
	case s.who.Load() == nil:
		if err := s.authenticate(ctx, d.Token); err != nil {
			return err
		}
	case d.Token != "" && s.hub.set.Authenticate != nil: // an earlier message had needed an identity
		who, err := s.ask(ctx, Credentials{Token: d.Token})
		if err != nil {
			return err
		}
		if who.User != s.User() {
			return protocol.Errorf(protocol.CodeForbidden, "a session does not change its user")
		}
		if err := s.become(who); err != nil {
			return err
		}
	default:
		if err := s.known(ctx); err != nil {
			return err
		}
		s.reappears() // a stranger has said its secret
	}
	b := [2]int64{s.hub.set.BackoffMin.Milliseconds(), s.hub.set.BackoffMax.Milliseconds()}
	w := protocol.Welcome{
		Session: s.id, User: s.User(), TTL: s.ttl(), Backoff: &b,
		Dedupe: s.hub.broker.Dedupe().Milliseconds(),
	}
	s.answer(m, w)
	s.out.tellOutage(s)
	if d.Ping > 0 {
		s.ping(time.Duration(max(d.Ping, 1000)) * time.Millisecond)
	}
	for _, j := range d.Join {
		about := &Message{Type: protocol.TypeJoin, Room: j.Room}
		if j.Pos != nil {
			about.Pos = *j.Pos
		}
		s.joins(j.Room)
		err := s.join(ctx, about, &j)
		s.joins("")
		if err != nil {
			s.refuse(about, err)
		}
	}
	return nil
}

// ping sends $ping at least that often.
func (s *Session) ping(every time.Duration) {
	s.hub.deadlines.set(&s.pinger, time.Now().Add(every), func() {
		if !s.ended.Load() {
			s.sendControl(&Message{Type: protocol.TypePing}, nil)
			s.ping(every)
		}
	})
}

// known makes sure that somebody has said who the session is.
func (s *Session) known(ctx context.Context) error {
	who := s.who.Load()
	if who == nil {
		return s.authenticate(ctx, "")
	}
	if who.expired {
		return protocol.Errorf(protocol.CodeExpired, "the identity has expired: send $refresh")
	}
	return nil
}

// authenticate asks the application for the first time.
func (s *Session) authenticate(ctx context.Context, token string) error {
	who, err := s.ask(ctx, Credentials{Token: token, Header: s.header})
	if err != nil {
		return err
	}
	s.header = nil
	return s.become(who)
}

func (s *Session) ask(ctx context.Context, c Credentials) (*identity, error) {
	if c.Token != "" {
		if err := protocol.CheckToken(c.Token); err != nil {
			return nil, err
		}
	}
	c.RemoteAddr, c.Address = s.conn.RemoteAddr().String(), s.addr
	who, err := s.hub.set.Authenticate(ctx, c)
	if err == nil && !who.Expires.IsZero() && !who.Expires.After(time.Now()) {
		err = protocol.Errorf(protocol.CodeUnauthorized, "the token has expired")
	}
	if err == nil && who.User != "" {
		if e := protocol.CheckUser(who.User); e != nil {
			return nil, errors.New("live: Authenticate returned a bad user name: " + e.Message)
		}
	}
	var info json.RawMessage
	if err == nil {
		if info, err = encodeInfo(who.Info); err != nil {
			return nil, err
		}
	}
	var e *Error
	if err != nil && !errors.As(err, &e) {
		s.hub.logger().Info("live: a client was not let in", "session", s.id, "remote", c.RemoteAddr, "address", s.addr, "error", err)
		err = protocol.Errorf(protocol.CodeUnauthorized, "the token was refused")
	}
	return &identity{Identity: who, info: info}, err
}

// become makes the session that identity's, unless the user has too many.
func (s *Session) become(who *identity) error {
	if err := s.hub.credit(s, who.User); err != nil {
		return err
	}
	s.mu.Lock() // expire must not put its grace in place of this one's end
	s.who.Store(who)
	if who.Expires.IsZero() {
		s.hub.deadlines.clear(&s.expiry)
	} else {
		s.hub.deadlines.set(&s.expiry, who.Expires, s.expire)
	}
	s.mu.Unlock()
	if s.ended.Load() { // it ended meanwhile
		s.hub.deadlines.clear(&s.expiry)
	}
	s.reappears()
	return nil
}

// reappears shows who the session is by now in the rooms that it is in.
func (s *Session) reappears() {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.rooms))
	s.mu.Unlock()
	for _, m := range all {
		m.r.mu.Lock()
		if m.r.members[s.conn] == m {
			m.r.appears(s)
		}
		m.r.mu.Unlock()
	}
}

// ttl returns the milliseconds until the identity expires, or 0 if it does not.
func (s *Session) ttl() int64 {
	who := s.who.Load()
	if who == nil || who.Expires.IsZero() {
		return 0
	}
	return max(1, time.Until(who.Expires).Milliseconds())
}

// expire begins the grace of an identity that has ended.
func (s *Session) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.who.Load()
	if who == nil || who.Expires.After(time.Now()) {
		return // refreshed meanwhile
	}
	if s.who.CompareAndSwap(who, &identity{who.Identity, who.info, true}) {
		s.hub.deadlines.set(&s.expiry, time.Now().Add(s.hub.set.Limits.ExpiryGrace), func() {
			if w := s.who.Load(); w != nil && w.expired {
				s.conn.Close(protocol.StatusUnauthorized, "the identity has expired")
			}
		})
	}
}

// refresh takes a new token, and asks again whether the session may be where it is,
// beside the session's handlers: on a goroutine of its own, one at a time.
func (s *Session) refresh(m *Message) {
	s.mu.Lock()
	under := s.renewing
	s.renewing = true
	s.mu.Unlock()
	if under {
		e := protocol.Errorf(protocol.CodeBusy, "another $refresh is being answered")
		e.RetryAfter = 200
		s.fail(m, e)
		return
	}
	own := *m
	own.Data = append([]byte(nil), m.Data...)
	go func() {
		over := false
		defer func() {
			if !over {
				s.panicked(recover())
			}
		}()
		err := s.refreshed(&own)
		s.mu.Lock()
		s.renewing = false // before the reply: behind it the client may send the next
		s.mu.Unlock()
		if err != nil {
			s.refuse(&own, err)
		} else {
			s.answer(&own, protocol.Welcome{User: s.User(), TTL: s.ttl()})
		}
		over = true
	}()
}

func (s *Session) refreshed(m *Message) error {
	var d protocol.Refresh
	if err := read(m, &d); err != nil {
		return err
	}
	if s.hub.set.Authenticate == nil {
		return protocol.Errorf(protocol.CodeUnsupported, "nobody needs a token here")
	}
	if s.who.Load() == nil {
		return protocol.Errorf(protocol.CodeUnauthorized, "$hello comes first")
	}
	ctx := s.conn.Context()
	who, err := s.ask(ctx, Credentials{Token: d.Token, Refresh: true})
	if err != nil {
		return err
	}
	if who.User != s.User() {
		return protocol.Errorf(protocol.CodeForbidden, "a session does not change its user")
	}
	if err := s.become(who); err != nil {
		return err
	}
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.rooms))
	s.mu.Unlock()
	for _, one := range all {
		if err := s.mayJoin(ctx, one.r.name, one.r.kind, ""); err != nil {
			s.removed(one, protocol.LeftForbidden)
		}
	}
	return nil
}
