package live

import (
	"context"
	"errors"

	"github.com/tidewire/tidewire/live/protocol"
)

// Request is a message of a client on its way to its handler: one without a room, or
// one that is to be published.
type Request struct {
	Session *Session
	Message *Message // Data is valid until the handler returns
}

// Handler handles a Request. What it returns is the reply's data, encoded as the
// session wants it.
type Handler func(ctx context.Context, r *Request) (reply any, err error)

// Use puts middleware around the handlers of all messages and publishes; what was
// added first is outermost. It comes before the Hub serves anybody.
func (h *Hub) Use(m ...func(next Handler) Handler) {
	h.confMu.Lock()
	defer h.confMu.Unlock()
	h.middleware = append(h.middleware, m...)
}

// wrap puts the middleware around a handler.
func (h *Hub) wrap(f Handler) Handler {
	h.confMu.RLock()
	defer h.confMu.RUnlock()
	for i := len(h.middleware) - 1; i >= 0; i-- {
		f = h.middleware[i](f)
	}
	return f
}

func (h *Hub) register(typ string, f Handler) {
	if err := protocol.CheckType(typ); err != nil || typ[0] == '$' {
		panic("live: a handler cannot have the type " + typ)
	}
	h.confMu.Lock()
	defer h.confMu.Unlock()
	if h.handlers[typ] != nil {
		panic("live: there is a handler for " + typ)
	}
	h.handlers[typ] = f
}

func (h *Hub) handlerOf(typ string) Handler {
	h.confMu.RLock()
	defer h.confMu.RUnlock()
	return h.handlers[typ]
}

// On has f called for each message of that type without a room. A session's messages
// are handled one at a time, in order; those of different sessions concurrently. An
// error is told to the client; see [Error]. A panic closes the session with 1011.
// ctx ends with the session.
func On[T any](h *Hub, typ string, f func(ctx context.Context, s *Session, data T) error) {
	h.register(typ, func(ctx context.Context, r *Request) (any, error) {
		data, err := decode[T](r.Message)
		if err != nil {
			return nil, err
		}
		return nil, f(ctx, r.Session, data)
	})
}

// Handle is On for requests: what f returns is the reply.
func Handle[Req, Res any](h *Hub, typ string, f func(ctx context.Context, s *Session, req Req) (Res, error)) {
	h.register(typ, func(ctx context.Context, r *Request) (any, error) {
		req, err := decode[Req](r.Message)
		if err != nil {
			return nil, err
		}
		return f(ctx, r.Session, req)
	})
}

func decode[T any](m *Message) (v T, err error) {
	return v, read(m, &v)
}

// read decodes a message's data. What is wrong with it is told to who sent it.
func read(m *Message, v any) error {
	err := m.Codec.Unmarshal(m.Data, v)
	if bad := (*Error)(nil); errors.As(err, &bad) {
		return protocol.Errorf(protocol.CodeInvalid, "%s: %s", m.Type, bad.Message)
	}
	return err
}

// Publication is a message on its way into a room, as a client sent it. A handler may
// change Data, Key and Volatile.
type Publication[T any] struct {
	Session  *Session
	Room     string
	Type     string
	Mid      string
	Key      string
	Volatile bool
	Data     T

	// Answer, if not nil, becomes the data of the reply to the publisher.
	Answer any
}

// publishHandler is what OnPublish registers.
type publishHandler struct {
	types map[string]bool // nil: all
	f     func(ctx context.Context, p *publication) error
}

// publication is a Publish with what belongs to its session.
type publication struct {
	session *Session
	kind    *kind
	message Message
	key     string // for the broker to know it again
	answer  any
	out     Publish // as the broker gets it
}

// OnPublish has f called for each message that a client publishes to a room that
// counts for this configured pattern, and that has one of the types, if any are
// given. It may change the message, or refuse it with an error. Where several
// handlers match, they are called in the order in which they were registered.
//
// A message that is repeated with the same Mid comes here again, though it will be
// stored once: a handler with effects of its own must know a Mid again.
func OnPublish[T any](h *Hub, pattern string, f func(ctx context.Context, p *Publication[T]) error, types ...string) {
	h.confMu.Lock()
	defer h.confMu.Unlock()
	var k *kind
	for _, one := range h.kinds {
		if one.pattern == pattern {
			k = one
		}
	}
	if k == nil {
		panic("live: OnPublish " + pattern + ": ConfigureRooms comes first")
	}
	ph := &publishHandler{f: func(ctx context.Context, p *publication) error {
		m := &p.message
		data, err := decode[T](m)
		if err != nil {
			return err
		}
		pub := Publication[T]{Session: p.session, Room: m.Room, Type: m.Type, Mid: m.Mid, Key: m.Key, Volatile: m.Volatile, Data: data}
		if err := f(ctx, &pub); err != nil {
			return err
		}
		raw, err := m.Codec.Marshal(pub.Data)
		if err != nil {
			return err
		}
		m.Data, m.Key, m.Volatile, p.answer = raw, pub.Key, pub.Volatile, pub.Answer
		return nil
	}}
	if len(types) > 0 {
		ph.types = map[string]bool{}
		for _, t := range types {
			ph.types[t] = true
		}
	}
	k.publish = append(k.publish, ph)
}
