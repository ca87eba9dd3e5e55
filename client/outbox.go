package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// What may be under way at once. A hub lets a session have 64 publishes under way.
const (
	maxSends    = 64
	maxSendSize = 512 << 10 // bytes; a single message may be larger
	maxJoins    = 50        // $join under way
)

// An outgoing message waits to be sent, or for its answer. c.mu guards it.
type outgoing struct {
	room   *Room // whose order it keeps; nil: a call
	m      protocol.Message
	repeat bool // a publish: may be repeated within the server's window, as it has a mid
	read   bool // changes nothing: may be repeated at any time

	queued  time.Time // by the wall clock, which goes on while the machine sleeps
	first   time.Time // when it was first sent; zero: not yet
	tries   int
	sent    *link // under way on that connection
	lost    bool  // a connection was lost while it was under way
	refusal *Error

	finished bool
	done     chan struct{} // closed when finished, and then:
	reply    protocol.Message
	err      error
}

// enqueue takes a message. c.mu is held.
func (c *Client) enqueue(p *outgoing) error {
	size := len(p.m.Data)
	switch {
	case c.closing || c.ended:
		return ErrClosed
	case size+256 > c.o.MaxSend:
		return protocol.Errorf(protocol.CodeTooLarge, "message of %d bytes and its envelope are larger than Options.MaxSend", size)
	case len(c.out) >= c.o.Queue.Max || len(c.out) > 0 && c.outBytes+size > c.o.Queue.MaxBytes:
		return ErrQueueFull
	}
	p.m.Codec = c.o.Codec
	p.queued = now()
	p.done = make(chan struct{})
	c.out = append(c.out, p)
	c.outBytes += size
	c.planSweep(p.queued.Add(c.o.Queue.TTL))
	c.pump()
	return nil
}

// await waits for the answer to what was enqueued.
func (c *Client) await(ctx context.Context, p *outgoing) (protocol.Message, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		c.mu.Lock()
		if !p.finished {
			err := cause(ctx)
			if !p.first.IsZero() && !p.read {
				err = unknown(err)
			}
			c.finish(p, nil, err)
		}
		c.mu.Unlock()
	}
	return p.reply, p.err
}

// finish settles a message. c.mu is held.
func (c *Client) finish(p *outgoing, m *protocol.Message, err error) {
	if p.finished {
		return
	}
	p.finished, p.err = true, err
	if m != nil {
		p.reply = *m
		p.reply.Data = slices.Clone(m.Data)
	}
	close(p.done)
	if i := slices.Index(c.out, p); i >= 0 {
		c.out = slices.Delete(c.out, i, i+1)
		c.outBytes -= len(p.m.Data)
	}
	if len(c.out) == 0 && c.flushed != nil {
		close(c.flushed)
	}
}

// pump sends what can be sent now: joins, then messages in their order. c.mu is held.
func (c *Client) pump() {
	l := c.link
	if l == nil || !l.ready || l.over || c.expired {
		return
	}
	for len(c.toJoin) > 0 && l.joins < maxJoins && !l.over {
		r := c.toJoin[0]
		c.toJoin = slices.Delete(c.toJoin, 0, 1)
		r.queued = false
		r.join(l)
	}
	for i := 0; i < len(c.out) && !l.over; i++ {
		p := c.out[i]
		size := len(p.m.Data)
		switch {
		case p.sent != nil:
			continue
		case p.room == nil && l.calls >= c.o.MaxCalls:
			continue
		case p.room != nil && (p.room.blocked || p.room.want && !p.room.asked): // only members may publish, perhaps
			continue
		case p.room != nil && (l.sends >= maxSends || l.sendSize > 0 && l.sendSize+size > maxSendSize):
			return // those behind it, in the same room, must not overtake it
		}
		if c.transmit(l, p) != nil {
			if p.finished { // cannot be sent
				i--
				continue
			}
			return // Drained comes back to it
		}
	}
}

