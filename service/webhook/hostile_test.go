package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/webhook"
)

// asker makes a Webhook for a server, over a real network, and returns what asks it who somebody is.
func asker(t *testing.T, url string, o webhook.Options) (ask func() error, book *logbook, w *webhook.Webhook) {
	t.Helper()
	book = &logbook{}
	o.URL, o.Secrets, o.Events, o.Logger = url+"/hook?key=hidden", []string{secret}, everything[:1], book.logger()
	w, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(context.Background()) })
	authenticate := w.Authenticate(nil)
	return func() error {
		_, err := authenticate(t.Context(), live.Credentials{Token: "sesame", RemoteAddr: "192.0.2.1:1", Header: http.Header{"Cookie": {"sesame"}}})
		return err
	}, book, w
}

// TestHostileAnswers has an application gone mad. Each is as good as none, within bounds, and the log says why without repeating it.
func TestHostileAnswers(t *testing.T) {
	var elsewhere atomic.Int64
	jsonType := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") }
	for _, tc := range []struct {
		name   string
		handle http.HandlerFunc
		log    string
	}{
		{"huge", func(w http.ResponseWriter, r *http.Request) {
			jsonType(w)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("bodytext", 1<<10)); err != nil {
					return
				}
			}
		}, "too large"},
		{"slow drip", func(w http.ResponseWriter, r *http.Request) {
			jsonType(w)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
		}, "time-out"},
		{"no end of a head", func(w http.ResponseWriter, r *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			defer c.Close()
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := io.WriteString(c, "X-A: "+strings.Repeat("bodytext", 1<<10)+"\r\n"); err != nil {
					return
				}
			}
		}, "no answer"},
		{"no HTTP", func(w http.ResponseWriter, r *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			io.WriteString(c, "bodytext bodytext bodytext\r\n\r\n")
			c.Close()
		}, "no answer"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/hook" {
				elsewhere.Add(1)
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "status 3xx"},
		{"wrong type", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"user":"ann"}`) }, "Content-Type"},
		{"packed", func(w http.ResponseWriter, r *http.Request) { // nobody has asked for that
			jsonType(w)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(bytes.Repeat([]byte(" "), 8<<20))
			z.Close()
		}, "not understood"},
		{"deep", func(w http.ResponseWriter, r *http.Request) {
			jsonType(w)
			io.WriteString(w, `{"info":`+strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000)+"}")
		}, "not understood"},
		{"teapot", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "bodytext", http.StatusTeapot) }, "status 4xx"},
		{"broken", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "no answer"},
		{"cut", func(w http.ResponseWriter, r *http.Request) {
			jsonType(w)
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"user":"ann"}`)
		}, "no answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(tc.handle)
			defer s.Close()
			o := webhook.Options{Timeout: 20 * time.Second}
			if tc.log == "time-out" {
				o.Timeout = 300 * time.Millisecond
			}
			ask, log, _ := asker(t, s.URL, o)
			var e *live.Error
			if err := ask(); !errors.As(err, &e) || e.Code != "unavailable" {
				t.Errorf("the client is told %v", err)
			}
			if text := log.String(); !strings.Contains(text, tc.log) {
				t.Errorf("the log has no %q:\n%s", tc.log, text)
			}
			silent(t, log)
		})
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// silent fails where the log repeats what is nobody's concern.
func silent(t *testing.T, log *logbook) {
	t.Helper()
	for _, hidden := range []string{"hidden", "sesame", "bodytext", secret[6:]} {
		if strings.Contains(log.String(), hidden) {
			t.Errorf("%q is in the log:\n%s", hidden, log)
		}
	}
}

// TestNobodyThere has no server, one with a certificate of its own, and one without TLS.
func TestNobodyThere(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	ln.Close()
	for url, reason := range map[string]string{s.URL: "certificate", "http://" + ln.Addr().String(): "connection refused", "https" + strings.TrimPrefix(plain.URL, "http"): "no answer"} {
		ask, log, _ := asker(t, url, webhook.Options{})
		var e *live.Error
		if err := ask(); !errors.As(err, &e) || e.Code != "unavailable" || e.RetryAfter < 1000 {
			t.Errorf("%s: %v", reason, err)
		}
		if !strings.Contains(log.String(), reason) {
			t.Errorf("the log has no %q:\n%s", reason, log)
		}
		silent(t, log)
	}
}

