package talk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/protocol"
)

// liveRoom is a room that was joined, or a wildcard.
type liveRoom struct {
	peer   *live
	handle *client.Room
	live   chan struct{} // closed once what was stored has come
	left   chan struct{} // closed when the hub has ended it

	// For callbacks, which come one after the other.
	lives int
	crowd client.Crowd

	counted chan struct{} // closed once it is known who is there
	once    sync.Once

	said client.Position // of what was published last; peer.mu guards it
}

// liveWait bounds the wait for what the hub need not say.
const liveWait = 10 * time.Second

// join enters a room, and returns when its last stored messages have come. One that was
// entered before is spoken to again.
func (p *live) join(ctx context.Context, name string, o *client.RoomOptions) error {
	if p.joined(name) == nil {
		if err := p.enter(ctx, name, o); err != nil {
			return err
		}
	}
	if !protocol.IsWildcard(name) {
		p.room = name
	}
	return nil
}

// joined returns a room that was entered, or nil.
func (p *live) joined(name string) *liveRoom {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rooms[name]
}

func (p *live) enter(ctx context.Context, name string, o *client.RoomOptions) error {
	handle, err := p.client.Room(name, o)
	if err != nil {
		return err
	}
	r := &liveRoom{peer: p, handle: handle, live: make(chan struct{}), left: make(chan struct{}), counted: make(chan struct{})}
	client.OnMessage(handle, "", func(_ context.Context, data json.RawMessage, m client.Meta) { p.tell(dataEvent("message", data, m)) })
	handle.OnGap(r.missed)
	handle.OnLive(r.came)
	handle.OnLeft(r.sentOut)
	handle.OnPresence(r.changed)
	p.mu.Lock()
	p.rooms[name] = r
	p.mu.Unlock()
	if err := handle.Join(ctx); err != nil {
		p.forget(r)
		return err
	}
	for {
		select {
		case <-r.live:
		case <-r.left:
		case <-p.client.Done():
		case <-time.After(liveWait): // it comes a little later
			if p.isBlocked() {
				continue
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}
}

// isBlocked reports whether what has come waits for the output.
func (p *live) isBlocked() bool { return len(p.telling) > 0 }

// forget lets go of a room that is not joined, so that another /join makes a new one.
func (p *live) forget(r *liveRoom) {
	r.handle.Leave(p.ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if name := r.handle.Name(); p.rooms[name] == r { // and not one that was joined since
		delete(p.rooms, name)
	}
}

// leave leaves a room.
func (p *live) leave(ctx context.Context, name string) error {
	r := p.joined(name)
	if r == nil {
		return mistake("%s was not joined", name)
	}
	p.mu.Lock()
	delete(p.rooms, name)
	p.mu.Unlock()
	if p.room == name {
		p.room = ""
	}
	if err := r.handle.Leave(ctx); err != nil {
		return err
	}
	p.tell(&event{Event: "left", Room: name})
	return nil
}

// with calls f with a room that need not be joined.
func (p *live) with(ctx context.Context, name string, f func(*client.Room) error) error {
	if r := p.joined(name); r != nil {
		return f(r.handle)
	}
	handle, err := p.client.Room(name, nil)
	if err != nil {
		return err
	}
	defer handle.Leave(ctx)
	return f(handle)
}

func (r *liveRoom) missed(_ context.Context, g client.Gap) {
	r.peer.tell(&event{Event: "gap", Room: g.Room, After: g.After, Pos: position(g.Position), Reason: g.Reason})
}

func (r *liveRoom) came(context.Context) {
	r.lives++
	r.peer.tell(&event{Event: "live", Room: r.handle.Name(), Pos: position(r.handle.Position()), again: r.lives > 1})
	if r.lives == 1 {
		close(r.live)
	}
}

func (r *liveRoom) sentOut(_ context.Context, err error) {
	reason := plainText(err)
	if said := (*client.Error)(nil); errors.As(err, &said) {
		reason = said.Error()
	}
	r.peer.forget(r) // before it is told: then it may be joined again
	r.peer.tell(&event{Event: "left", Room: r.handle.Name(), Reason: reason})
	close(r.left)
}

// changed tells who has come and who has left.
func (r *liveRoom) changed(context.Context) {
	now := r.handle.Present()
	e := &event{Event: "presence", Room: r.handle.Name(), Users: now.Users, Sessions: now.Sessions}
	e.first = r.crowd.Sessions == 0
	e.Join, e.Leave = without(now.Members, r.crowd.Members), without(r.crowd.Members, now.Members)
	r.crowd = now
	r.peer.tell(e)
	r.once.Do(func() { close(r.counted) })
}

// without is who is in a and not in b.
func without(a, b []client.Member) (rest []client.Member) {
	known := map[string]bool{}
	for _, m := range b {
		known[m.Session] = true
	}
	for _, m := range a {
		if !known[m.Session] {
			rest = append(rest, m)
		}
	}
	return rest
}

// who tells who is in a room.
func (p *live) who(ctx context.Context, name string) error {
	r := p.joined(name)
	if r == nil {
		return mistake("who is in %s is told to who has joined it: /join %s", name, name)
	}
	select {
	case <-r.counted:
	case <-r.left:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(liveWait):
		return fmt.Errorf("the hub does not tell who is in %s: the room has no presence", name)
	}
	now := r.handle.Present()
	p.tell(&event{Event: "who", Room: name, Users: now.Users, Sessions: now.Sessions, Members: now.Members})
	return nil
}

// history shows stored messages of a room.
func (p *live) history(ctx context.Context, name string, limit int, before uint64) error {
	return p.with(ctx, name, func(r *client.Room) error {
		page, err := r.History(ctx, before, limit)
		if err != nil {
			return err
		}
		for _, m := range page.Messages {
			p.tell(messageEvent("stored", m))
		}
		e := &event{Event: "page", Room: name, Pos: position(page.Head), More: page.More, before: before}
		if len(page.Messages) > 0 {
			e.First = page.Messages[0].Position.Seq
		}
		p.tell(e)
		return nil
	})
}

// publish says something in the room that is spoken to.
func (p *live) publish(ctx context.Context, typ, text string) error {
	return p.say(ctx, typ, text, func(r *client.Room, data json.RawMessage) (client.Position, error) { return r.Send(ctx, typ, data) })
}

// say is publish, by f.
func (p *live) say(ctx context.Context, typ, text string, f func(*client.Room, json.RawMessage) (client.Position, error)) error {
	data, err := payload(typ, text)
	switch {
	case err != nil:
		return err
	case p.room == "":
		return mistake("to which room? /join ROOM enters one, /in ROOM speaks to it")
	}
	name := p.room
	p.typ = typ
	return p.with(ctx, name, func(r *client.Room) error {
		pos, err := f(r, data)
		if err == nil {
			p.published(name, pos)
			p.tell(&event{Event: "sent", Room: name, Type: typ, Pos: position(pos), quiet: p.joined(name) != nil})
		}
		return err
	})
}

// published keeps where something was published, where it will be heard.
func (p *live) published(name string, pos client.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.rooms[name]; r != nil {
		r.said = pos
	}
}

// hearOwn waits until what was published has come to the rooms that were joined, which is behind the hub's answer. A hub need not say it.
func (p *live) hearOwn(ctx context.Context) {
	p.mu.Lock()
	said := map[*client.Room]client.Position{}
	for _, r := range p.rooms {
		said[r.handle] = r.said
	}
	p.mu.Unlock()
	end := time.Now().Add(justNow)
	for handle, pos := range said {
		for at := handle.Position(); at.Epoch == pos.Epoch && at.Seq < pos.Seq && (time.Now().Before(end) || p.isBlocked()); at = handle.Position() {
			select {
			case <-time.After(time.Millisecond):
			case <-p.client.Done():
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

// names are those of the rooms that were joined.
func (p *live) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]string, 0, len(p.rooms))
	for name := range p.rooms {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
