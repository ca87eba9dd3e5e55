package live

import (
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// Send sends a message without a room to the client. It returns once the message is
// queued, and never waits.
func (s *Session) Send(_ context.Context, typ string, data any) error {
	if err := protocol.CheckType(typ); err != nil {
		return fmt.Errorf("live: Send: %w", err)
	}
	if err := s.sendControl(&Message{Type: typ}, data); err != nil {
		return fmt.Errorf("live: Send: %w", err)
	}
	return nil
}

// callTimeout bounds a Call whose context has no deadline.
const callTimeout = 30 * time.Second

// Call asks the client, and waits for its reply, ctx's end, or 30 s if ctx has no
// deadline. A client's refusal is an *[Error]. Replies are taken beside the session's
// handlers, so a handler may call its own session.
func Call[Req, Res any](ctx context.Context, s *Session, typ string, req Req) (res Res, err error) {
	m, err := s.call(ctx, typ, req)
	if err != nil {
		return res, fmt.Errorf("live: Call %s: %w", typ, err)
	}
	if m.Type == protocol.TypeError {
		e := &Error{Code: protocol.CodeInternal}
		if err := m.Codec.Unmarshal(m.Data, e); err != nil {
			return res, fmt.Errorf("live: Call %s: %w", typ, err)
		}
		return res, e
	}
	if err := m.Codec.Unmarshal(m.Data, &res); err != nil {
		return res, fmt.Errorf("live: Call %s: %w", typ, err)
	}
	return res, nil
}

func (s *Session) call(ctx context.Context, typ string, req any) (*Message, error) {
	if _, ok := ctx.Deadline(); !ok {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, callTimeout)
		defer done()
	}
	reply := make(chan *Message, 1)
	s.mu.Lock()
	if s.cause != nil {
		s.mu.Unlock()
		return nil, s.cause
	}
	if len(s.calls) >= s.hub.set.Limits.Calls {
		s.mu.Unlock()
		return nil, protocol.Errorf(protocol.CodeLimit, "too many calls of this session are under way (live.Limits.Calls)")
	}
	if s.calls == nil {
		s.calls = map[uint64]chan *Message{}
	}
	s.called++
	id := s.called
	s.calls[id] = reply
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, id)
	}()
	if err := s.sendControl(&Message{Type: typ, ID: id}, req); err != nil {
		return nil, err
	}
	select {
	case m, ok := <-reply:
		if !ok {
			return nil, s.cause // set before
		}
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// replied takes a reply to a call. One that nobody waits for is ignored.
func (s *Session) replied(m *Message) {
	s.mu.Lock()
	reply := s.calls[m.Re]
	delete(s.calls, m.Re)
	s.mu.Unlock()
	if reply != nil {
		own := *m
		own.Data = append([]byte(nil), m.Data...)
		reply <- &own
	}
}
