package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/token"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// kit is a hub whose rooms ask a Verifier, under virtual time.
type kit struct {
	t      *testing.T
	ln     *wstest.Listener
	engine *ws.Engine
	log    *logbook
}

func newKit(t *testing.T, o token.Options) *kit {
	t.Helper()
	k := &kit{t, wstest.Listen(), ws.NewEngine(), &logbook{}}
	o.Logger, o.Leeway = k.log.logger(), -1
	v := newVerifier(t, o)
	hub := live.NewHub(&live.Options{Authenticate: v.Authenticate, Logger: k.log.logger(),
		Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{Engine: k.engine, PingInterval: -1}}})
	hub.ConfigureRooms("chat:*", live.RoomOptions{History: 10, CanJoin: v.CanJoin, CanPublish: v.CanPublish, CanWatch: v.CanWatch})
	served := make(chan error, 1)
	go func() { served <- hub.Serve(k.ln) }()
	t.Cleanup(func() {
		hub.Close()
		<-served
		synctest.Wait()
	})
	return k
}

func (k *kit) dialOptions() ws.DialOptions {
	return ws.DialOptions{NetDial: k.ln.DialContext, ConnOptions: ws.ConnOptions{Engine: k.engine, PingInterval: -1},
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
}

// peer is a client by hand.
type peer struct {
	t    *testing.T
	conn *ws.Conn
	last int
}

func (k *kit) dial(header http.Header) *peer {
	k.t.Helper()
	o := k.dialOptions()
	o.Header = header
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
	p := k.dial(nil)
	p.want("$ok", "$hello", "", fmt.Sprintf(`{"token":%q}`, raw))
	return p
}

func (p *peer) read() (m live.Message, err error) {
	ctx, done := context.WithTimeout(p.t.Context(), time.Hour)
	defer done()
	_, raw, err := p.conn.Read(ctx)
	if err != nil {
		return m, err
	}
	return protocol.JSON.Parse(raw, 64)
}

// want sends a message and wants an answer: "$ok", or "code: message" of an error.
func (p *peer) want(answer, typ, room, data string) {
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
		m, err := p.read()
		if err != nil {
			p.t.Fatalf("%s: %v", typ, err)
		}
		if m.Re != uint64(p.last) {
			continue
		}
		got := m.Type
		if got == "$error" {
			var e live.Error
			if err := protocol.JSON.Unmarshal(m.Data, &e); err != nil {
				p.t.Fatal(err)
			}
			got = e.Code + ": " + e.Message
		}
		if got != answer {
			p.t.Errorf("%s %s is answered with %q, want %q", typ, room, got, answer)
		}
		return
	}
}

// left waits for a $left, and returns its room and reason.
func (p *peer) left() string {
	p.t.Helper()
	for {
		m, err := p.read()
		if err != nil {
			p.t.Fatal(err)
		}
		if m.Type == "$left" {
			return m.Room + " " + string(m.Data)
		}
	}
}

const (
	refused = "unauthorized: the token was refused"
	noJoin  = "forbidden: not allowed to join chat:"
)

