package live

import (
	"context"
	"runtime/debug"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// take puts a message behind those that wait for the session's handlers, which run
// one at a time on a goroutine that lives as long as there is something to do.
func (s *Session) take(m *Message) {
	l := &s.hub.set.Limits
	s.mu.Lock()
	if len(s.inbox) >= l.Inbox || s.inboxed+len(m.Data) > l.InboxBytes {
		s.mu.Unlock()
		e := protocol.Errorf(protocol.CodeBusy, "too many messages wait for their handlers (live.Limits.Inbox)")
		e.RetryAfter = 200
		s.fail(m, e)
		return
	}
	own := *m
	own.Data = append([]byte(nil), m.Data...)
	s.inbox = append(s.inbox, &own)
	if m.Type == protocol.TypeHello {
		s.greeting = true
	}
	s.inboxed += len(own.Data)
	if !s.working {
		s.working = true
		go s.work()
	}
	s.mu.Unlock()
}

// work handles what is in the inbox.
func (s *Session) work() {
	over := false
	defer func() {
		if over {
			return
		}
		s.panicked(recover())
		s.mu.Lock()
		s.inbox, s.inboxed, s.working = nil, 0, false
		s.mu.Unlock()
	}()
	for {
		s.mu.Lock()
		if len(s.inbox) == 0 || s.ended.Load() {
			s.working, over = false, true
			s.inbox = nil
			s.mu.Unlock()
			return
		}
		m := s.inbox[0]
		s.inbox[0] = nil
		s.inbox = s.inbox[1:]
		s.inboxed -= len(m.Data)
		if m.Type == protocol.TypeJoin {
			s.joining, s.unwanted = m.Room, false
		}
		s.mu.Unlock()
		s.serve(m)
		s.mu.Lock()
		if m.Type == protocol.TypeHello {
			s.greeting = false
		}
		s.mu.Unlock()
	}
}

// panicked closes the session, as the application panicked or called runtime.Goexit.
func (s *Session) panicked(v any) {
	if v != nil {
		s.hub.panics.Add(1)
		s.hub.logger().Error("live: a handler panicked", "session", s.id, "user", s.User(), "panic", v, "stack", string(debug.Stack()))
	}
	s.conn.Close(ws.StatusInternalError, "a handler failed")
}

// errPanicked is what hooks are told of a handler that did not return.
var errPanicked error = protocol.Errorf(protocol.CodeInternal, "the handler did not return")

// serve handles one message.
func (s *Session) serve(m *Message) {
	ctx := s.conn.Context()
	done := func(error) {}
	if f := s.hub.set.Hooks.Message; f != nil {
		ctx, done = f(ctx, s, m)
	}
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit
			done(errPanicked)
		}
	}()
	err := s.handle(ctx, m)
	returned = true
	if m.Type == protocol.TypeJoin {
		s.joins("")
	}
	done(err)
	if err != nil {
		s.refuse(m, err)
	}
}

func (s *Session) handle(ctx context.Context, m *Message) error {
	switch m.Type {
	case protocol.TypeHello:
		return s.hello(ctx, m)
	case protocol.TypeLeave:
		return s.leave(m)
	}
	if err := s.known(ctx); err != nil {
		return err
	}
	switch {
	case m.Type == protocol.TypeJoin:
		return s.joinRequest(ctx, m)
	case m.Type == protocol.TypeHistory:
		return s.history(ctx, m)
	case m.Type == protocol.TypePresence:
		return s.presence(m)
	case m.Room != "":
		return s.publishRequest(ctx, m)
	}
	f := s.hub.handlerOf(m.Type)
	if f == nil {
		return protocol.Errorf(protocol.CodeUnknownType, "there is no handler for %s", m.Type)
	}
	reply, err := s.hub.wrap(f)(ctx, &Request{s, m})
	if err != nil {
		return err
	}
	s.answer(m, reply)
	return nil
}
