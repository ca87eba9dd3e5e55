package live

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/tidewire/tidewire/live/protocol"
)

// RoomHandle is a room by its name, for the application. It is a value without state.
type RoomHandle struct {
	hub  *Hub
	name string
}

// Room returns a handle on a room.
func (h *Hub) Room(name string) RoomHandle { return RoomHandle{h, name} }

// UserHandle is a user by name, with all sessions on all nodes.
type UserHandle struct {
	hub  *Hub
	name string
}

// User returns a handle on a user.
func (h *Hub) User(name string) UserHandle { return UserHandle{h, name} }

// PublishOption says more of a message than its type and data.
type PublishOption func(*publication)

// WithID gives the message an id: published again with the same id to the same room
// by the application, on any node, it is stored once.
func WithID(mid string) PublishOption { return func(p *publication) { p.message.Mid = mid } }

// WithKey gives the message its key, for rooms under Latest.
func WithKey(key string) PublishOption { return func(p *publication) { p.message.Key = key } }

// WithFrom publishes in a user's name.
func WithFrom(user string) PublishOption { return func(p *publication) { p.message.From = user } }

// Volatile has the message delivered and not stored.
func Volatile() PublishOption { return func(p *publication) { p.message.Volatile = true } }

// Publish publishes a message to the room, past OnPublish and CanPublish, and returns
// its position once it is stored: the zero Position in a room without history. When
// ctx ends first, the message may have been stored. Concurrent calls have no order.
func (r RoomHandle) Publish(ctx context.Context, typ string, data any, opts ...PublishOption) (Position, error) {
	fail := func(err error) (Position, error) {
		return Position{}, fmt.Errorf("live: publish %s to %s: %w", typ, r.name, err)
	}
	if err := protocol.CheckType(typ); err != nil {
		return fail(err)
	}
	if typ[0] == '$' {
		return fail(errors.New("the type belongs to the protocol"))
	}
	k, err := r.hub.kindFor(r.name)
	if err != nil {
		return fail(err)
	}
	if protocol.IsWildcard(r.name) {
		return fail(errors.New("nothing is published to a wildcard"))
	}
	raw, err := protocol.JSON.Marshal(data)
	if err != nil {
		return fail(err)
	}
	p := &publication{kind: k, message: Message{Type: typ, Room: r.name, Data: raw, Codec: protocol.JSON}}
	for _, o := range opts {
		o(p)
	}
	m := &p.message
	if m.Mid != "" {
		if err := protocol.CheckMid(m.Mid); err != nil {
			return fail(err)
		}
	}
	if m.Key != "" {
		if err := protocol.CheckKey(m.Key); err != nil {
			return fail(err)
		}
	}
	if m.From != "" {
		if err := protocol.CheckUser(m.From); err != nil {
			return fail(err)
		}
	}
	if m.Mid != "" && !m.Volatile {
		p.key = dedupeText(r.name, "$", m.Mid)
	} else if m.Mid == "" {
		m.Mid = newMid()
	}
	type result struct {
		st  Stored
		err error
	}
	done := make(chan result, 1)
	r.hub.store(p, func(st Stored, err error) { done <- result{st, err} })
	select {
	case res := <-done:
		if res.err != nil {
			return fail(res.err)
		}
		return res.st.Pos, nil
	case <-ctx.Done():
		return fail(ctx.Err())
	}
}

// History returns the newest messages of the room below a sequence number, or the newest
// of all with before 0: oldest first, and at most limit or 200. The room's pattern must have
// a History. Nobody changes the messages: they are shared.
func (r RoomHandle) History(ctx context.Context, before uint64, limit int) (Page, error) {
	fail := func(err error) (Page, error) {
		return Page{}, fmt.Errorf("live: the history of %s: %w", r.name, err)
	}
	k, err := r.hub.kindFor(r.name)
	if err != nil {
		return fail(err)
	}
	if protocol.IsWildcard(r.name) || k.set.History == 0 {
		return fail(protocol.Errorf(protocol.CodeUnsupported, "%s has no history", r.name))
	}
	q := Query{Backward: true, Before: before, Limit: min(max(limit, 0), protocol.MaxPage)}
	page, err := r.hub.broker.History(ctx, Room{r.name, k.retention}, q)
	if err != nil {
		return fail(err)
	}
	return page, nil
}

// Remove ends the membership of all of a user's sessions, on every node; they are
// told with $left. Nothing keeps them from joining again but CanJoin.
func (r RoomHandle) Remove(_ context.Context, user string) error {
	return r.hub.signal(&order{Do: "remove", User: user, Room: r.name, Reason: protocol.LeftRemoved})
}

// Send sends a message without a room to all of the user's sessions, on every node,
// at most once and to those that are there.
func (u UserHandle) Send(_ context.Context, typ string, data any) error {
	if err := protocol.CheckType(typ); err != nil {
		return fmt.Errorf("live: send to %s: %w", u.name, err)
	}
	if typ[0] == '$' {
		return fmt.Errorf("live: send to %s: the type belongs to the protocol", u.name)
	}
	raw, err := protocol.JSON.Marshal(data)
	if err != nil {
		return fmt.Errorf("live: send to %s: %w", u.name, err)
	}
	return u.hub.signal(&order{Do: "send", User: u.name, Type: typ, Data: raw})
}

// Disconnect closes all of the user's sessions with 4403, on every node: they do not
// come back by themselves. The reason has 123 bytes at most.
func (u UserHandle) Disconnect(_ context.Context, reason string) error {
	if len(reason) > 123 || !utf8.ValidString(reason) {
		return fmt.Errorf("live: disconnect %s: the reason does not fit a close frame", u.name)
	}
	return u.hub.signal(&order{Do: "disconnect", User: u.name, Reason: reason})
}