// TestRefusedAlike has every client told the same, whatever was wrong; the log says what, and has no token.
func TestRefusedAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, secrets())
		forged := must(ecdsa.GenerateKey(p256.Curve, rand.Reader))
		for _, tc := range []struct{ token, log string }{
			{hs(claims(m{"exp": time.Now().Unix() - 3600})), "token: expired"},
			{hs(claims(m{"iss": "them"})), "token: issuer"},
			{hs(claims(m{"sub": nil})), "token: claims: sub is missing"},
			{hs(claims(m{"sub": "a\n"})), "token: claims: sub is missing"},
			{hs(roomClaims(nil)), "token: use"},
			{es("1", forged), "token: algorithm"},
			{sign("HS256", secret[1:], m{"alg": "HS256"}, claims(nil)), "token: signature"},
			{"Tm90IGEgdG9rZW4gYXQgYWxs", "token: malformed"},
		} {
			p := k.dial(nil)
			p.want(refused, "$hello", "", fmt.Sprintf(`{"token":%q}`, tc.token))
			if !strings.Contains(k.log.String(), tc.log) {
				t.Errorf("the log has no %q", tc.log)
			}
			silent(t, k.log.String(), tc.token)
		}
		k.dial(nil).want(refused, "$hello", "", `{}`)
		bearer := hs(claims(nil))
		k.dial(http.Header{"Authorization": {"Bearer " + bearer}}).want("$ok", "$hello", "", `{}`)

		p := k.hello(hs(claims(nil)))
		for _, tc := range []struct{ token, log string }{
			{hs(roomClaims(m{"exp": time.Now().Unix() - 3600})), "token: expired"},
			{hs(roomClaims(m{"sub": "bob"})), "token: user"},
			{hs(roomClaims(m{"room": "chat:2"})), "token: room"},
			{hs(claims(nil)), "token: use"},
			{"Tm90IGEgdG9rZW4gYXQgYWxs", "token: malformed"},
		} {
			p.want(noJoin+"1", "$join", "chat:1", fmt.Sprintf(`{"token":%q}`, tc.token))
			if !strings.Contains(k.log.String(), `a room token was refused`) || !strings.Contains(k.log.String(), tc.log) {
				t.Errorf("the log has no %q", tc.log)
			}
			silent(t, k.log.String(), tc.token)
		}
	})
}

// TestRooms does what "rooms" says, and what it says anew after a $refresh.
func TestRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, secrets())
		with := func(grants ...m) string { return hs(claims(m{"rooms": grants})) }
		p := k.hello(with(m{"room": "chat:1", "can": []string{"join"}}, m{"room": "chat:2", "can": []string{"join", "publish"}}))
		p.want("$ok", "$join", "chat:1", `{}`)
		p.want("$ok", "$history", "chat:1", `{}`)
		p.want("$ok", "$join", "chat:2", `{}`)
		p.want(noJoin+"3", "$join", "chat:3", `{}`)
		p.want(noJoin+"3", "$history", "chat:3", `{}`)
		p.want(noJoin+"*", "$join", "chat:*", `{}`)
		p.want("$ok", "n", "chat:2", `1`)
		p.want("forbidden: not allowed to publish n to chat:1", "n", "chat:1", `1`)

		p.want("forbidden: a session does not change its user", "$refresh", "", fmt.Sprintf(`{"token":%q}`, hs(claims(m{"sub": "bob"}))))
		p.want(refused, "$refresh", "", `{"token":"forged"}`)
		p.want("$ok", "$refresh", "", fmt.Sprintf(`{"token":%q}`, with(m{"room": "chat:2", "can": []string{"publish", "watch"}}, m{"room": "chat:>", "can": []string{"watch"}})))
		p.want("$ok", "$join", "chat:*", `{}`)
		p.want("not-joined: the session is not in chat:2", "$leave", "chat:2", `{}`)
		p.want("$ok", "n", "chat:2", `1`) // who may only write writes from outside
	})
}

