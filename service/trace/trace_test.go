package trace_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/trace"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// traced has a client send messages to a hub, and returns the spans by name.
func traced(t *testing.T, o trace.Options, sampler sdktrace.Sampler, lines ...string) map[string]sdktrace.ReadOnlySpan {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(sampler))
	o.Provider = provider
	ln := wstest.Listen()
	hub := live.NewHub(&live.Options{
		Hooks: trace.Hooks(o), Logger: slog.New(slog.DiscardHandler),
		Accept:       ws.AcceptOptions{ConnOptions: ws.ConnOptions{Engine: ws.NewEngine(), PingInterval: -1}},
		Authenticate: func(context.Context, live.Credentials) (live.Identity, error) { return live.Identity{User: "ann"}, nil },
	})
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 10})
	live.On(hub, "tell", func(ctx context.Context, _ *live.Session, _ any) error {
		_, below := oteltrace.SpanFromContext(ctx).TracerProvider().Tracer("shop").Start(ctx, "below")
		below.End()
		return nil
	})
	live.Handle(hub, "ask", func(context.Context, *live.Session, any) (int, error) { return 0, errors.New("the secret is 42") })
	live.On(hub, "panic", func(context.Context, *live.Session, any) error { panic("on purpose") })
	served := make(chan error, 1)
	go func() { served <- hub.Serve(ln) }()
	c, _, err := ws.Dial(t.Context(), "ws://hub/", &ws.DialOptions{NetDial: ln.DialContext, ConnOptions: ws.ConnOptions{PingInterval: -1},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			if _, _, err := c.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	for _, line := range lines {
		if err := c.Write(t.Context(), ws.Text, []byte(line)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	c.CloseNow()
	hub.Close()
	<-served
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range recorder.Ended() {
		spans[s.Name()] = s
	}
	if n, ended := len(recorder.Started()), len(recorder.Ended()); n != ended {
		t.Errorf("%d spans began and %d ended", n, ended)
	}
	return spans
}

var lines = []string{
	`{"type":"$hello","id":1,"data":{}}`, `{"type":"$join","id":2,"room":"room:7"}`, `{"type":"say","id":3,"room":"room:7","mid":"m1","data":"four"}`, `{"type":"tell"}`,
	`{"type":"ask","id":4}`,
}

// attributes of a span, as text.
func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	all := map[string]string{}
	for _, kv := range s.Attributes() {
		all[string(kv.Key)] = kv.Value.String()
	}
	return all
}

func TestSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := traced(t, trace.Options{Names: true}, sdktrace.AlwaysSample(), lines...)
		for name, want := range map[string]struct {
			kind oteltrace.SpanKind
			text string
		}{
			"tidewire hello":   {oteltrace.SpanKindServer, "messaging.operation.name=hello user.id= tidewire.message.type=$hello"},
			"tidewire join":    {oteltrace.SpanKindServer, "messaging.operation.name=join messaging.destination.name=room:7 user.id=ann"},
			"tidewire publish": {oteltrace.SpanKindConsumer, "messaging.system=tidewire messaging.operation.name=publish messaging.operation.type=process messaging.destination.name=room:7 messaging.message.id=m1 messaging.message.body.size=6 user.id=ann tidewire.message.type=say error.type="},
			"tidewire message": {oteltrace.SpanKindConsumer, "messaging.operation.name=message tidewire.message.type=tell"},
			"tidewire call":    {oteltrace.SpanKindServer, "messaging.operation.name=call error.type=internal"},
		} {
			s := spans[name]
			if s == nil {
				t.Errorf("there is no span %q", name)
				continue
			}
			got := attributes(s)
			for pair := range strings.FieldsSeq(want.text) {
				if key, value, _ := strings.Cut(pair, "="); got[key] != value {
					t.Errorf("%s: %s is %q, want %q", name, key, got[key], value)
				}
			}
			if s.SpanKind() != want.kind || s.Parent().IsValid() || !strings.HasPrefix(got["session.id"], "s") || s.InstrumentationScope().Name != trace.Scope {
				t.Errorf("%s: kind %v, parent %v, session %q", name, s.SpanKind(), s.Parent(), got["session.id"])
			}
		}
		if below := spans["below"]; below == nil || below.Parent().SpanID() != spans["tidewire message"].SpanContext().SpanID() {
			t.Errorf("what a handler does is not below its message: %v", below)
		}
		if st := spans["tidewire call"].Status(); st.Code != codes.Error || st.Description != "internal" {
			t.Errorf("the call that failed: %+v", st)
		}
		if st := spans["tidewire publish"].Status(); st.Code != codes.Unset {
			t.Errorf("the publish: %+v", st)
		}
	})
}

// Without Names, no name and no text of an error leaves.
func TestSpansWithoutNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := traced(t, trace.Options{}, sdktrace.AlwaysSample(), lines...)
		if len(spans) != 6 {
			t.Fatalf("%d spans", len(spans))
		}
		for name, s := range spans {
			text := fmt.Sprint(name, attributes(s), s.Status(), s.Events())
			for _, secret := range []string{"room:7", "ann", "m1", "say", "session", "42", "four"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is in %s", secret, text)
				}
			}
		}
	})
}

// A span ends when its handler panics.
func TestSpanOfAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans := traced(t, trace.Options{}, sdktrace.AlwaysSample(), `{"type":"$hello","id":1,"data":{}}`, `{"type":"panic"}`)
		if s := spans["tidewire message"]; s == nil || s.Status().Code != codes.Error {
			t.Errorf("%v", spans)
		}
	})
}

func TestNotSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if spans := traced(t, trace.Options{Names: true}, sdktrace.NeverSample(), lines...); len(spans) != 0 {
			t.Errorf("%d spans", len(spans))
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	for name, sampler := range map[string]sdktrace.Sampler{"never": sdktrace.NeverSample(), "always": sdktrace.AlwaysSample()} {
		b.Run(name, func(b *testing.B) {
			h := trace.Hooks(trace.Options{Provider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithSyncer(nowhere{}))})
			m := &live.Message{Type: "say", Room: "room:7"}
			b.ReportAllocs()
			for b.Loop() {
				_, done := h.Message(context.Background(), nil, m)
				done(nil)
			}
		})
	}
}

type nowhere struct{ io.Writer }

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }
