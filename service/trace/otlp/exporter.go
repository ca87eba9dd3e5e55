// Package otlp sends OpenTelemetry spans to a collector as OTLP/JSON over HTTP (opentelemetry-proto 1.x, "OTLP/HTTP", POST /v1/traces). It is for binaries
// that should stay small: OpenTelemetry's own exporter, otlptracehttp, brings protobuf and gRPC along. Collectors take JSON where they take
// OTLP over HTTP at all.
//
//	exporter, err := otlp.New(otlp.FromEnvironment())
//	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
//	defer provider.Shutdown(ctx)
package otlp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Options configures an Exporter. The zero value of each field but Endpoint is its default.
type Options struct {
	// Endpoint is the URL that spans are posted to, http or https, with its path, which is /v1/traces for most collectors.
	Endpoint string

	// Header is sent with each post: an Authorization, most often. It is in no error.
	Header http.Header

	// Timeout bounds what is done for one batch, with all its attempts. 0 means 10 s.
	Timeout time.Duration

	// MaxBody is how many bytes a post has at most; what has more is sent in several, and a span that has more alone is dropped, with an error. 0 means 4 MiB.
	MaxBody int

	// Transport makes the connections. nil means one of its own, with proxies as the environment says.
	Transport http.RoundTripper

	backoff time.Duration // before the second attempt, in tests; 0 means a second
}

// Exporter is an sdktrace.SpanExporter. It holds nothing between calls and has no goroutine. It is safe for concurrent use, and its user's batches are the bound of what waits: see
// sdktrace.WithBatcher, which keeps 2048 spans and drops what comes beside them.
type Exporter struct {
	set    Options
	client *http.Client

	ended context.Context // by Shutdown
	end   context.CancelFunc
	once  sync.Once
}

// errEnded is what an export after Shutdown returns.
var errEnded = errors.New("otlp: the exporter was shut down")

// New returns an Exporter, or says what is wrong with the endpoint. It connects to nothing yet.
func New(o Options) (*Exporter, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("otlp: the endpoint must be a URL, http or https, with a host")
	}
	if u.User != nil {
		return nil, errors.New("otlp: the endpoint has a user or a password in it: use a header")
	}
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.MaxBody = cmp.Or(o.MaxBody, 4<<20)
	o.backoff = cmp.Or(o.backoff, time.Second)
	o.Header = o.Header.Clone()
	if o.Transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConnsPerHost, own.IdleConnTimeout = 1, 30*time.Second
		o.Transport = own
	}
	e := &Exporter{set: o, client: &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the header is for this host
	}}
	e.ended, e.end = context.WithCancel(context.Background())
	return e, nil
}

// ExportSpans sends a batch. It returns when the collector has it, or when it has not and will not: after Options.Timeout, or when ctx or the Exporter ends. What a
// collector is too busy for (429, 502, 503, 504) or does not answer is sent again, after 1 s, 2 s, 4 s and so on, or what the collector asks for.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if e.ended.Err() != nil {
		return errEnded
	}
	if len(spans) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.set.Timeout)
	defer cancel()
	defer context.AfterFunc(e.ended, cancel)()
	return e.send(ctx, spans)
}

// send sends spans in as many posts as are needed.
func (e *Exporter) send(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	body, err := encode(spans)
	if err != nil {
		return fmt.Errorf("otlp: %w", err)
	}
	if len(body) <= e.set.MaxBody {
		return e.deliver(ctx, body)
	}
	if len(spans) == 1 {
		return fmt.Errorf("otlp: a span of %d bytes was dropped; %d are the most", len(body), e.set.MaxBody)
	}
	half := len(spans) / 2
	return errors.Join(e.send(ctx, spans[:half]), e.send(ctx, spans[half:]))
}

// deliver posts a body until it is taken or there is no hope.
func (e *Exporter) deliver(ctx context.Context, body []byte) error {
	for wait := e.set.backoff; ; wait *= 2 {
		err := e.post(ctx, body)
		var again *retryable
		if !errors.As(err, &again) {
			return err
		}
		pause := max(wait, again.after)
		if at, bounded := ctx.Deadline(); bounded && time.Until(at) < pause {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// post posts a body once.
func (e *Exporter) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.set.Endpoint, bytes.NewReader(body))
	if err != nil {
		return errors.New("otlp: the request cannot be made")
	}
	for name, values := range e.set.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		var at *url.Error // it has the whole URL, and there may be a key in that
		if errors.As(err, &at) {
			err = at.Err
		}
		err = fmt.Errorf("otlp: %s does not answer: %w", req.URL.Host, err)
		if ctx.Err() != nil {
			return err
		}
		return &retryable{err, 0}
	}
	defer resp.Body.Close()
	return judge(req.URL.Host, resp)
}

// Shutdown ends the Exporter: what is under way is given up. It always returns nil.
func (e *Exporter) Shutdown(context.Context) error {
	e.once.Do(func() {
		e.end()
		e.client.CloseIdleConnections()
	})
	return nil
}
