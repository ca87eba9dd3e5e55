//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// logBuffer collects what a Logger says.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestHTTPHandlerClosesAsItsFunctionReturns(t *testing.T) {
	for name, c := range map[string]struct {
		f    func(ctx context.Context, c *ws.Conn) error
		code ws.StatusCode
		log  string // part of it; "" for silence
	}{
		"nil":        {func(context.Context, *ws.Conn) error { return nil }, 1000, ""},
		"error":      {func(context.Context, *ws.Conn) error { return errors.New("database is gone") }, 1011, "database is gone"},
		"CloseError": {func(context.Context, *ws.Conn) error { return &ws.CloseError{By: ws.Peer, Code: 1001} }, 1011, ""},
		"panic":      {func(context.Context, *ws.Conn) error { panic("oh no") }, 1011, "TestHTTPHandlerClosesAsItsFunctionReturns"},
		"Goexit":     {func(context.Context, *ws.Conn) error { runtime.Goexit(); return nil }, 1011, ""},
		"own close": {func(_ context.Context, c *ws.Conn) error {
			return c.Close(4000, "mine")
		}, 4000, ""},
	} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			var log logBuffer
			s := httptest.NewServer(ws.HTTPHandler(c.f, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{Logger: log.logger()}}))
			defer s.Close()
			conn, _, err := ws.Dial(testContext(t), s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = conn.Read(testContext(t))
			if got := ws.CloseStatus(err); got != c.code {
				t.Errorf("closed with %v", err)
			}
			if strings.Contains(err.Error(), "database") {
				t.Errorf("the peer is told %v", err)
			}
			if got := log.String(); (got == "") != (c.log == "") || !strings.Contains(got, c.log) {
				t.Errorf("logged %q", got)
			}
			conn.CloseNow()
		})
	}
}

type contextKey struct{}

func TestHTTPHandlerContext(t *testing.T) {
	leakCheck(t)
	type result struct {
		value, server any
		early, cause  error
		derived       error
		deadline      bool
	}
	results := make(chan result, 1)
	returned := make(chan struct{})
	h := ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
		<-returned // net/http has ended the request's own context by then
		r := result{value: ctx.Value(contextKey{}), server: ctx.Value(http.ServerContextKey), early: ctx.Err()}
		_, r.deadline = ctx.Deadline()
		derived, cancel := context.WithCancel(ctx)
		defer cancel()
		go c.Read(ctx) // somebody has to notice
		<-derived.Done()
		<-ctx.Done()
		r.cause, r.derived = context.Cause(ctx), context.Cause(derived)
		results <- r
		return ctx.Err()
	}, nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), contextKey{}, "value"))
		h.ServeHTTP(w, r.WithContext(ctx))
		cancel()
		close(returned)
	}))
	defer s.Close()
	c, _, err := ws.Dial(testContext(t), s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-returned
	c.Close(4001, "bye")
	r := <-results
	if r.value != "value" || r.server == nil || r.early != nil || r.deadline {
		t.Errorf("context: %+v", r)
	}
	for _, err := range []error{r.cause, r.derived} {
		var ce *ws.CloseError
		if !errors.As(err, &ce) || ce.Code != 4001 || ce.By != ws.Peer {
			t.Errorf("cause %v", err)
		}
	}
}

// The x/net tutorial's server, in our words.
func TestHTTPHandlerTutorial(t *testing.T) {
	leakCheck(t)
	mux := http.NewServeMux()
	mux.Handle("/socket", ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
		for {
			var m struct{ Message string }
			if err := ws.JSON.Receive(ctx, c, &m); err != nil {
				return err
			}
			if err := ws.JSON.Send(ctx, c, map[string]string{"message": m.Message}); err != nil {
				return err
			}
		}
	}, nil))
	s := httptest.NewServer(mux)
	defer s.Close()
	c, _, err := ws.Dial(testContext(t), s.URL+"/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, c, ws.Text, []byte(`{"message":"hello"}`))
	if _, p := mustRead(t, c); strings.TrimSpace(string(p)) != `{"message":"hello"}` {
		t.Errorf("read %q", p)
	}
	if err := c.Close(ws.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	resp, err := http.Get(s.URL + "/socket")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 426 || !strings.Contains(string(body), "WebSocket endpoint") {
		t.Errorf("a plain GET: %s, %q", resp.Status, body)
	}
	http.DefaultClient.CloseIdleConnections()
}
