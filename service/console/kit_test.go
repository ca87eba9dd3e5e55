package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/console"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key      = "0123456789abcdef"
	otherKey = "fedcba9876543210"
	readKey  = "only-for-looking-1"
)

// office is a hub with its console, in memory.
type office struct {
	t       *testing.T
	hub     *live.Hub
	console *console.Console
	ln      *wstest.Listener
	engine  *ws.Engine
	log     *journal
}

// journal is what was logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// saidAddress believes whoever says where he is.
func saidAddress(r *ws.Request) netip.Addr {
	addr, _ := netip.ParseAddr(r.Header("X-Client"))
	return addr
}

// inOffice runs a test under virtual time, beside a hub and its console. change may change the console's options.
func inOffice(t *testing.T, change func(*console.Options), test func(t *testing.T, o *office)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, openOffice(t, change)) })
}

func openOffice(t *testing.T, change func(*console.Options)) *office {
	o := &office{t: t, ln: wstest.Listen(), engine: ws.NewEngine(), log: &journal{}}
	meter := &console.Meter{}
	log := slog.New(slog.NewTextHandler(o.log, nil))
	o.hub = live.NewHub(&live.Options{
		Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			return live.Identity{User: c.Token, Info: map[string]string{"name": "<b>" + c.Token}}, nil
		},
		Hooks:   meter.Hooks(nil),
		Address: saidAddress,
		Limits:  live.Limits{AddressSessions: -1},
		Logger:  slog.New(slog.DiscardHandler),
	})
	o.hub.ConfigureRooms("room:*", live.RoomOptions{History: 60, Presence: true})
	o.hub.ConfigureRooms("loose:*", live.RoomOptions{CanWatch: func(context.Context, *live.Session, string) error { return nil }})
	options := console.Options{
		Hub: o.hub, Keys: []string{key, otherKey}, ReadKeys: []string{readKey}, Meter: meter, Logger: log,
		Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{Engine: o.engine}},
	}
	if change != nil {
		change(&options)
	}
	var err error
	if o.console, err = console.New(options); err != nil {
		t.Fatal(err)
	}
	server := &ws.Server{
		HTTP:   http.NotFoundHandler(),
		Engine: o.engine,
		Logger: slog.New(slog.DiscardHandler),
		Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			switch r.Path() {
			case "/live":
				return o.hub.Accept(r)
			case "/console/live":
				return o.console.Accept(r)
			}
			return nil, nil, nil
		},
	}
	ctx, stop := context.WithCancel(context.Background())
	served, ran := make(chan error, 1), make(chan struct{})
	go func() { served <- server.Serve(o.ln) }()
	go func() { defer close(ran); o.console.Run(ctx) }()
	t.Cleanup(func() {
		o.hub.Close()
		o.console.Close()
		server.Close()
		<-served
		stop()
		<-ran
	})
	return o
}

// peer is a client that writes its JSON by hand.
type peer struct {
	t *testing.T
	c *ws.Conn
}

func (o *office) dial(path string, header http.Header) (*peer, int) {
	o.t.Helper()
	c, r, err := ws.Dial(o.t.Context(), "ws://office"+path, &ws.DialOptions{
		NetDial:     o.ln.DialContext,
		ConnOptions: ws.ConnOptions{Engine: o.engine},
		Header:      header,
		Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
	})
	status := 0
	if r != nil {
		status = r.StatusCode
	}
	if err != nil {
		return nil, status
	}
	o.t.Cleanup(func() { c.CloseNow() })
	return &peer{o.t, c}, status
}

// visit connects to the console with a key.
func (o *office) visit(key string) *peer {
	o.t.Helper()
	p, status := o.dial("/console/live", nil)
	if p == nil {
		o.t.Fatalf("no connection: %d", status)
	}
	p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, key)
	p.want(`{"type":"$ok","re":1}`)
	return p
}

// client connects to the hub as a user, and joins rooms.
func (o *office) client(user string, rooms ...string) *peer {
	o.t.Helper()
	p, _ := o.dial("/live", nil)
	p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, user)
	p.until("$ok")
	for _, room := range rooms {
		p.send(`{"type":"$join","id":2,"room":%q}`, room)
		p.until("$ok")
	}
	synctest.Wait() // the answer to a join goes out a moment before the room counts it
	return p
}

func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	if err := p.c.Write(context.Background(), ws.Text, fmt.Appendf(nil, format, args...)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) next() map[string]any {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour) // of virtual time
	defer cancel()
	_, raw, err := p.c.Read(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		p.t.Fatalf("%q: %v", raw, err)
	}
	return m
}

func (p *peer) until(types ...string) map[string]any {
	p.t.Helper()
	for {
		m := p.next()
		for _, typ := range types {
			if m["type"] == typ {
				return m
			}
		}
	}
}

// want is the next message, which must have all that this JSON has.
func (p *peer) want(text string) map[string]any {
	p.t.Helper()
	m := p.next()
	p.check(m, text)
	return m
}

func (p *peer) check(got any, text string) {
	p.t.Helper()
	var want any
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		p.t.Fatal(err)
	}
	if !holds(got, want) {
		p.t.Fatalf("got %v, want %s", got, text)
	}
}

// ask calls, and wants an answer that has all that this JSON has.
func (p *peer) ask(typ, data, answer string) map[string]any {
	p.t.Helper()
	p.send(`{"type":%q,"id":9,"data":%s}`, typ, data)
	m := p.until("$ok", "$error")
	got, _ := m["data"].(map[string]any)
	p.check(got, answer)
	return got
}

// holds reports whether got has everything that want has; lists have the same length.
func holds(got, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for name, value := range want {
			ok = ok && holds(g[name], value)
		}
		return ok
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			return false
		}
		for i := range want {
			ok = ok && holds(g[i], want[i])
		}
		return ok
	}
	return fmt.Sprint(got) == fmt.Sprint(want)
}

// closed reads until the connection ends, and returns how.
func (p *peer) closed() ws.StatusCode {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for {
		if _, _, err := p.c.Read(ctx); err != nil {
			return ws.CloseStatus(err)
		}
	}
}
