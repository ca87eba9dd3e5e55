package client

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// RoomOptions configures a [Room]. The zero value of each field is its default; nil stands for the zero
// value of them all.
type RoomOptions struct {
	// Last is how many stored messages come first when there is no position to go on from, at most 200.
	// 0 means none.
	Last int

	// Position is where an earlier Client was: what came behind it is wanted, or OnGap hears that it is lost.
	// The zero value means none.
	Position Position

	// Presence asks for who is there. false means that Present stays empty.
	Presence bool

	// Token returns a token for the server's permission check. It is asked for at each
	// join, several rooms' at the same time; its ctx ends after CallTimeout. nil means none.
	Token func(ctx context.Context) (string, error)
}

// Room is a room, or a wildcard that stands for several, as one Client sees it. Its methods may be called
// from any goroutine, and from callbacks.
//
// A Client has one Room for each name. Join and Leave are counted: the room is left when each Join has
// had its Leave, and then the handle is let go, so that Client.Room makes a new one.
type Room struct {
	c        *Client
	name     string
	o        RoomOptions
	wildcard bool

	// What follows is guarded by c.mu.
	refs    int  // Joins without a Leave
	want    bool // to be in the room, as soon as there is a connection
	waiter  *waiter
	queued  bool // in c.toJoin
	joining bool // $join is under way, or comes soon: what arrives is ignored
	joinID  int  // counts joins, so that the reply to an earlier one is known
	asked   bool // a join was sent on this connection
	joined  bool
	isLive  bool
	// viaHello says that the reply will be one without re.
	viaHello bool
	retry    *time.Timer // joins again, or gives up the answer to a join
	failures int         // joins in a row that the server had us repeat
	brokenAt uint64      // where prev was last found to be above

	got   Position // of the last message received
	pos   Position // of the last message handed to a callback
	queue []item
	bytes int
	lost  *item // stands for what found the queue full
	work  worker

	on      map[string][]func(context.Context, *Message)
	onGap   []func(context.Context, Gap)
	onLive  []func(context.Context)
	onLeft  []func(context.Context, error)
	onCrowd []func(context.Context)
	subs    []*subscription
	crowd   crowd

	sends   int // publishes under way
	blocked bool
	resume  time.Time // when blocked ends
	wakeup  *time.Timer
}

// A waiter is who waits for a join.
type waiter struct {
	done chan struct{}
	err  error
}

// Room returns the handle of a room. Where there is one already it is returned, and o is not looked at. name may be
// a wildcard: "*" stands for any one segment and a last ">" for one or more.
func (c *Client) Room(name string, o *RoomOptions) (*Room, error) {
	if e := protocol.CheckRoom(name); e != nil {
		return nil, wrap("room", e)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[name]; r != nil {
		return r, nil
	}
	r := &Room{c: c, name: name, wildcard: protocol.IsWildcard(name), on: map[string][]func(context.Context, *Message){}}
	if o != nil {
		r.o = *o
	}
	r.o.Last = min(max(r.o.Last, 0), protocol.MaxPage)
	if !r.wildcard {
		r.got, r.pos = r.o.Position, r.o.Position
	}
	r.work = worker{c: c, next: r.next}
	c.rooms[name] = r
	return r, nil
}

// Name returns the room's name.
func (r *Room) Name() string { return r.name }

// Position returns the position of the last message that was handed to a callback, or taken over with a gap: what
// RoomOptions.Position takes to go on from here.
func (r *Room) Position() Position {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	return r.pos
}

// OnMessage has f called with each message of that type, in the order of the room. typ "" stands for every type that
// has no function of its own. Several functions for one type are called in the order in which they were given. ctx ends
// with the Client. What arrives before OnMessage is called does not wait for it: call it before Join.
//
// Messages that do not fit T are logged and counted.
func OnMessage[T any](r *Room, typ string, f func(ctx context.Context, v T, m Meta)) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.on[typ] = append(r.on[typ], decoded(r.c, f))
}

// OnGap has f called where messages are missing, before any that follow.
func (r *Room) OnGap(f func(ctx context.Context, g Gap)) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.onGap = append(r.onGap, f)
}

// OnLive has f called behind the stored messages: those that follow arrive as they are published. It is called
// again after each time that the room was joined anew.
func (r *Room) OnLive(f func(ctx context.Context)) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.onLive = append(r.onLive, f)
}

// OnLeft has f called when the server ended the membership. err wraps ErrLeft and says why. The room is
// not joined again unless Join is called.
func (r *Room) OnLeft(f func(ctx context.Context, err error)) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.onLeft = append(r.onLeft, f)
}

// release ends everything about the room when the Client ends. c.mu is held.
func (r *Room) release(err error) {
	stop(r.retry)
	stop(r.wakeup)
	r.want, r.joined, r.joining = false, false, false
	r.settle(err)
	r.queue, r.bytes, r.lost = nil, 0, nil
	r.endLoops(err)
}

// settle tells who waits for the join. c.mu is held.
func (r *Room) settle(err error) {
	if w := r.waiter; w != nil {
		w.err = err
		close(w.done)
		r.waiter = nil
	}
}

// block holds the room's publishes back for d, and until those under way are answered. c.mu is held.
func (r *Room) block(d time.Duration) {
	at := time.Now().Add(d)
	if !r.blocked || at.After(r.resume) {
		r.resume = at
	}
	r.blocked = true
	stop(r.wakeup)
	r.wakeup = nil
}

// drained goes on after block, when nothing is under way any more. c.mu is held.
func (r *Room) drained() {
	if r.blocked && r.sends == 0 && r.wakeup == nil {
		r.wakeup = r.c.after(time.Until(r.resume), func() {
			r.blocked, r.wakeup = false, nil
			r.c.pump()
		})
	}
}

// unblock ends a block at once, if nothing is under way. c.mu is held.
func (r *Room) unblock() {
	if r.sends == 0 {
		stop(r.wakeup)
		r.blocked, r.wakeup = false, nil
	} else {
		r.resume = time.Now()
	}
}

// stands reports whether the wildcard stands for the room.
func (r *Room) stands(room string) bool {
	pattern := r.name
	for {
		p, morePattern, more := strings.Cut(pattern, ":")
		if p == ">" && !more {
			return true
		}
		s, rest, moreRoom := strings.Cut(room, ":")
		if p != "*" && p != s || more != moreRoom {
			return false
		}
		if !more {
			return true
		}
		pattern, room = morePattern, rest
	}
}

// remove takes the room out of a list.
func remove[T comparable](list []T, v T) []T {
	if i := slices.Index(list, v); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