// TestRoomTokenExpiry ends what a room token allowed with it, and not before.
func TestRoomTokenExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, secrets())
		session := func() string {
			return hs(claims(m{"exp": time.Now().Add(24 * time.Hour).Unix(), "rooms": []m{{"room": "chat:0", "can": []string{"join"}}}}))
		}
		// A room token for that long.
		pass := func(d time.Duration, more m) string {
			c := roomClaims(m{"exp": time.Now().Add(d).Unix(), "can": []string{"join", "publish"}})
			for name, value := range more {
				c[name] = value
			}
			return fmt.Sprintf(`{"token":%q}`, hs(c))
		}
		p := k.hello(session())
		began := time.Now()
		p.want(noJoin+"1", "$join", "chat:1", `{}`)
		p.want("$ok", "$join", "chat:1", pass(time.Minute, nil))
		p.want("$ok", "n", "chat:1", `1`)
		p.want("forbidden: not allowed to publish n to chat:0", "n", "chat:0", `1`)
		p.want("$ok", "$refresh", "", fmt.Sprintf(`{"token":%q}`, session())) // it stays
		p.want("$ok", "n", "chat:1", `1`)
		p.want("$ok", "$leave", "chat:1", `{}`)
		p.want("$ok", "$join", "chat:1", `{}`) // it may come back without
		if got := p.left(); got != `chat:1 {"reason":"expired"}` || time.Since(began) != time.Minute {
			t.Errorf("%s after %v", got, time.Since(began))
		}
		p.want(noJoin+"1", "$join", "chat:1", `{}`)
		p.want("forbidden: not allowed to publish n to chat:1", "n", "chat:1", `1`)

		// The next token in time takes the place of the last one.
		began = time.Now()
		p.want("$ok", "$join", "chat:1", pass(time.Minute, nil))
		time.Sleep(50 * time.Second)
		p.want("$ok", "$join", "chat:1", pass(time.Minute, m{"can": []string{"join"}}))
		p.want("forbidden: not allowed to publish n to chat:1", "n", "chat:1", `1`)
		if got := p.left(); got != `chat:1 {"reason":"expired"}` || time.Since(began) != 110*time.Second {
			t.Errorf("%s after %v", got, time.Since(began))
		}

		// Where "rooms" lets the session in, it stays, and loses what the room token had beside that.
		p.want("$ok", "$join", "chat:0", pass(time.Minute, m{"room": "chat:0"}))
		p.want("$ok", "n", "chat:0", `1`)
		time.Sleep(2 * time.Minute)
		p.want("forbidden: not allowed to publish n to chat:0", "n", "chat:0", `1`)
		p.want("$ok", "$leave", "chat:0", `{}`)

		// A token to publish alone, for a session that is in the room by its claims, and for one that is not.
		p.want("$ok", "$join", "chat:0", pass(time.Minute, m{"room": "chat:0", "can": []string{"publish"}}))
		p.want(noJoin+"1", "$join", "chat:1", pass(time.Minute, m{"can": []string{"publish"}}))

		// Many room tokens: the ones that end first are forgotten.
		for n := range 300 {
			room := fmt.Sprint("chat:m", n)
			p.want("$ok", "$join", room, pass(time.Hour+time.Duration(n)*time.Second, m{"room": room}))
			p.want("$ok", "$leave", room, `{}`)
			time.Sleep(50 * time.Millisecond) // within live.Limits.Rate
		}
		p.want(noJoin+"m0", "$join", "chat:m0", `{}`)
		p.want("$ok", "$join", "chat:m299", `{}`)
	})
}

// TestClients has the Go client renew its tokens, and bring those for rooms.
func TestClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, secrets())
		var why []client.Reason
		c, err := client.Dial(t.Context(), "ws://hub/", &client.Options{DialOptions: k.dialOptions(),
			Token: func(_ context.Context, r client.Reason) (string, error) {
				why = append(why, r)
				return hs(claims(m{"exp": time.Now().Add(10 * time.Minute).Unix()})), nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		asked := 0
		room, err := c.Room("chat:1", &client.RoomOptions{Token: func(context.Context) (string, error) {
			asked++
			return hs(roomClaims(m{"exp": time.Now().Add(time.Hour).Unix()})), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := room.Join(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		if !slices.Equal(why, []client.Reason{"hello", "expiry", "expiry", "expiry"}) || asked != 1 {
			t.Errorf("asked for %v, and %d times for the room", why, asked)
		}
		time.Sleep(time.Hour)
		if err := room.Join(t.Context()); err != nil || asked != 2 {
			t.Errorf("the room again: %v, asked %d times", err, asked)
		}
	})
}
