package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// From a provider's batches to a collector.
func TestProvider(t *testing.T) {
	c := newCollector(t, nil)
	e := newExporter(t, Options{Endpoint: c.url, Header: http.Header{"Authorization": {"Bearer key"}}})
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e))
	ctx, parent := provider.Tracer("shop").Start(t.Context(), "parent")
	_, child := provider.Tracer("shop").Start(ctx, "child")
	child.End()
	parent.End()
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, posts := c.names()
	if !slices.Equal(names, []string{"child", "parent"}) || posts != 1 || c.header.Get("Authorization") != "Bearer key" {
		t.Fatalf("%q came in %d posts, Authorization %q", names, posts, c.header.Get("Authorization"))
	}
	got := c.posts[0].ResourceSpans[0].ScopeSpans[0].Spans
	if got[0].ParentSpanID != got[1].SpanID || got[0].TraceID != parent.SpanContext().TraceID().String() || got[1].ParentSpanID != "" {
		t.Errorf("%+v", got)
	}
	if err := e.ExportSpans(t.Context(), spans("late")); !errors.Is(err, errEnded) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	status := func(code int, body string) func(int, http.ResponseWriter) {
		return func(n int, w http.ResponseWriter) {
			if n <= 2 {
				w.Header().Set("Retry-After", "0")
				w.Header().Set("Location", "/v1/traces")
				w.WriteHeader(code)
				io.WriteString(w, body)
			}
		}
	}
	for name, tc := range map[string]struct {
		answer func(int, http.ResponseWriter)
		posts  int
		err    string
	}{
		"taken":         {nil, 1, ""},
		"taken, 202":    {status(202, "what?"), 1, ""},
		"busy twice":    {status(503, ""), 3, ""},
		"too many":      {status(429, ""), 3, ""},
		"bad gateway":   {status(502, ""), 3, ""},
		"timed out":     {status(504, ""), 3, ""},
		"bad":           {status(400, "the secret is 42"), 1, "status 400"},
		"unauthorized":  {status(401, ""), 1, "status 401"},
		"failed":        {status(500, ""), 1, "status 500"},
		"redirected":    {status(307, ""), 1, "status 307"},
		"rejected":      {status(200, `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"secret"}}`), 1, "rejected 1 spans"},
		"rejected, 1":   {status(200, `{"partialSuccess":{"rejectedSpans":1}}`), 1, "rejected 1 spans"},
		"a long answer": {status(200, strings.Repeat(" ", 1<<20)), 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t, tc.answer)
			err := newExporter(t, Options{Endpoint: c.url, Timeout: time.Minute, backoff: time.Millisecond}).ExportSpans(t.Context(), spans("a"))
			if _, posts := c.names(); posts != tc.posts || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%d posts, %v; want %d, %q", posts, err, tc.posts, tc.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%v", err)
			}
		})
	}
}

// roundTrip is a transport.
type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The time of all attempts is bounded, and so is their number.
func TestRetriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		e := newExporter(t, Options{Endpoint: "https://collector/v1/traces?key=secret", Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			at = append(at, time.Since(began))
			return nil, errors.New("refused")
		})})
		err := e.ExportSpans(t.Context(), spans("a"))
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("attempts at %v, want %v", at, want)
		}
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "collector does not answer") {
			t.Errorf("%v", err)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// A collector that does not answer holds nobody up for longer than is said, and not past Shutdown.
func TestStuckCollector(t *testing.T) {
	stuck := roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	for name, tc := range map[string]struct {
		end  func(e *Exporter, cancel func())
		want time.Duration
	}{
		"timeout":  {func(*Exporter, func()) {}, 10 * time.Second},
		"shutdown": {func(e *Exporter, _ func()) { e.Shutdown(context.Background()) }, 2 * time.Second},
		"context":  {func(_ *Exporter, cancel func()) { cancel() }, 2 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			e := newExporter(t, Options{Endpoint: "http://collector/", Transport: stuck})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				time.Sleep(2 * time.Second)
				tc.end(e, cancel)
			}()
			if err := e.ExportSpans(ctx, spans("a")); err == nil || time.Since(began) != tc.want {
				t.Errorf("%s: %v after %v", name, err, time.Since(began))
			}
			synctest.Wait()
		})
	}
}

// What asks for long waits gets them only within the time that there is.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, posts := time.Now(), 0
		e := newExporter(t, Options{Endpoint: "http://collector/", Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			posts++
			after := map[int]string{1: "4", 2: "99999999999"}[posts]
			return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {after}}, Body: http.NoBody}, nil
		})})
		if err := e.ExportSpans(t.Context(), spans("a")); err == nil || posts != 2 || time.Since(began) != 4*time.Second {
			t.Errorf("%v after %d posts and %v", err, posts, time.Since(began))
		}
	})
}

// A large batch goes in several posts, and what is too large alone is dropped.
func TestMaxBody(t *testing.T) {
	c := newCollector(t, nil)
	e := newExporter(t, Options{Endpoint: c.url, MaxBody: 2000})
	var all, want []string
	for i := range 20 {
		all = append(all, fmt.Sprint("span ", i))
	}
	want = append(want, all...)
	all = append(all, strings.Repeat("x", 3000))
	err := e.ExportSpans(t.Context(), spans(all...))
	names, posts := c.names()
	if !slices.Equal(names, want) || posts < 3 || err == nil || !strings.Contains(err.Error(), "dropped") {
		t.Errorf("%d posts, %v: %q", posts, err, names)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, endpoint := range []string{"", "collector:4318", "/v1/traces", "ftp://collector/", "http://", "http://user:secret@collector/", "http://secret%zz/"} {
		if _, err := New(Options{Endpoint: endpoint}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	for _, name := range []string{"ENDPOINT", "HEADERS", "TIMEOUT"} {
		t.Setenv("OTEL_EXPORTER_OTLP_"+name, "")
		t.Setenv("OTEL_EXPORTER_OTLP_TRACES_"+name, "")
	}
	if o := FromEnvironment(); o.Endpoint != "" || len(o.Header) != 0 || o.Timeout != 0 {
		t.Errorf("of nothing: %+v", o)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x = y,broken,=z,bad=%zz")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2500")
	o := FromEnvironment()
	if o.Endpoint != "http://collector:4318/v1/traces" || o.Header.Get("Api-Key") != "a b" || o.Header.Get("X") != "y" || len(o.Header) != 2 || o.Timeout != 2500*time.Millisecond {
		t.Errorf("for all: %+v", o)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces/x")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon")
	if o := FromEnvironment(); o.Endpoint != "https://traces/x" || len(o.Header) != 1 || o.Header.Get("A") != "b" || o.Timeout != 0 {
		t.Errorf("for traces: %+v", o)
	}
}
