package webhook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/token"
	"github.com/tidewire/tidewire/service/webhook"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type m = map[string]any

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

var everything = []webhook.Event{webhook.Connect, webhook.Join, webhook.Publish, webhook.Disconnect}

// app is an application, reached without a network.
type app struct {
	guard *webhook.Guard
	says  func(ctx context.Context, q m) (status int, body string)

	mu   sync.Mutex
	asks []m
	news chan m // what it was told of
}

func newApp(says func(ctx context.Context, q m) (int, string)) *app {
	return &app{guard: must(webhook.NewGuard(0, secret)), says: says, news: make(chan m, 1000)}
}

// RoundTrip is http.RoundTripper's.
func (a *app) RoundTrip(r *http.Request) (*http.Response, error) {
	body := must(io.ReadAll(r.Body))
	id, again, err := a.guard.Check(r.Header, body, time.Now())
	var q m
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	if err != nil || q["id"] != id || again != (q["attempt"] != 1.0) || r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" {
		return nil, fmt.Errorf("a bad request: %v %q %v", err, body, r.Header)
	}
	a.mu.Lock()
	a.asks = append(a.asks, q)
	a.mu.Unlock()
	status, text := a.says(r.Context(), q)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	if q["event"] == "disconnect" && status == 200 {
		a.news <- q
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// asked returns what was asked of an event.
func (a *app) asked(event string) (some []m) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.asks {
		if q["event"] == event {
			some = append(some, q)
		}
	}
	return some
}

// kind lets everybody in by the name that is their token, with all rights.
func kind(_ context.Context, q m) (int, string) {
	if q["event"] == "connect" {
		user, _ := q["token"].(string)
		return 200, fmt.Sprintf(`{"user":%q,"rooms":[{"room":">","can":["join","publish"]}]}`, user)
	}
	return 200, `{"allow":true}`
}

// logbook is a log that can be searched.
type logbook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// kit is a hub that asks an app, under virtual time.
type kit struct {
	t      *testing.T
	app    *app
	hook   *webhook.Webhook
	hub    *live.Hub
	log    *logbook
	ln     *wstest.Listener
	engine *ws.Engine
}

// open makes a kit; verifier is nil where the application alone says who somebody is.
func open(t *testing.T, o webhook.Options, a *app, verifier *token.Verifier) *kit {
	t.Helper()
	k := &kit{t: t, app: a, log: &logbook{}, ln: wstest.Listen(), engine: ws.NewEngine()}
	o.URL, o.Transport, o.Logger, o.Verifier = "https://app.example/hook?key=hidden", a, k.log.logger(), verifier
	if o.Secrets == nil {
		o.Secrets = []string{secret}
	}
	if o.Events == nil {
		o.Events = everything
	}
	var err error
	if k.hook, err = webhook.New(o); err != nil {
		t.Fatal(err)
	}
	var next func(context.Context, live.Credentials) (live.Identity, error)
	if verifier != nil {
		next = verifier.Authenticate
	}
	k.hub = live.NewHub(&live.Options{
		Authenticate: k.hook.Authenticate(next), Logger: k.log.logger(), Hooks: &live.Hooks{Disconnected: k.hook.Disconnected},
		Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{Engine: k.engine, PingInterval: -1}},
	})
	k.hub.ConfigureRooms("room:*", live.RoomOptions{History: 10, Presence: true, CanJoin: k.hook.CanJoin})
	live.OnPublish(k.hub, "room:*", k.hook.Publish)
	served := make(chan error, 1)
	go func() { served <- k.hub.Serve(k.ln) }()
	t.Cleanup(func() {
		k.hub.Close()
		<-served
		ctx, done := context.WithTimeout(context.Background(), time.Hour)
		defer done()
		if err := k.hook.Close(ctx); err != nil {
			t.Error(err)
		}
		for _, hidden := range []string{secret, "hidden", "sesame"} {
			if strings.Contains(k.log.String(), hidden) {
				t.Errorf("%q is in the log:\n%s", hidden, k.log)
			}
		}
		synctest.Wait()
	})
	return k
}

func (k *kit) dialOptions() ws.DialOptions {
	return ws.DialOptions{NetDial: k.ln.DialContext, ConnOptions: ws.ConnOptions{Engine: k.engine, PingInterval: -1},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
}

// client comes in by the Go client.
func (k *kit) client(user string, o client.Options) *client.Client {
	k.t.Helper()
	header := o.DialOptions.Header
	o.DialOptions = k.dialOptions()
	o.DialOptions.Header = header
	if o.Token == nil && user != "" {
		o.Token = func(context.Context, client.Reason) (string, error) { return user, nil }
	}
	c, err := client.Dial(k.t.Context(), "ws://hub/", &o)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// peer is a client by hand: nothing is repeated for it.
type peer struct {
	t    *testing.T
	conn *ws.Conn
	last int
}

func (k *kit) peer() *peer {
	k.t.Helper()
	o := k.dialOptions()
	c, _, err := ws.Dial(k.t.Context(), "ws://hub/", &o)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { c.CloseNow() })
	return &peer{t: k.t, conn: c}
}

// hello comes in with a token.
func (k *kit) hello(raw string) *peer {
	k.t.Helper()
	p := k.peer()
	p.want("$ok", "$hello", "", fmt.Sprintf(`{"token":%q}`, raw))
	return p
}

// want sends a message and wants an answer: "$ok", or "code: message" of an error, whose retryAfter it returns.
func (p *peer) want(answer, typ, room, data string) (retryAfter int64) {
	p.t.Helper()
	p.last++
	text := fmt.Sprintf(`{"type":%q,"id":%d,"data":%s}`, typ, p.last, data)
	if room != "" {
		text = fmt.Sprintf(`{"type":%q,"id":%d,"room":%q,"data":%s}`, typ, p.last, room, data)
	}
	if err := p.conn.Write(p.t.Context(), ws.Text, []byte(text)); err != nil {
		p.t.Fatal(err)
	}
	for {
		_, raw, err := p.conn.Read(p.t.Context())
		if err != nil {
			p.t.Fatalf("%s: %v", typ, err)
		}
		m, err := protocol.JSON.Parse(raw, 64)
		if err != nil || m.Re != uint64(p.last) {
			continue
		}
		got := m.Type
		var e live.Error
		if got == "$error" {
			if err := protocol.JSON.Unmarshal(m.Data, &e); err != nil {
				p.t.Fatal(err)
			}
			got = e.Error()
		}
		if got != answer {
			p.t.Errorf("%s %s is answered with %q, want %q", typ, room, got, answer)
		}
		return e.RetryAfter
	}
}

// newVerifier has one secret, and lets everybody join room:standing whose token says nothing about rooms.
func newVerifier(t *testing.T) *token.Verifier {
	t.Helper()
	v, err := token.New(token.Options{Keys: []token.Key{{Secret: []byte(secret)}}, NoExpiry: true, Logger: slog.New(slog.DiscardHandler),
		Rooms: []token.Grant{{Room: "room:standing", Can: []token.Permission{token.Join}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// sign makes a token for a user, who may join and publish to a room; "" says nothing about rooms.
func sign(user, room string) string {
	claims := m{"sub": user}
	if room != "" {
		claims["rooms"] = []m{{"room": room, "can": []string{"join", "publish"}}}
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(must(json.Marshal(claims)))
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

const down = "unavailable: the application does not answer"

// names returns the sorted names of a request's members.
func names(q m) (all []string) {
	for name := range q {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
