package live

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// Session is one client's connection. It owns no goroutine and no timer while
// nothing happens. Its id carries no authority. It is safe for concurrent use, and a
// handler may call its own session.
type Session struct {
	hub     *Hub
	conn    *ws.Conn
	id      string
	codec   protocol.Codec
	addr    netip.Addr
	address *address
	account atomic.Pointer[account] // nil for a stranger
	header  http.Header             // until it was used to authenticate

	began time.Time

	rate  bucket                   // the reading goroutine's
	ended atomic.Bool              // no membership may begin
	who   atomic.Pointer[identity] // changed with mu held

	mu       sync.Mutex // guards what follows
	faults   bucket
	client   string // by which a stranger's mids are known again
	greeting bool   // a $hello waits or is being answered
	greeted  bool
	renewing bool // a $refresh is being answered
	rooms    map[string]*member
	inbox    []*Message
	inboxed  int // bytes in inbox
	working  bool
	joining  string // the room that is being joined
	unwanted bool   // it was left meanwhile
	pipes    map[string]*pipe
	flying   int // publishes under way
	owing    int // and those not replied to
	calls    map[uint64]chan *Message
	called   uint64
	leaving  bool  // draining: to be closed when no reply is owed
	cause    error // why the connection ended

	out    outbox
	feed   feed
	expiry deadline
	pinger deadline
}

// identity is who a session is.
type identity struct {
	Identity
	info    json.RawMessage // its Info
	expired bool
}

// ID returns the session's id, which presence shows to others.
func (s *Session) ID() string { return s.id }

// User returns the user's name, or "" for a stranger.
func (s *Session) User() string {
	if who := s.who.Load(); who != nil {
		return who.User
	}
	return ""
}

// Identity returns who the session is, as Authenticate said; before that, the zero
// Identity.
func (s *Session) Identity() Identity {
	if who := s.who.Load(); who != nil {
		return who.Identity
	}
	return Identity{}
}

// Context returns a context that ends with the session.
func (s *Session) Context() context.Context { return s.conn.Context() }

// Conn returns the connection. What is written to it past the session must be a
// message of the protocol.
func (s *Session) Conn() *ws.Conn { return s.conn }

// Address returns whose limits the session counts against: what Options.Address said, or the connection's remote address, of IPv6 the
// network of 64 bits. It is the zero Addr where there is none.
func (s *Session) Address() netip.Addr { return s.addr }

// Began returns when the session began.
func (s *Session) Began() time.Time { return s.began }

// Queued returns how many bytes of messages wait for the connection to take them.
func (s *Session) Queued() int { return s.conn.Buffered() + s.out.size() }

// Waiting returns how many messages of the client wait for their handlers: see
// Limits.Inbox.
func (s *Session) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.inbox)
}

// Close sends the session away with 4403: it does not come back by itself. The reason
// has 123 bytes at most.
func (s *Session) Close(reason string) error {
	return s.conn.Close(protocol.StatusSentAway, reason)
}

// Opened lets the session in.
func (s *Session) Opened(c *ws.Conn) {
	s.conn, s.began = c, time.Now()
	s.codec, _ = protocol.CodecOf(c.Subprotocol()) // Accept has seen to it that it is one
	if code, reason := s.hub.enter(s); code != 0 {
		s.ended.Store(true)
		c.Close(code, reason)
		return
	}
	if s.hub.set.Authenticate != nil {
		s.hub.deadlines.set(&s.expiry, time.Now().Add(s.hub.set.Limits.IdentityTimeout), s.noIdentity)
	} else {
		s.who.Store(&identity{})
	}
	if f := s.hub.set.Hooks.Connected; f != nil {
		f(s)
	}
}

// noIdentity closes a session that nobody knows.
func (s *Session) noIdentity() {
	if s.who.Load() == nil {
		s.conn.Close(protocol.StatusUnauthorized, "no identity in time (live.Limits.IdentityTimeout)")
	}
}

// Closed ends what the session had.
func (s *Session) Closed(_ *ws.Conn, err error) {
	if s.ended.Swap(true) {
		return // it never was in
	}
	s.hub.deadlines.clear(&s.expiry)
	s.hub.deadlines.clear(&s.pinger)
	s.mu.Lock()
	rooms, calls := s.rooms, s.calls
	s.rooms, s.calls, s.inbox, s.inboxed, s.cause = nil, nil, nil, 0, err
	s.mu.Unlock()
	how := lost
	switch ws.CloseStatus(err) {
	case ws.StatusNormalClosure, protocol.StatusUnauthorized, protocol.StatusSentAway:
		how = left
	}
	for _, m := range rooms {
		m.end(how, nil)
	}
	for _, call := range calls {
		close(call)
	}
	if s.hub.leave(s) {
		defer s.hub.gone() // Shutdown waits for what follows
	}
	if f := s.hub.set.Hooks.Disconnected; f != nil {
		f(s, err)
	}
}

// Drained goes on with what there was no room for.
func (s *Session) Drained(*ws.Conn) {
	if s.out.drain(s) {
		s.feed.wake(s)
	}
}

