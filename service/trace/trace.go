// Package trace makes an OpenTelemetry span of each message of a client that a hub handles. Nothing is traced unless its Hooks are
// given to a hub:
//
//	hub := live.NewHub(&live.Options{Hooks: trace.Hooks(trace.Options{Provider: provider})})
//
// It knows the OpenTelemetry API alone. Which spans are sampled, and where they go, is the provider's concern; package trace/otlp has an
// exporter. docs/tracing.md has all about both.
package trace

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/internal/handled"
)

// Scope is the instrumentation scope of the spans.
const Scope = "github.com/tidewire/tidewire/service/trace"

// Options configures the spans. The zero value of each field is its default.
type Options struct {
	// Provider makes the spans, and decides which of them are sampled. nil means that of otel.GetTracerProvider when Hooks is called.
	Provider trace.TracerProvider

	// Names has spans say the names of rooms and users, the session, the type of the message and its mid. false means that nothing of what clients and
	// users are called leaves the process.
	Names bool
}

// Hooks returns the hooks for a hub; see live.Hooks.And for several. Each message becomes the root of a trace: the protocol carries no
// context, and a connection lasts too long to be one. The handler's context has the span, so that what the handler does is below it.
func Hooks(o Options) *live.Hooks {
	if o.Provider == nil {
		o.Provider = otel.GetTracerProvider()
	}
	t := &tracer{Tracer: o.Provider.Tracer(Scope), names: o.Names}
	for k := range handled.Kinds {
		t.starts[k] = []trace.SpanStartOption{
			trace.WithNewRoot(),
			trace.WithSpanKind(spanKind(k)),
			trace.WithAttributes(
				attribute.String("messaging.system", "tidewire"),
				attribute.String("messaging.operation.name", k.String()),
				attribute.String("messaging.operation.type", "process"),
			),
		}
	}
	return &live.Hooks{Message: t.message}
}

// spanKind is a server's for what is answered, and a consumer's for what is only taken.
func spanKind(k handled.Kind) trace.SpanKind {
	if k == handled.Publish || k == handled.Message {
		return trace.SpanKindConsumer
	}
	return trace.SpanKindServer
}

type tracer struct {
	trace.Tracer
	names  bool
	starts [handled.Kinds][]trace.SpanStartOption
}

// unrecorded is what is to be done at the end of a span that nobody sees.
func unrecorded(error) {}

func (t *tracer) message(ctx context.Context, s *live.Session, m *live.Message) (context.Context, func(err error)) {
	kind := handled.KindOf(m)
	ctx, span := t.Start(ctx, "tidewire "+kind.String(), t.starts[kind]...)
	if !span.IsRecording() {
		return ctx, unrecorded
	}
	span.SetAttributes(attribute.Int("messaging.message.body.size", len(m.Data)))
	if t.names {
		span.SetAttributes(attribute.String("session.id", s.ID()))
		for _, one := range [...]struct{ key, value string }{
			{"messaging.destination.name", m.Room}, {"messaging.message.id", m.Mid}, {"user.id", s.User()}, {"tidewire.message.type", m.Type},
		} {
			if one.value != "" {
				span.SetAttributes(attribute.String(one.key, one.value))
			}
		}
	}
	return ctx, func(err error) {
		if code := handled.CodeOf(err); code != "" { // not the error's text, which may hold anything
			span.SetAttributes(attribute.String("error.type", code))
			span.SetStatus(codes.Error, code)
		}
		span.End()
	}
}
