package client

import (
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// Join joins the room and waits for the server's answer; without a connection, until there is one. From then on
// the room is joined again on every new connection, from the position that it has reached, until Leave. Each Join
// that returns nil wants its Leave. When ctx ends first, or the server refuses, the room is not joined;
// errors.As finds the server's [*Error].
func (r *Room) Join(ctx context.Context) error {
	c := r.c
	c.mu.Lock()
	w, err := r.beginMembership()
	c.mu.Unlock()
	if w == nil {
		return wrap("join "+r.name, err)
	}
	select {
	case <-w.done:
		return wrap("join "+r.name, w.err)
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-w.done:
		if w.err == nil { // it came to be after all
			r.endMembership(nil)
		}
	default:
		r.endMembership(nil)
	}
	return wrap("join "+r.name, cause(ctx))
}

// beginMembership counts a Join, and returns whom to wait for; nil, nil if there is nothing to wait for. c.mu is held.
func (r *Room) beginMembership() (*waiter, error) {
	c := r.c
	if c.ended || c.closing {
		return nil, ErrClosed
	}
	switch c.rooms[r.name] {
	case r:
	case nil:
		c.rooms[r.name] = r
	default:
		return nil, ErrStale
	}
	r.refs++
	if r.want && r.joined {
		return nil, nil
	}
	if r.waiter == nil {
		r.waiter = &waiter{done: make(chan struct{})}
	}
	w := r.waiter
	if !r.want {
		r.want = true
		r.wantJoin()
	}
	return w, nil
}

// Leave takes one Join back. The last one leaves the room: no callback of the room is called any more, but
// one may be running. It waits for the server's answer; without a connection there is nothing to wait for. When ctx
// ends first the room is left all the same.
func (r *Room) Leave(ctx context.Context) error {
	done := make(chan struct{})
	r.c.mu.Lock()
	r.endMembership(done)
	r.c.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-r.c.done:
		return nil
	case <-ctx.Done():
		return wrap("leave "+r.name, cause(ctx))
	}
}

// endMembership takes one Join back. done, if not nil, is closed when the server has answered, or
// need not. c.mu is held.
func (r *Room) endMembership(done chan struct{}) {
	c := r.c
	finished := func(*protocol.Message, error) {
		if done != nil {
			close(done)
		}
	}
	r.refs = max(r.refs-1, 0)
	if r.refs > 0 {
		finished(nil, nil)
		return
	}
	inside := (r.joined || r.joining) && r.joinID > 0
	r.cease(ErrLeft)
	r.endLoops(ErrLeft)
	if c.rooms[r.name] == r {
		delete(c.rooms, r.name)
	}
	if l := c.link; inside && l != nil && !l.over {
		l.ask(protocol.TypeLeave, r.name, protocol.Position{}, nil, finished)
		if l.over { // it was dropped, and does not know the request
			finished(nil, nil)
		}
		return
	}
	finished(nil, nil)
}

// cease ends the membership on this side. What has not been handed over counts as not received. c.mu is held.
func (r *Room) cease(err error) {
	r.want, r.asked, r.joined, r.joining, r.viaHello, r.isLive = false, false, false, false, false, false
	r.refs = 0
	stop(r.retry)
	if r.queued {
		r.queued = false
		r.c.toJoin = remove(r.c.toJoin, r)
	}
	r.c.wild = remove(r.c.wild, r)
	r.queue, r.bytes, r.lost = nil, 0, nil
	r.got = r.pos
	r.crowd = crowd{}
	r.settle(err)
}

// endLoops ends the Messages loops. c.mu is held.
func (r *Room) endLoops(err error) {
	for _, s := range r.subs {
		s.end(err)
	}
}

// wantJoin has a $join sent as soon as possible. c.mu is held.
func (r *Room) wantJoin() {
	if !r.queued && r.want {
		r.queued = true
		r.c.toJoin = append(r.c.toJoin, r)
		r.c.pump()
	}
}

// rejoin joins again from the present position, after a while. c.mu is held.
func (r *Room) rejoin(after time.Duration) {
	r.joining, r.joined, r.viaHello = true, false, false
	r.joinID++
	stop(r.retry)
	if after <= 0 {
		r.wantJoin()
		return
	}
	r.retry = r.c.after(after, r.wantJoin)
}

// joinData is what a join says.
func (r *Room) joinData() protocol.Join {
	j := protocol.Join{Last: r.o.Last, Presence: r.o.Presence}
	if !r.got.IsZero() {
		pos := r.got
		j.Pos = &pos
	}
	return j
}

// beginJoin is called where a join is sent. c.mu is held.
func (r *Room) beginJoin() {
	r.joining, r.joined, r.viaHello, r.isLive = true, false, false, false
	r.joinID++
	r.crowd.asking = false
}