// Message takes a message from the client.
func (s *Session) Message(_ *ws.Conn, typ ws.MessageType, p []byte) {
	if s.ended.Load() {
		return
	}
	l := &s.hub.set.Limits
	now := time.Now()
	s.hub.traffic.in.add(1, len(p))
	var m Message
	var err error
	if want := typeOf(s.codec); typ != want {
		err = protocol.Errorf(protocol.CodeInvalid, "a %s message, where %s are spoken", typ, s.codec.Subprotocol())
	} else if m, err = s.codec.Parse(p, l.Depth); err == nil && m.Type[0] != '$' && m.Room != "" && protocol.IsWildcard(m.Room) {
		err = protocol.Errorf(protocol.CodeInvalid, "nothing is published to a wildcard")
	}
	if !s.rate.take(now, l.Rate, l.Burst) {
		e := protocol.Errorf(protocol.CodeRate, "too many messages of this session (live.Limits.Rate)")
		e.RetryAfter = s.rate.wait(l.Rate)
		err = e
	} else if !s.address.take(now, l) {
		err = protocol.Errorf(protocol.CodeRate, "too many messages of this address (live.Limits.AddressRate)")
	} else if !s.account.Load().take(now, l) {
		err = protocol.Errorf(protocol.CodeRate, "too many messages of this user (live.Limits.UserRate)")
	}
	if err != nil {
		s.refuse(&m, err)
		return
	}
	switch m.Type {
	case protocol.TypeOK, protocol.TypeError:
		s.replied(&m)
	case protocol.TypePing:
		s.answer(&m, nil)
	case protocol.TypeLeave:
		s.leaveRequest(&m)
	case protocol.TypeRefresh:
		s.refresh(&m)
	case protocol.TypeHello, protocol.TypeJoin, protocol.TypeHistory, protocol.TypePresence:
		s.take(&m)
	default:
		if m.Type[0] == '$' {
			s.refuse(&m, protocol.Errorf(protocol.CodeUnknownType, "there is no %s", m.Type))
			return
		}
		s.take(&m)
	}
}

func typeOf(c protocol.Codec) ws.MessageType {
	if c == protocol.CBOR {
		return ws.Binary
	}
	return ws.Text
}

// refuse answers a message with an error, and counts it against the session.
func (s *Session) refuse(m *Message, err error) {
	e := s.hub.told(s, m, err)
	s.fail(m, e)
	switch e.Code {
	case protocol.CodeInvalid, protocol.CodeUnknownType, protocol.CodeTooLarge, protocol.CodeRate,
		protocol.CodeLimit, protocol.CodeUnauthorized, protocol.CodeForbidden:
		s.mu.Lock()
		ok := s.faults.take(time.Now(), s.hub.set.Limits.FaultRate, s.hub.set.Limits.Faults)
		s.mu.Unlock()
		if !ok {
			s.conn.Close(ws.StatusPolicyViolation, "too many faults (live.Limits.Faults); the last: "+e.Code)
		}
	}
}

// fail answers a message with an error.
func (s *Session) fail(m *Message, e *Error) {
	if len(e.Message) > 512 {
		e = &Error{Code: e.Code, Message: strings.ToValidUTF8(e.Message[:500], "") + "…", Retryable: e.Retryable, RetryAfter: e.RetryAfter}
	}
	if f := s.hub.set.Hooks.Refused; f != nil {
		f(s, m, e)
	}
	s.sendControl(&Message{Type: protocol.TypeError, Re: m.ID, Room: m.Room, Mid: m.Mid}, e)
}

// answer answers a message that wants it.
func (s *Session) answer(m *Message, data any) {
	if m.ID > 0 {
		s.sendControl(&Message{Type: protocol.TypeOK, Re: m.ID, Room: m.Room}, data)
	}
}

// sendControl sends a message that is never dropped. nil data are none.
func (s *Session) sendControl(m *Message, data any) error {
	p, err := s.encode(m, data)
	if err == nil {
		return s.out.send(s, p)
	}
	if m.Type == protocol.TypeOK && m.Re > 0 { // somebody waits for it
		about := &Message{Type: m.Type, ID: m.Re, Room: m.Room}
		s.fail(about, s.hub.told(s, about, err))
	}
	return err
}

func (s *Session) encode(m *Message, data any) ([]byte, error) {
	if data != nil {
		raw, err := s.codec.Marshal(data)
		if err != nil {
			return nil, err
		}
		m.Data, m.Codec = raw, s.codec
	}
	return s.codec.Append(nil, m)
}

// drain tells the session to come back elsewhere, and closes it once what it has
// published is stored.
func (s *Session) drain() {
	s.mu.Lock()
	s.leaving = true
	s.owing++ // as if it published: it is not closed before it has been told
	s.mu.Unlock()
	b := [2]int64{s.hub.set.BackoffMin.Milliseconds(), s.hub.set.BackoffMax.Milliseconds()}
	s.sendControl(&Message{Type: protocol.TypeDrain}, protocol.Drain{Backoff: &b})
	s.replies(1)
}
