package client

import (
	"context"
	"errors"
	"iter"
	"slices"
)

// Received is a message of a [Messages] loop.
type Received[T any] struct {
	Data T
	Meta
}

// Messages joins the room and yields its messages of that type, "" meaning every type, until the loop is left, which
// takes the Join back. Messages come in the room's order, from the loop's beginning on; where the
// room is joined already, from now on.
//
// The loop goes on behind a [*Gap], which is yielded as an error where messages are missing, before any that
// follow: those of the room, and one with the reason [GapOverflow] when the loop's body is slower than the
// room for longer than Options.Inbox allows. It goes on, too, behind a message that does not fit T, whose error is yielded.
// Any other error is the last: ctx's, the Client's, the server's refusal, or one that wraps [ErrLeft].
//
//	for m, err := range client.Messages[Chat](ctx, room, "chat") {
//		var gap *client.Gap
//		if errors.As(err, &gap) { … }
//
// The position of the room does not wait for the loop.
func Messages[T any](ctx context.Context, r *Room, typ string) iter.Seq2[Received[T], error] {
	return func(yield func(Received[T], error) bool) {
		c := r.c
		s := &subscription{c: c, typ: typ, news: make(chan struct{}, 1)}
		c.mu.Lock()
		r.subs = append(r.subs, s)
		c.mu.Unlock()
		defer func() {
			c.mu.Lock()
			r.subs = remove(r.subs, s)
			c.mu.Unlock()
		}()
		if err := r.Join(ctx); err != nil {
			yield(Received[T]{}, err)
			return
		}
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if s.err == nil { // the membership lasts
				r.subs = remove(r.subs, s)
				r.endMembership(nil)
			}
		}()
		for {
			m, err := s.next(ctx)
			var v Received[T]
			var gap *Gap
			if m != nil {
				v.Meta = m.Meta
				err = m.Decode(&v.Data)
			}
			if !yield(v, err) || m == nil && !errors.As(err, &gap) {
				return
			}
		}
	}
}

// A subscription is a Messages loop. c.mu guards it.
type subscription struct {
	c     *Client
	typ   string
	queue []entry
	bytes int
	err   error // comes behind the queue
	news  chan struct{}
}

type entry struct {
	m   *Message
	gap *Gap
}

// next waits for the next entry. c.mu is not held.
func (s *subscription) next(ctx context.Context) (*Message, error) {
	for {
		s.c.mu.Lock()
		if len(s.queue) > 0 {
			e := s.queue[0]
			s.queue = slices.Delete(s.queue, 0, 1)
			if e.m == nil {
				s.c.mu.Unlock()
				return nil, e.gap
			}
			s.bytes -= len(e.m.data)
			s.c.mu.Unlock()
			return e.m, nil
		}
		err := s.err
		s.c.mu.Unlock()
		if err != nil {
			return nil, wrap("messages", err)
		}
		select {
		case <-s.news:
		case <-ctx.Done():
			return nil, wrap("messages", cause(ctx))
		}
	}
}

// take adds a message. Where there is no place it becomes a gap. c.mu is held.
func (s *subscription) take(m *Message) {
	if s.typ != "" && s.typ != m.Type {
		return
	}
	limit := s.c.o.Inbox
	n := len(s.queue)
	lost := n > 0 && s.queue[n-1].gap != nil && s.queue[n-1].gap.Reason == GapOverflow
	switch {
	case n == 0 || n < limit.Max && s.bytes+len(m.data) <= limit.MaxBytes:
		s.queue = append(s.queue, entry{m: m})
		s.bytes += len(m.data)
	case m.Volatile:
		s.c.stats.Dropped++
	case lost:
		s.queue[n-1].gap.Position = m.Position
	default:
		g := &Gap{Room: m.Room, Reason: GapOverflow, Position: m.Position}
		if last := s.queue[n-1].m; last != nil {
			g.After = last.Position.Seq
		}
		s.queue = append(s.queue, entry{gap: g})
	}
	s.wake()
}

// miss adds a gap of the room's. c.mu is held.
func (s *subscription) miss(g Gap) {
	if n := len(s.queue); n > 0 && s.queue[n-1].gap != nil {
		last := *s.queue[n-1].gap // it may have been yielded
		last.Position = g.Position
		s.queue[n-1].gap = &last
	} else {
		s.queue = append(s.queue, entry{gap: &g})
	}
	s.wake()
}

// end ends the loop behind what waits. c.mu is held.
func (s *subscription) end(err error) {
	if s.err == nil {
		s.err = err
	}
	s.wake()
}

func (s *subscription) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}
