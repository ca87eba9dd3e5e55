package live

import (
	"cmp"
	"context"
)

// Hooks hear of what happens, for metrics and traces. They are called where it
// happens and must not block. nil fields are left out.
type Hooks struct {
	// Connected and Disconnected are called for each session; err says how it ended. Shutdown and Close wait for
	// Disconnected, which must not call them.
	Connected    func(s *Session)
	Disconnected func(s *Session, err error)

	// Message is called when a handler, a publish or a join of a client begins; what
	// it returns, which is not nil, is called once when it is over, also by a panic. A
	// publish is over when it was handed to the broker; that it was not stored is heard
	// by Refused. The context is the handler's.
	Message func(ctx context.Context, s *Session, m *Message) (context.Context, func(err error))

	// Refused is called for each error that a client is told: of what a handler or the
	// broker refused, and of what never came to a handler.
	Refused func(s *Session, m *Message, err *Error)

	// Published is called for each message that is brought to the members of a room
	// on this node.
	Published func(m *Message, members int)

	// Slow is called when a session has no room for a message of a room.
	Slow func(s *Session, room string, p Policy)

	// Gap is called when members of a room on this node are told of a gap.
	Gap func(room string, reason string)

	// Healed is called when a room on this node had missed messages, or may have, and
	// has read them from the history: how many.
	Healed func(room string, messages int)
}

// And returns Hooks that call those of h and then those of other; what Message returned is called in the
// reverse order, and the second gets the context of the first. Either may be nil.
func (h *Hooks) And(other *Hooks) *Hooks {
	if h == nil || other == nil {
		return cmp.Or(h, other, &Hooks{})
	}
	return &Hooks{
		Connected:    both1(h.Connected, other.Connected),
		Disconnected: both2(h.Disconnected, other.Disconnected),
		Message:      bothMessage(h.Message, other.Message),
		Refused:      both3(h.Refused, other.Refused),
		Published:    both2(h.Published, other.Published),
		Slow:         both3(h.Slow, other.Slow),
		Gap:          both2(h.Gap, other.Gap),
		Healed:       both2(h.Healed, other.Healed),
	}
}

type messageHook = func(ctx context.Context, s *Session, m *Message) (context.Context, func(err error))

func bothMessage(f, g messageHook) messageHook {
	if f == nil || g == nil {
		return either(f, g, f == nil)
	}
	return func(ctx context.Context, s *Session, m *Message) (context.Context, func(err error)) {
		ctx, first := f(ctx, s, m)
		ctx, second := g(ctx, s, m)
		return ctx, func(err error) {
			second(err)
			first(err)
		}
	}
}

func both1[A any](f, g func(A)) func(A) {
	if f == nil || g == nil {
		return either(f, g, f == nil)
	}
	return func(a A) { f(a); g(a) }
}

func both2[A, B any](f, g func(A, B)) func(A, B) {
	if f == nil || g == nil {
		return either(f, g, f == nil)
	}
	return func(a A, b B) { f(a, b); g(a, b) }
}

func both3[A, B, C any](f, g func(A, B, C)) func(A, B, C) {
	if f == nil || g == nil {
		return either(f, g, f == nil)
	}
	return func(a A, b B, c C) { f(a, b, c); g(a, b, c) }
}

func either[F any](f, g F, second bool) F {
	if second {
		return g
	}
	return f
}
