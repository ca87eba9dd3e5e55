package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// A link is one connection, and a ws.Handler. It never blocks. All its state is guarded by c.mu.
type link struct {
	c     *Client
	conn  *ws.Conn
	codec protocol.Codec
	token string // for $hello

	buf     []byte
	lastID  uint64
	pending map[uint64]func(*protocol.Message, error) // who waits for a reply
	timer   *time.Timer
	silence *time.Timer

	ready    bool      // $hello is answered
	since    time.Time // when
	dedupe   time.Duration
	heard    time.Time // when the last message came
	over     bool
	why      error // why we dropped it
	greatest bool  // the greatest backoff comes next
	poisoned error // what was in flight must not be repeated

	joins    int             // $join under way
	viaHello map[string]bool // those of them that $hello brought: their replies have no re
	sends    int             // publishes under way
	calls    int             // and calls
	sendSize int             // their bytes
}

// Opened says $hello.
func (l *link) Opened(*ws.Conn) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.heard = time.Now()
	if !l.over {
		l.hello()
	}
}

// Closed is called once. It may be from within a Write, with c.mu held.
func (l *link) Closed(_ *ws.Conn, err error) { go l.closed(err) }

func (l *link) closed(err error) {
	l.c.mu.Lock()
	l.lost(err)
	l.c.mu.Unlock()
	l.c.group.Done()
}

// Drained goes on with what found the connection's queue full.
func (l *link) Drained(*ws.Conn) {
	go func() {
		l.c.mu.Lock()
		defer l.c.mu.Unlock()
		if l.c.link == l && !l.over {
			l.c.pump()
		}
	}()
}

// end stops what belongs to the link. c.mu is held.
func (l *link) end() {
	l.over = true
	stop(l.timer)
	stop(l.silence)
}

// failPending tells all that wait for replies. c.mu is held.
func (l *link) failPending(err error) {
	for id, f := range l.pending {
		delete(l.pending, id)
		f(nil, err)
	}
}

// drop ends the connection from this side, and comes back. c.mu is held.
func (l *link) drop(why error, greatest bool) {
	if l.over {
		return
	}
	l.why, l.greatest = why, greatest
	l.lost(why)
	l.conn.Close(ws.StatusNormalClosure, "")
	time.AfterFunc(time.Second, func() { l.conn.CloseNow() })
}

// send sends a message. c.mu is held.
func (l *link) send(m *protocol.Message) error {
	b, err := l.codec.Append(l.buf[:0], m)
	if err != nil {
		return err
	}
	if cap(b) <= 16<<10 {
		l.buf = b
	}
	typ := ws.Text
	if l.codec == protocol.CBOR {
		typ = ws.Binary
	}
	if len(b) > l.c.o.MaxSend {
		return protocol.Errorf(protocol.CodeTooLarge, "message of %d bytes is larger than Options.MaxSend", len(b))
	}
	return l.conn.Write(context.Background(), typ, b)
}

// request sends a message with an id. done is called with c.mu held, with the reply, or with why the
// connection was lost, unless request returns an error.
func (l *link) request(m *protocol.Message, done func(*protocol.Message, error)) error {
	l.lastID++
	m.ID = l.lastID
	err := l.send(m)
	if err == nil {
		l.pending[m.ID] = done
	}
	return err
}

// ask sends a "$" message and drops the connection if that cannot be done. c.mu is held.
func (l *link) ask(typ, room string, pos protocol.Position, v any, done func(*protocol.Message, error)) {
	m := protocol.Message{Type: typ, Room: room, Pos: pos, Codec: l.codec}
	var err error
	if v != nil {
		m.Data, err = l.codec.Marshal(v)
	}
	if err == nil {
		err = l.request(&m, done)
	}
	if err != nil {
		l.drop(fmt.Errorf("%s: %w", typ, err), false)
	}
}

// reply answers a call of the server's, if the connection is still the one it came by. c.mu is held.
func (l *link) reply(id uint64, data []byte, e *Error) {
	if l.over || id == 0 {
		return
	}
	m := protocol.Message{Type: protocol.TypeOK, Re: id, Data: data, Codec: l.codec}
	if e != nil {
		m.Type = protocol.TypeError
		m.Data, _ = l.codec.Marshal(e)
	}
	err := l.send(&m)
	var refused *Error
	if errors.As(err, &refused) && e == nil {
		l.reply(id, nil, refused)
	} else if err != nil {
		l.c.o.Logger.Warn("client: reply was not sent", "error", err)
	}
}

// Message takes one message apart.
func (l *link) Message(_ *ws.Conn, typ ws.MessageType, p []byte) {
	c := l.c
	var m protocol.Message
	err := errors.New("message has the wrong type for the subprotocol")
	if (typ == ws.Binary) == (l.codec == protocol.CBOR) {
		m, err = l.codec.Parse(p, protocol.DefaultDepth+protocol.PageDepth)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.over {
		return
	}
	l.heard = time.Now()
	if err != nil {
		c.o.Logger.Warn("client: message from the server cannot be read", "error", err)
		l.reply(m.ID, nil, protocol.Errorf(protocol.CodeInvalid, "%s", err))
		return
	}
	switch {
	case m.Type == protocol.TypeOK || m.Type == protocol.TypeError:
		l.replied(&m)
	case m.Type[0] == '$':
		l.told(&m)
	case m.Room != "":
		c.arrived(&m)
	default:
		c.called(l, &m)
	}
}

// replied takes a $ok or $error.
func (l *link) replied(m *protocol.Message) {
	if m.Re != 0 {
		if f := l.pending[m.Re]; f != nil {
			delete(l.pending, m.Re)
			f(m, nil)
		}
		return
	}
	if l.viaHello[m.Room] && m.Mid == "" {
		delete(l.viaHello, m.Room)
		l.joins--
		if r := l.c.rooms[m.Room]; r != nil && r.viaHello {
			r.viaHello = false
			r.joinAnswered(l, m)
		}
		l.c.pump()
		return
	}
	if m.Type == protocol.TypeError { // a cast of ours; those have a mid
		l.c.stats.Refused++
		l.c.o.Logger.Warn("client: server refused a message", "room", m.Room, "error", failure(m))
	}
}

// told takes what the server says of itself and of rooms.
func (l *link) told(m *protocol.Message) {
	c := l.c
	switch m.Type {
	case protocol.TypePing:
		l.reply(m.ID, nil, nil)
		return
	case protocol.TypeDrain:
		var d protocol.Drain
		if err := m.Codec.Unmarshal(m.Data, &d); err == nil {
			s, ok := spanOf(d.Backoff)
			if !ok {
				s = c.span
			}
			c.span, c.drain = s, &s
		}
		return
	case protocol.TypeDegraded:
		var d protocol.Degraded
		if err := m.Codec.Unmarshal(m.Data, &d); err == nil && l.ready {
			c.degraded(d.Rooms != "")
		}
		return
	}
	if r := c.rooms[m.Room]; r != nil && r.told(l, m) {
		return
	}
	l.reply(m.ID, nil, protocol.Errorf(protocol.CodeUnknownType, "there is no %s here", m.Type))
}

// degraded takes note that messages can, or cannot, be stored.
func (c *Client) degraded(on bool) {
	s := c.state
	if s.Degraded == on {
		return
	}
	s.Degraded = on
	c.setState(s)
	if !on {
		for _, r := range c.rooms {
			r.unblock()
		}
		c.pump()
	}
}