// transmit sends one message. c.mu is held.
func (c *Client) transmit(l *link, p *outgoing) error {
	if !p.first.IsZero() && !p.read && now().Sub(p.first) > l.dedupe {
		err := p.outcome()
		c.finish(p, nil, err)
		return err
	}
	size := len(p.m.Data)
	err := l.request(&p.m, func(m *protocol.Message, err error) {
		if p.room != nil {
			l.sends--
			l.sendSize -= size
			p.room.sends--
		} else {
			l.calls--
		}
		p.sent = nil
		c.answered(l, p, m, err)
		if err == nil {
			c.pump()
		}
	})
	var refused *Error
	switch {
	case errors.As(err, &refused):
		c.finish(p, nil, refused)
		return err
	case err != nil:
		return err
	}
	p.sent = l
	if p.room != nil {
		l.sends++
		l.sendSize += size
		p.room.sends++
	} else {
		l.calls++
	}
	if p.first.IsZero() {
		p.first = now()
	}
	c.planSweep(c.deadline(p))
	return nil
}

// answered takes the answer to a message, or the loss of its connection. c.mu is held.
func (c *Client) answered(l *link, p *outgoing, m *protocol.Message, err error) {
	switch {
	case p.finished: // given up
	case err != nil && l.poisoned != nil:
		c.finish(p, nil, unknown(l.poisoned))
	case err != nil && p.read:
	case err != nil && (!p.repeat || now().Sub(p.first) >= l.dedupe):
		c.finish(p, nil, unknown(err))
	case err != nil:
		p.lost = true
		c.planSweep(p.first.Add(l.dedupe))
	case m.Type == protocol.TypeOK:
		c.finish(p, m, nil)
	default:
		e := failure(m)
		p.refusal = e
		p.tries++
		switch {
		case e.Code == protocol.CodeExpired && p.tries < 3 && c.hasExpired(l):
			if !p.repeat {
				p.first = time.Time{} // it did not happen
			}
		case e.Retryable && p.repeat && l.dedupe > 0:
			p.room.block(c.retryWait(e, p.tries))
			c.planSweep(p.first.Add(l.dedupe))
		default:
			c.finish(p, nil, e)
		}
	}
	if p.room != nil && err == nil {
		p.room.drained()
	}
}

// outcome is the error for a message whose time is up.
func (p *outgoing) outcome() error {
	switch {
	case p.first.IsZero():
		return ErrNotSent
	case p.lost || p.refusal == nil:
		return ErrUnknown
	}
	return p.refusal
}

// deadline is when a message is given up; zero: its ctx decides alone. c.mu is held.
func (c *Client) deadline(p *outgoing) time.Time {
	switch {
	case p.first.IsZero():
		return p.queued.Add(c.o.Queue.TTL)
	case !p.repeat:
		return time.Time{}
	case p.sent != nil: // nothing has to be repeated: give the answer its time
		return p.first.Add(max(p.sent.dedupe, c.o.CallTimeout, time.Minute))
	}
	return p.first.Add(c.window)
}

// planSweep sees to it that deadlines are looked at then. c.mu is held.
func (c *Client) planSweep(at time.Time) {
	if at.IsZero() || c.ended || !c.sweepAt.IsZero() && !at.Before(c.sweepAt) {
		return
	}
	stop(c.sweep)
	c.sweepAt = at
	c.sweep = c.after(max(time.Until(at), time.Millisecond), c.lapse)
}

// lapse gives up what is past its deadline. c.mu is held.
func (c *Client) lapse() {
	c.sweepAt = time.Time{}
	t := now()
	for _, p := range slices.Clone(c.out) {
		at := c.deadline(p)
		if at.IsZero() {
			continue
		}
		if t.Before(at) {
			c.planSweep(at)
			continue
		}
		c.finish(p, nil, p.outcome())
	}
	c.pump()
}

// now is the time by the wall clock.
func now() time.Time { return time.Now().Round(0) }
