package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/tunnel"
	"github.com/tidewire/tidewire/ws/wstest"
)

// kit is a hub under virtual time, and clients that speak the protocol by hand.
type kit struct {
	t      *testing.T
	hub    *live.Hub
	ln     *wstest.Listener
	engine *ws.Engine
	mu     sync.Mutex
	opens  []*peer
}

// bubble runs f under virtual time. What it began must have ended when it returns.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// newKit serves a hub until the test ends. setup configures it.
func newKit(t *testing.T, o *live.Options, setup func(h *live.Hub)) *kit {
	t.Helper()
	ln := wstest.Listen()
	k := newKitOn(t, ln, o, setup)
	k.ln = ln
	return k
}

// newKitOn is newKit on a listener of any kind, which dial does not know.
func newKitOn(t *testing.T, ln net.Listener, o *live.Options, setup func(h *live.Hub)) *kit {
	t.Helper()
	set := live.Options{}
	if o != nil {
		set = *o
	}
	k := &kit{t: t, engine: ws.NewEngine()}
	set.Accept.Engine = k.engine
	set.Accept.AnyOrigin = true
	if set.Logger == nil {
		set.Logger = quiet
	}
	set.Accept.Logger = set.Logger
	k.hub = live.NewHub(&set)
	if setup != nil {
		setup(k.hub)
	}
	served := make(chan error, 1)
	go func() { served <- k.hub.Serve(ln) }()
	t.Cleanup(func() {
		for _, p := range k.opens {
			p.conn.CloseNow()
		}
		k.hub.Close()
		<-served
		for end := time.Now().Add(5 * time.Second); k.hub.Rooms() > 0 && time.Now().Before(end); { // a join may be under way
			time.Sleep(time.Millisecond)
		}
		if n := k.hub.Rooms(); n != 0 {
			t.Errorf("%d rooms are left", n)
		}
	})
	return k
}

// peer is a client by hand.
type peer struct {
	t    *testing.T
	conn *ws.Conn
}

func (k *kit) dial(protocols ...string) *peer {
	k.t.Helper()
	return k.dialBy(k.ln.DialContext, protocols...)
}

// dialTunnel is dial without a WebSocket: through HTTP posts.
func (k *kit) dialTunnel(protocols ...string) *peer {
	k.t.Helper()
	transport := &http.Transport{DialContext: k.ln.DialContext}
	k.t.Cleanup(transport.CloseIdleConnections)
	return k.dialBy(tunnel.Dialer{URL: "http://hub/", Client: &http.Client{Transport: transport}}.DialContext, protocols...)
}

func (k *kit) dialBy(way func(ctx context.Context, network, addr string) (net.Conn, error), protocols ...string) *peer {
	k.t.Helper()
	c, _, err := ws.Dial(k.t.Context(), "ws://hub/", &ws.DialOptions{
		Subprotocols: protocols,
		NetDial:      way,
		ConnOptions:  ws.ConnOptions{Engine: k.engine},
		Proxy:        noProxy,
	})
	if err != nil {
		k.t.Fatal(err)
	}
	p := &peer{t: k.t, conn: c}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.opens = append(k.opens, p)
	return p
}

// send sends a line of JSON as it is.
func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), ws.Text, fmt.Appendf(nil, format, args...)); err != nil {
		p.t.Fatal(err)
	}
}

// read returns the next message.
func (p *peer) read() live.Message {
	p.t.Helper()
	ctx, done := context.WithTimeout(p.t.Context(), time.Hour)
	defer done()
	_, raw, err := p.conn.Read(ctx)
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	m, err := protocol.JSON.Parse(raw, 64)
	if err != nil {
		p.t.Fatalf("%s: %v", raw, err)
	}
	return m
}

// want reads a message and compares it with JSON: what that has must be there.
func (p *peer) want(text string) live.Message {
	p.t.Helper()
	m := p.read()
	raw, err := protocol.JSON.Append(nil, &m)
	if err != nil {
		p.t.Fatal(err)
	}
	var got, want any
	json.Unmarshal(raw, &got)
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		p.t.Fatal(err)
	}
	if !holds(got, want) {
		p.t.Fatalf("got %s, want %s", raw, text)
	}
	return m
}

// holds reports whether got has everything that want has.
func holds(got, want any) bool {
	if w, ok := want.(map[string]any); ok {
		g, ok := got.(map[string]any)
		for k, v := range w {
			if !ok || !holds(g[k], v) {
				return false
			}
		}
		return true
	}
	return fmt.Sprint(got) == fmt.Sprint(want)
}

// silent makes sure that nothing comes.
func (p *peer) silent() {
	p.t.Helper()
	ctx, done := context.WithTimeout(p.t.Context(), time.Second)
	defer done()
	if _, raw, err := p.conn.Read(ctx); err == nil {
		p.t.Fatalf("unexpected: %s", raw)
	}
}

// closed reads until the connection has ended, and returns how.
func (p *peer) closed() ws.StatusCode {
	p.t.Helper()
	ctx, done := context.WithTimeout(p.t.Context(), time.Hour)
	defer done()
	for {
		if _, _, err := p.conn.Read(ctx); err != nil {
			return ws.CloseStatus(err)
		}
	}
}

// join joins and reads the reply and, where nothing is to come before it, $live.
func (p *peer) join(room string) {
	p.t.Helper()
	p.send(`{"type":"$join","id":99,"room":%q}`, room)
	p.want(fmt.Sprintf(`{"type":"$ok","re":99,"room":%q}`, room))
	p.want(fmt.Sprintf(`{"type":"$live","room":%q}`, room))
}

func long(n int) string { return strings.Repeat("x", n) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
