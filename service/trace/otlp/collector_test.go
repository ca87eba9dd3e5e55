package otlp

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is an HTTP server that takes spans, in memory.
type collector struct {
	t      *testing.T
	url    string
	mu     sync.Mutex
	posts  []request
	header http.Header
	answer func(n int, w http.ResponseWriter) // of the nth post; nil: it is taken
}

func newCollector(t *testing.T, answer func(n int, w http.ResponseWriter)) *collector {
	c := &collector{t: t, answer: answer}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL + "/v1/traces"
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("%s %s, %s, %v", r.Method, r.URL, r.Header.Get("Content-Type"), err)
	}
	var one request
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&one); err != nil {
		c.t.Errorf("%v in %s", err, body)
	}
	c.mu.Lock()
	c.posts = append(c.posts, one)
	n := len(c.posts)
	c.header = r.Header.Clone()
	c.mu.Unlock()
	if c.answer == nil {
		io.WriteString(w, `{"partialSuccess":{}}`)
		return
	}
	c.answer(n, w)
}

// names of the spans that came, in their order, and in how many posts.
func (c *collector) names() (names []string, posts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.posts {
		for _, r := range p.ResourceSpans {
			for _, s := range r.ScopeSpans {
				for _, one := range s.Spans {
					names = append(names, one.Name)
				}
			}
		}
	}
	return names, len(c.posts)
}

// spans are spans with these names.
func spans(names ...string) []sdktrace.ReadOnlySpan {
	var all tracetest.SpanStubs
	for _, name := range names {
		all = append(all, tracetest.SpanStub{Name: name, Resource: resource.Empty(), InstrumentationScope: instrumentation.Scope{Name: "test"}})
	}
	return all.Snapshots()
}

func newExporter(t *testing.T, o Options) *Exporter {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Shutdown(t.Context()) })
	return e
}
