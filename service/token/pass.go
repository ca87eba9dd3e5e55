package token

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
)

const (
	// maxPasses bounds what a session has from room tokens. Past it, the one that ends first is forgotten.
	maxPasses = 256
	// passSlack is how long a join may take that was allowed just before its token expired.
	passSlack = 15 * time.Second
	// leftExpired is the reason of the $left when a room token has expired.
	leftExpired = "expired"
)

// passes are what a session got from room tokens, by room. They outlive a $refresh, which brings new Claims.
type passes struct {
	mu    sync.Mutex // held while the session leaves a room, so that no new token comes in between
	rooms map[string]*pass
	over  bool // the session has ended
}

type pass struct {
	can     []Permission
	expires time.Time // zero: never
	timer   *time.Timer
}

func (p *pass) lets(what Permission) bool {
	return p != nil && slices.Contains(p.can, what) && (p.expires.IsZero() || p.expires.After(time.Now()))
}

var errForbidden = errors.New("token: the claims do not allow it")

// CanJoin is for live.RoomOptions. A session may be in a room if the token of its $join is a room token that lets it,
// or if it brings none and its claim "rooms" lets it, or a room token that it brought before and that has not expired.
// When a room token expires, the session leaves the room, with "expired" in $left, unless "rooms" lets it stay. A room token that is
// not good is refused whatever "rooms" says: the client is told "forbidden", and the log why.
func (v *Verifier) CanJoin(ctx context.Context, s *live.Session, room, token string) error {
	if token == "" {
		if ClaimsOf(s).MayJoin(room) || v.passFor(s, room, Join) {
			return nil
		}
		return errForbidden
	}
	c, err := v.VerifyRoom(ctx, token, s.User(), room)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		v.log.Info("token: a room token was refused", "session", s.ID(), "user", s.User(), "room", room, "error", err)
	}
	if err == nil && !slices.Contains(c.Can, Join) && !ClaimsOf(s).MayJoin(room) {
		err = errForbidden
	}
	if err != nil {
		return err
	}
	v.keep(s, c)
	return nil
}

// CanPublish is for live.RoomOptions: by the claim "rooms", or a room token that the session has joined with.
func (v *Verifier) CanPublish(_ context.Context, s *live.Session, room, _ string) error {
	if ClaimsOf(s).MayPublish(room) || v.passFor(s, room, Publish) {
		return nil
	}
	return errForbidden
}

// CanWatch is for live.RoomOptions: by the claim "rooms" alone.
func (v *Verifier) CanWatch(_ context.Context, s *live.Session, wildcard string) error {
	if ClaimsOf(s).MayWatch(wildcard) {
		return nil
	}
	return errForbidden
}

func (v *Verifier) passFor(s *live.Session, room string, what Permission) bool {
	v.mu.Lock()
	all := v.kept[s]
	v.mu.Unlock()
	if all == nil {
		return false
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.rooms[room].lets(what)
}

// keep notes what a room token allows, in place of what the last one for that room did.
func (v *Verifier) keep(s *live.Session, c *Claims) {
	v.mu.Lock()
	all := v.kept[s]
	if all == nil {
		all = &passes{rooms: map[string]*pass{}}
		v.kept[s] = all
		context.AfterFunc(s.Context(), func() { v.forget(s) })
	}
	v.mu.Unlock()
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.over {
		return
	}
	all.drop(c.Room)
	if len(all.rooms) >= maxPasses {
		all.drop(all.first())
	}
	p := &pass{can: c.Can, expires: c.Expires}
	all.rooms[c.Room] = p
	if !c.Expires.IsZero() {
		p.timer = time.AfterFunc(time.Until(c.Expires), func() { all.end(s, c.Room, p) })
	}
}

func (a *passes) drop(room string) {
	if p := a.rooms[room]; p != nil && p.timer != nil {
		p.timer.Stop()
	}
	delete(a.rooms, room)
}

// first returns the room whose pass ends first.
func (a *passes) first() (room string) {
	for name, p := range a.rooms {
		q := a.rooms[room]
		if q == nil || !p.expires.IsZero() && (q.expires.IsZero() || p.expires.Before(q.expires)) {
			room = name
		}
	}
	return room
}

// end has the session leave a room whose token has expired: at once, and again for a join that was under way.
func (a *passes) end(s *live.Session, room string, p *pass) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over || a.rooms[room] != p {
		return
	}
	if time.Since(p.expires) < passSlack {
		p.timer = time.AfterFunc(passSlack, func() { a.end(s, room, p) })
	} else {
		a.drop(room)
	}
	if !ClaimsOf(s).MayJoin(room) {
		s.Leave(room, leftExpired)
	}
}

// forget drops what a session had that has ended.
func (v *Verifier) forget(s *live.Session) {
	v.mu.Lock()
	all := v.kept[s]
	delete(v.kept, s)
	v.mu.Unlock()
	all.mu.Lock()
	defer all.mu.Unlock()
	all.over = true
	for room := range all.rooms {
		all.drop(room)
	}
}
