//go:build !js

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits, in virtual time, for what must come.
const patience = 2 * time.Hour

// A server is a hub whose lines are spoken by the test.
type server struct {
	t      *testing.T
	l      *wstest.Listener
	engine *ws.Engine
	peers  chan *peer

	mu    sync.Mutex
	dials []time.Time // when a client connected
	down  bool
	all   []*peer
}

// run runs f in a bubble, with a server.
func run(t *testing.T, f func(t *testing.T, s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, l: wstest.Listen(), engine: ws.NewEngine(), peers: make(chan *peer, 10_000)}
		go s.accept()
		t.Cleanup(func() {
			s.l.Close()
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, p := range s.all {
				p.conn.CloseNow()
			}
		})
		f(t, s)
	})
}

func (s *server) accept() {
	for {
		nc, err := s.l.Accept()
		if err != nil {
			return
		}
		conn, err := ws.Upgrade(nc, &ws.UpgradeOptions{
			ConnOptions: ws.ConnOptions{Engine: s.engine}, Subprotocols: protocol.Subprotocols,
		})
		if err != nil {
			s.t.Errorf("upgrade: %v", err)
			return
		}
		p := &peer{t: s.t, conn: conn, in: make(chan protocol.Message, 10_000), closed: make(chan error, 1)}
		p.codec, _ = protocol.CodecOf(conn.Subprotocol())
		s.mu.Lock()
		s.all = append(s.all, p)
		s.mu.Unlock()
		go p.read()
		s.peers <- p
	}
}

// dial is the NetDial of clients.
func (s *server) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	s.dials = append(s.dials, time.Now())
	down := s.down
	s.mu.Unlock()
	if down {
		return nil, errors.New("the cable is out")
	}
	return s.l.DialContext(ctx, network, addr)
}

// options are o, or new ones, for a client of this server.
func (s *server) options(o *client.Options) *client.Options {
	if o == nil {
		o = &client.Options{}
	}
	o.NetDial, o.Engine = s.dial, s.engine
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}

// connect opens a client that the server welcomes. The client is closed when the test ends.
func (s *server) connect(o *client.Options) (*client.Client, *peer) {
	s.t.Helper()
	c := s.lazy(o)
	p := s.next()
	p.welcome()
	synctest.Wait()
	return c, p
}

// lazy opens a client without waiting for the server.
func (s *server) lazy(o *client.Options) *client.Client {
	s.t.Helper()
	o = s.options(o)
	o.Lazy = true
	c, err := client.Dial(s.t.Context(), "ws://localhost/live", o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 0)
		defer cancel()
		c.Close(ctx)
	})
	return c
}

// next waits for the next connection.
func (s *server) next() *peer {
	s.t.Helper()
	select {
	case p := <-s.peers:
		return p
	case <-time.After(patience):
		s.t.Fatal("no connection came")
		return nil
	}
}

// A peer is the server's end of one connection.
type peer struct {
	t      *testing.T
	conn   *ws.Conn
	codec  protocol.Codec
	in     chan protocol.Message
	closed chan error
	hello  protocol.Message
}

func (p *peer) read() {
	for {
		_, b, err := p.conn.Read(context.Background())
		if err != nil {
			p.closed <- err
			close(p.in)
			return
		}
		m, err := p.codec.Parse(b, 0)
		if err != nil {
			p.t.Errorf("the client sent %s: %v", b, err)
			continue
		}
		p.in <- m
	}
}

// expect waits for the next message, which must have that type.
func (p *peer) expect(typ string) protocol.Message {
	p.t.Helper()
	select {
	case m, ok := <-p.in:
		if !ok {
			p.t.Fatalf("the connection ended, want %s", typ)
		}
		if m.Type != typ {
			p.t.Fatalf("the client sent %s %s, want %s", m.Type, m.Data, typ)
		}
		return m
	case <-time.After(patience):
		p.t.Fatalf("the client sent nothing, want %s", typ)
	}
	panic("unreachable")
}

// quiet checks that the client has sent nothing.
func (p *peer) quiet() {
	p.t.Helper()
	synctest.Wait()
	select {
	case m, ok := <-p.in:
		if ok {
			p.t.Fatalf("the client sent %s %s", m.Type, m.Data)
		}
	default:
	}
}