// join sends a $join; a room that wants a token asks for it first. c.mu is held.
func (r *Room) join(l *link) {
	if !r.want {
		return
	}
	l.joins++
	if r.o.Token == nil {
		r.sendJoin(l, "")
		return
	}
	c := r.c
	r.beginJoin()
	id := r.joinID
	c.spawn(func() {
		var token string
		var err error
		select {
		case c.tokens <- struct{}{}:
			token, err = c.tokenFrom(r.o.Token)
			<-c.tokens
		case <-c.ctx.Done():
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.over {
			return
		}
		if r.joinID != id || !r.want {
			l.joins--
			c.pump()
			return
		}
		if err != nil {
			l.joins--
			if r.waiter != nil {
				r.cease(fmt.Errorf("RoomOptions.Token: %w", err))
			} else {
				c.o.Logger.Warn("client: RoomOptions.Token failed", "room", r.name, "error", err)
				r.failures++
				r.rejoin(c.span.wait(r.failures))
			}
			c.pump()
			return
		}
		r.sendJoin(l, token)
		c.pump() // publishes that were waiting for it
	})
}

func (r *Room) sendJoin(l *link, token string) {
	r.beginJoin()
	id := r.joinID
	j := r.joinData()
	var pos protocol.Position
	if j.Pos != nil {
		pos = *j.Pos
	}
	j.Pos, j.Token = nil, token
	r.asked = true
	r.awaitJoined(l)
	l.ask(protocol.TypeJoin, r.name, pos, j, func(m *protocol.Message, err error) {
		l.joins--
		if err != nil {
			return
		}
		if r.joinID == id && r.joining {
			r.joinAnswered(l, m)
		}
		r.c.pump()
	})
}

// awaitJoined gives the answer to a join its time. c.mu is held.
func (r *Room) awaitJoined(l *link) {
	stop(r.retry)
	if d := r.c.o.CallTimeout; d > 0 {
		id := r.joinID
		r.retry = r.c.after(d, func() {
			if r.joinID == id && r.joining {
				l.drop(fmt.Errorf("no answer to the join of %s within %v: %w", r.name, d, context.DeadlineExceeded), false)
			}
		})
	}
}

// joinAnswered takes the answer to a join. c.mu is held.
func (r *Room) joinAnswered(l *link, m *protocol.Message) {
	c := r.c
	r.joining = false
	stop(r.retry)
	if m.Type == protocol.TypeError {
		e := failure(m)
		r.failures++
		switch {
		case e.Code == protocol.CodeExpired && r.failures < 3 && c.hasExpired(l):
			r.rejoin(0)
		case e.Retryable:
			r.rejoin(c.retryWait(e, r.failures))
		case r.waiter != nil:
			r.cease(e)
		default:
			r.left(e)
		}
		return
	}
	var j protocol.Joined
	if err := m.Codec.Unmarshal(m.Data, &j); err != nil {
		l.drop(fmt.Errorf("answer to the join of %s: %w", r.name, err), true)
		return
	}
	r.joined, r.failures = true, 0
	if r.wildcard {
		c.wild = append(remove(c.wild, r), r)
	} else if !m.Pos.IsZero() {
		switch {
		case r.got.IsZero():
			r.advance(m.Pos)
		case j.Recovered:
			r.got.Epoch = m.Pos.Epoch
		}
		// Otherwise $gap follows, and is taken over.
	}
	r.settle(nil)
}

// disconnected is called when the connection is lost. c.mu is held.
func (r *Room) disconnected() {
	stop(r.retry)
	r.asked, r.joining, r.joined, r.viaHello, r.queued, r.isLive = false, false, false, false, false, false
	r.joinID++
	r.failures, r.brokenAt = 0, 0
	stop(r.wakeup)
	r.blocked, r.wakeup = false, nil
	r.crowd.asking = false
	r.wantJoin()
}

// told takes what the server says of the room beside messages; false if it is nothing known. c.mu is held.
func (r *Room) told(l *link, m *protocol.Message) bool {
	switch m.Type {
	case protocol.TypeLive:
		if r.joined && !r.isLive {
			r.isLive = true
			if m.Pos.Epoch == r.got.Epoch && m.Pos.Seq > r.got.Seq {
				r.advance(m.Pos)
			}
			r.push(item{kind: itemLive})
		}
	case protocol.TypeGap:
		var g protocol.Gap
		if err := m.Codec.Unmarshal(m.Data, &g); err == nil && r.joined {
			r.gap(m.Pos, g)
		}
	case protocol.TypeLeft:
		var reason protocol.Left
		if err := m.Codec.Unmarshal(m.Data, &reason); err == nil && r.want {
			r.left(&Error{Code: reason.Reason})
		}
	case protocol.TypePresence:
		if r.joined {
			r.crowded(l, m)
		}
	default:
		return false
	}
	return true
}

// left takes note that the server ended the membership. c.mu is held.
func (r *Room) left(why *Error) {
	err := because(ErrLeft, why)
	pending := r.queue
	bytes, got, lost := r.bytes, r.got, r.lost
	r.cease(err)
	// What came before is still handed over.
	r.queue, r.bytes, r.got, r.lost = pending, bytes, got, lost
	r.push(item{kind: itemLeft, err: err})
}