// TestConnections bounds those to the application, and uses them again.
func TestConnections(t *testing.T) {
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, `{"user":"ann"}`)
	}))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		conns[c] = true
	}
	s.Start()
	defer s.Close()
	ask, _, w := asker(t, s.URL, webhook.Options{UnderWay: 4, Timeout: time.Minute})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 20 {
				var e *live.Error
				if err := ask(); err != nil && !errors.As(err, &e) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := ask(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if c := w.Stats().Connect; len(conns) > 4+4 || c.Asked != 321 || c.Failed != c.Skipped || c.Skipped > 320 {
		t.Errorf("%d connections, %+v", len(conns), c)
	}
}

// TestInjection has names that would end a header, a string or a line arrive as they are.
func TestInjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(kind)
		k := open(t, webhook.Options{}, a, nil)
		user, room := `a", "user":"root é<!--`, `room:","allow"=true}<script%0d%0aü`
		quote := func(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }
		p := k.peer()
		p.want("$ok", "$hello", "", `{"token":"x"}`)
		a.says = func(ctx context.Context, q m) (int, string) {
			if q["event"] == "connect" {
				return 200, `{"user":"` + quote(user) + `"}`
			}
			return kind(ctx, q)
		}
		p = k.peer()
		p.want("$ok", "$hello", "", `{"token":"x"}`)
		p.want("$ok", "$join", room, `{"token":"\"},{"}`)
		if q := a.asked("join")[0]; q["user"] != user || q["room"] != room || q["token"] != `"},{` {
			t.Errorf("asked %v", q)
		}
		p.want("$ok", "text", room, `"\r\nX: y\u0000"`)
		if q := a.asked("publish")[0]; q["data"] != "\r\nX: y\x00" {
			t.Errorf("asked %v", q)
		}
		a.says = func(context.Context, m) (int, string) { return 200, `{"user":"a\r\nX-Evil: 1"}` }
		k.peer().want(down, "$hello", "", `{"token":"x"}`)
	})
}

// TestOptions has what makes no sense refused, and nothing secret repeated.
func TestOptions(t *testing.T) {
	good := func() webhook.Options {
		return webhook.Options{URL: "https://app.example/hook?key=hidden", Secrets: []string{secret}, Events: everything}
	}
	for name, change := range map[string]func(o *webhook.Options){
		"no URL":          func(o *webhook.Options) { o.URL = "" },
		"http":            func(o *webhook.Options) { o.URL = "http://app.example/hidden" },
		"http to a name":  func(o *webhook.Options) { o.URL = "http://localhost.example/hidden" },
		"password":        func(o *webhook.Options) { o.URL = "https://ann:hidden@app.example/" },
		"another scheme":  func(o *webhook.Options) { o.URL, o.AllowHTTP = "file:///etc/hidden", true },
		"no secret":       func(o *webhook.Options) { o.Secrets = nil },
		"no event":        func(o *webhook.Options) { o.Events = nil },
		"unknown event":   func(o *webhook.Options) { o.Events = []webhook.Event{"dance"} },
		"bad header":      func(o *webhook.Options) { o.Headers = []string{"Cookie\r\nX"} },
		"empty header":    func(o *webhook.Options) { o.Headers = []string{""} },
		"many headers":    func(o *webhook.Options) { o.Headers = strings.Split(strings.Repeat("a ", 33), " ") },
		"negative":        func(o *webhook.Options) { o.Timeout = -1 },
		"negative queue":  func(o *webhook.Options) { o.Queue = -1 },
		"negative bound":  func(o *webhook.Options) { o.UnderWay = -1 },
		"no such policy":  func(o *webhook.Options) { o.WhenDown = 9 },
		"URL with spaces": func(o *webhook.Options) { o.URL = "https://app .example/hidden" },
	} {
		o := good()
		change(&o)
		if _, err := webhook.New(o); err == nil || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/", "http://[::1]/", "http://localhost/", "https://app.example/"} {
		o := good()
		o.URL = url
		w, err := webhook.New(o)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		w.Close(context.Background())
	}
	o := good()
	o.URL, o.AllowHTTP = "http://app.internal/", true
	must(webhook.New(o)).Close(context.Background())
}
