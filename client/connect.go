package client

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// helloBytes is how much of $hello its joins may take, roughly: the server bounds a message.
const helloBytes = 16 << 10

// connect makes one attempt.
func (c *Client) connect() {
	c.mu.Lock()
	c.again = nil
	c.setState(State{Phase: Connecting})
	why := c.why
	c.mu.Unlock()
	token, err := c.askToken(why)
	if err != nil {
		c.failed(fmt.Errorf("token: %w", err), false)
		return
	}
	conn, resp, err := ws.Dial(c.ctx, c.url, &c.o.DialOptions)
	if err != nil && resp != nil {
		err = &HandshakeError{Response: resp, err: err}
	}
	if err != nil {
		c.failed(err, resp != nil && resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests)
		return
	}
	codec, ok := protocol.CodecOf(conn.Subprotocol())
	if !ok {
		conn.Close(ws.StatusProtocolError, "")
		conn.CloseNow()
		c.failed(fmt.Errorf("the server chose the subprotocol %q", conn.Subprotocol()), true)
		return
	}
	l := &link{c: c, conn: conn, codec: codec, token: token, pending: map[uint64]func(*protocol.Message, error){}, viaHello: map[string]bool{}}
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		conn.CloseNow()
		return
	}
	c.link = l
	c.group.Add(1)
	c.mu.Unlock()
	if err := conn.Attach(l); err != nil {
		l.closed(err)
	}
}

// failed is for an attempt that came to no connection.
func (c *Client) failed(err error, greatest bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.comeBack(err, greatest)
	}
}

// comeBack plans the next attempt. c.mu is held.
func (c *Client) comeBack(err error, greatest bool) {
	if c.first != nil {
		c.first <- err
		c.first = nil
		c.end(err)
		return
	}
	c.tries++
	wait := c.span.wait(c.tries)
	switch {
	case greatest:
		wait = c.span.max
	case c.drain != nil:
		wait = c.drain.any()
	}
	c.drain = nil
	c.setState(State{Phase: Waiting, Err: wrap("connection", err), Wait: wait})
	c.again = c.after(wait, func() { c.spawn(c.connect) })
}

// hello says $hello. c.mu is held.
func (l *link) hello() {
	c := l.c
	h := protocol.Hello{Token: l.token, Client: c.secret, Ping: pingEvery.Milliseconds()}
	l.token = ""
	size := 0
	rest := c.toJoin[:0:0]
	for _, r := range c.toJoin {
		switch {
		case !r.want:
			r.queued = false
			continue
		case r.o.Token != nil || len(h.Join) == protocol.HelloJoins || size > helloBytes:
			rest = append(rest, r)
			continue
		}
		j := r.joinData()
		j.Room = r.name
		size += 128 + len(r.name)
		h.Join = append(h.Join, j)
		r.queued = false
		r.beginJoin()
		r.awaitJoined(l)
		r.asked, r.viaHello = true, true
		l.joins++
		l.viaHello[r.name] = true
	}
	c.toJoin = rest
	data, err := l.codec.Marshal(h)
	if err == nil {
		err = l.request(&protocol.Message{Type: protocol.TypeHello, Data: data, Codec: l.codec}, l.welcome)
	}
	if err != nil {
		l.drop(err, false)
		return
	}
	l.watchHello()
	l.watchSilence()
}

// watchHello gives the answer to $hello its time.
func (l *link) watchHello() {
	if d := l.c.o.CallTimeout; d > 0 {
		l.timer = l.c.after(d, func() {
			if !l.ready {
				l.drop(fmt.Errorf("no answer to $hello within %v: %w", d, context.DeadlineExceeded), false)
			}
		})
	}
}

// welcome takes the answer to $hello. c.mu is held.
func (l *link) welcome(m *protocol.Message, err error) {
	c := l.c
	if err != nil {
		return // the link is lost already
	}
	if m.Type == protocol.TypeError {
		e := failure(m)
		again := e.Retryable
		if e.Code == protocol.CodeUnauthorized || e.Code == protocol.CodeExpired {
			c.why, again = Refused, c.o.Token != nil
		}
		l.drop(fmt.Errorf("$hello: %w", e), !again)
		return
	}
	var w protocol.Welcome
	if err := m.Codec.Unmarshal(m.Data, &w); err != nil {
		l.drop(fmt.Errorf("answer to $hello: %w", err), true)
		return
	}
	stop(l.timer)
	l.ready, l.since = true, time.Now()
	l.dedupe = time.Duration(min(max(w.Dedupe, 0), greatestWait.Milliseconds()*24)) * time.Millisecond
	c.window = l.dedupe
	if s, ok := spanOf(w.Backoff); ok {
		c.span = s
	}
	c.why = Hello
	c.expired, c.refreshing, c.renewals = false, false, 0
	c.stats.Connects++
	c.setState(State{Phase: Open, Session: w.Session, User: w.User})
	c.planRenewal(l, w.TTL)
	if c.first != nil {
		c.first <- nil
		c.first = nil
	}
	c.pump()
}

// lost takes leave of a connection. c.mu is held.
func (l *link) lost(err error) {
	c := l.c
	if c.link != l || l.over {
		return
	}
	l.end()
	c.link = nil
	if c.ended {
		return
	}
	if l.ready && time.Since(l.since) >= c.o.Backoff.Settle {
		c.tries = 0
	}
	greatest := l.greatest
	if l.why != nil {
		err = l.why
	} else {
		switch ws.CloseStatus(err) {
		case protocol.StatusSentAway:
			l.failPending(err)
			if c.first != nil {
				c.first <- because(ErrSentAway, err)
				c.first = nil
			}
			c.end(because(ErrSentAway, err))
			return
		case protocol.StatusUnauthorized:
			c.why = Refused
		case ws.StatusPolicyViolation:
			greatest = true
		case ws.StatusMessageTooBig:
			greatest = true
			l.poisoned = err
		}
	}
	l.failPending(err)
	names := make([]string, 0, len(c.rooms))
	for name := range c.rooms {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	c.toJoin, c.wild = nil, nil
	for _, name := range names {
		c.rooms[name].disconnected()
	}
	c.expired, c.refreshing = false, false
	stop(c.renew)
	c.comeBack(err, greatest)
}