// send sends a message that is given as JSON.
func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	m, err := protocol.JSON.Parse(fmt.Appendf(nil, format, args...), 0)
	if err != nil {
		p.t.Fatalf(format+": %v", append(args, err)...)
	}
	b, err := p.codec.Append(nil, &m)
	if err != nil {
		p.t.Fatal(err)
	}
	typ := ws.Text
	if p.codec == protocol.CBOR {
		typ = ws.Binary
	}
	p.conn.Write(context.Background(), typ, b) // what does not arrive is missed by the test
}

const welcome = `"session":"s1","user":"ann","dedupe":120000,"backoff":[500,20000]`

// welcome answers $hello.
func (p *peer) welcome() { p.t.Helper(); p.welcomeWith(welcome) }

func (p *peer) welcomeWith(data string) {
	p.t.Helper()
	p.hello = p.expect("$hello")
	p.send(`{"type":"$ok","re":%d,"data":{%s}}`, p.hello.ID, data)
}

// helloData is what $hello said.
func (p *peer) helloData() (h protocol.Hello) {
	p.t.Helper()
	if err := p.codec.Unmarshal(p.hello.Data, &h); err != nil {
		p.t.Fatal(err)
	}
	return h
}

// joined answers a $join of a room, from that position on.
func (p *peer) joined(seq int) protocol.Message {
	p.t.Helper()
	m := p.expect("$join")
	p.send(`{"type":"$ok","re":%d,"room":%q,"pos":{"epoch":"k3","seq":%d},"data":{"recovered":%t,"head":%d}}`,
		m.ID, m.Room, seq, !m.Pos.IsZero(), seq)
	p.send(`{"type":"$live","room":%q,"pos":{"epoch":"k3","seq":%d}}`, m.Room, seq)
	return m
}

// chat sends a message of a room.
func (p *peer) chat(room string, prev, seq int) {
	p.t.Helper()
	p.send(`{"type":"chat","room":%q,"prev":%d,"pos":{"seq":%d},"mid":"m%d","from":"bob","data":%d}`, room, prev, seq, seq, seq)
}

// ok acknowledges a publish.
func (p *peer) ok(m protocol.Message, seq int) {
	p.t.Helper()
	p.send(`{"type":"$ok","re":%d,"room":%q,"pos":{"epoch":"k3","seq":%d,"mid":%q}}`, m.ID, m.Room, seq, m.Mid)
}

func (p *peer) fail(m protocol.Message, code string, retryable bool, after int) {
	p.t.Helper()
	p.send(`{"type":"$error","re":%d,"data":{"code":%q,"retryable":%t,"retryAfter":%d}}`, m.ID, code, retryable, after)
}

// cut ends the connection without a word.
func (p *peer) cut() { wstest.Stream(p.conn).Reset() }

// A log gathers what callbacks say.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// take returns the lines so far, once everything has come to rest, and forgets them.
func (l *log) take() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, _ := json.Marshal(l.lines)
	l.lines = nil
	return string(b)
}

func (l *log) want(t *testing.T, lines ...string) {
	t.Helper()
	if lines == nil {
		lines = []string(nil)
	}
	b, _ := json.Marshal(lines)
	if got := l.take(); got != string(b) {
		t.Fatalf("got  %s\nwant %s", got, b)
	}
}

// room makes a handle whose callbacks write to a log.
func room(t *testing.T, c *client.Client, name string, o *client.RoomOptions) (*client.Room, *log) {
	t.Helper()
	r, err := c.Room(name, o)
	if err != nil {
		t.Fatal(err)
	}
	l := &log{}
	client.OnMessage(r, "chat", func(_ context.Context, v any, m client.Meta) { l.add("%v", v) })
	r.OnGap(func(_ context.Context, g client.Gap) { l.add("gap %d-%d %s", g.After, g.Position.Seq, g.Reason) })
	r.OnLive(func(context.Context) { l.add("live") })
	r.OnLeft(func(_ context.Context, err error) { l.add("left %v", err) })
	return r, l
}

// join joins while the server answers.
func join(t *testing.T, r *client.Room, p *peer, seq int) protocol.Message {
	t.Helper()
	done := result(func() error { return r.Join(t.Context()) })
	m := p.joined(seq)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // $live comes behind the answer, and a cut would lose it
	return m
}

// result runs f on a goroutine of its own.
func result(f func() error) chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	synctest.Wait()
	return done
}

// send publishes on a goroutine of its own.
func send(t *testing.T, r *client.Room, v any) chan error {
	return result(func() error {
		_, err := r.Send(t.Context(), "chat", v)
		return err
	})
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want code %s", err, code)
	}
}
