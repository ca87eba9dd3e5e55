package gallery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/gallery"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/tunnel"
	"github.com/tidewire/tidewire/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long, in virtual time, a test waits for what must come.
const patience = time.Hour

// hall is a gallery in memory.
type hall struct {
	*gallery.Gallery
	t      *testing.T
	ln     *wstest.Listener
	engine *ws.Engine
}

// inHall runs a test under virtual time, beside a gallery. What that began must have ended when the test is over.
func inHall(t *testing.T, test func(t *testing.T, h *hall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, openHall(t, nil)) })
}

// openHall opens a gallery until the test ends.
func openHall(t *testing.T, broker live.Broker) *hall {
	log := slog.New(slog.DiscardHandler)
	h := &hall{gallery.New(gallery.Options{Broker: broker, Logger: log}), t, wstest.Listen(), ws.NewEngine()}
	server := &ws.Server{Accept: h.Hub.Accept, HTTP: h.Hub, Engine: h.engine, Logger: log}
	ctx, stop := context.WithCancel(context.Background())
	served, ran := make(chan error, 1), make(chan struct{})
	go func() { served <- server.Serve(h.ln) }()
	go func() { defer close(ran); h.Run(ctx) }()
	t.Cleanup(func() {
		h.Hub.Close()
		server.Close()
		<-served
		stop()
		<-ran
	})
	return h
}

// visitor is a client that writes its JSON by hand.
type visitor struct {
	t *testing.T
	c *ws.Conn
}

func (h *hall) options() *ws.DialOptions {
	return &ws.DialOptions{
		NetDial:     h.ln.DialContext,
		ConnOptions: ws.ConnOptions{Engine: h.engine},
		Proxy:       func(*http.Request) (*url.URL, error) { return nil, nil },
	}
}

func (h *hall) dial(o *ws.DialOptions) (*visitor, int, error) {
	c, r, err := ws.Dial(h.t.Context(), "ws://gallery/live", o)
	status := 0
	if r != nil {
		status = r.StatusCode
	}
	if err != nil {
		return nil, status, err
	}
	h.t.Cleanup(func() { c.CloseNow() })
	return &visitor{h.t, c}, status, nil
}

// visit connects, and says $hello with a token.
func (h *hall) visit(token string) *visitor {
	h.t.Helper()
	v, _, err := h.dial(h.options())
	if err != nil {
		h.t.Fatal(err)
	}
	v.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, token)
	v.want(`{"type":"$ok","re":1}`)
	return v
}

// join joins a room, from its beginning on.
func (v *visitor) join(room string) {
	v.t.Helper()
	v.send(`{"type":"$join","id":2,"room":%q,"data":{"last":200}}`, room)
	v.want(`{"type":"$ok","re":2}`)
}

func (v *visitor) send(format string, args ...any) {
	v.t.Helper()
	if err := v.c.Write(context.Background(), ws.Text, fmt.Appendf(nil, format, args...)); err != nil {
		v.t.Fatal(err)
	}
}

// next is the next message.
func (v *visitor) next() map[string]any {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, p, err := v.c.Read(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(p, &m); err != nil {
		v.t.Fatalf("%q: %v", p, err)
	}
	return m
}

// until is the next message of that type.
func (v *visitor) until(typ string) map[string]any {
	v.t.Helper()
	for {
		if m := v.next(); m["type"] == typ {
			return m
		}
	}
}

// want is the next message, which must have all that this JSON has.
func (v *visitor) want(text string, args ...any) map[string]any {
	v.t.Helper()
	var want any
	if err := json.Unmarshal(fmt.Appendf(nil, text, args...), &want); err != nil {
		v.t.Fatal(err)
	}
	m := v.next()
	if !holds(m, want) {
		v.t.Fatalf("got %v, want %v", m, want)
	}
	return m
}

// refused sends a message, which must be refused with that code, and returns why.
func (v *visitor) refused(code, message string, args ...any) string {
	v.t.Helper()
	v.send(message, args...)
	m := v.until("$error")
	data := m["data"].(map[string]any)
	if data["code"] != code {
		v.t.Fatalf("%.80s: %v, want %s", fmt.Sprintf(message, args...), data, code)
	}
	return data["message"].(string)
}

// holds reports whether got has everything that want has.
func holds(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return fmt.Sprint(got) == fmt.Sprint(want)
	}
	g, ok := got.(map[string]any)
	for name, value := range w {
		ok = ok && holds(g[name], value)
	}
	return ok
}

// ended reads until the connection ends, and returns how.
func (v *visitor) ended() ws.StatusCode {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := v.c.Read(ctx); err != nil {
			return ws.CloseStatus(err)
		}
	}
}

// A guest's name is its token, percent-encoded, and everybody sees it.
func TestNames(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		for _, tc := range []struct{ token, name string }{
			{"", "Somebody"},
			{"%20%20", "Somebody"},
			{"Ada", "Ada"},
			{"%20Ada%20", "Ada"},
			{"Gr%C3%A4fin%20%F0%9F%8C%8A", "Gräfin 🌊"},
			{"%3Cimg%20src%3Dx%20onerror%3Dhit()%3E", "<img src=x onerror=hit()>"},
			{"a+b%3A", "a+b:"},
			{"Ada:secret", "Ada"},
			{":secret", "Somebody"},
			{strings.Repeat("%F0%9F%8C%8A", 32), strings.Repeat("🌊", 32)},
			{strings.Repeat("%F0%9F%8C%8A", 33), ""},
			{strings.Repeat("x", 8000), ""},
			{"%FF", ""},
			{"Ada%ED%A0%80", ""}, // half a surrogate pair
			{"%", ""},
			{"%zz", ""},
			{"Ada%00", ""},
			{"A%0Ada", ""},
		} {
			if tc.name == "" {
				v, _, err := h.dial(h.options())
				if err != nil {
					t.Fatal(err)
				}
				if why := v.refused("guest.name", `{"type":"$hello","id":1,"data":{"token":%q}}`, tc.token); !strings.Contains(why, "32 characters") {
					t.Errorf("%.40s: %s", tc.token, why)
				}
				continue
			}
			v := h.visit(tc.token)
			v.join("chat:names")
			v.until("$live")
			v.send(`{"type":"typing","room":"chat:names"}`)
			if got := v.until("typing")["data"].(map[string]any)["name"]; got != tc.name {
				t.Errorf("%.40s: the name is %q, want %q", tc.token, got, tc.name)
			}
			v.c.CloseNow()
		}
	})
}

// Who brings the same secret is the same user, whatever the name is. Who brings none is a stranger.
func TestUsers(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		user := func(token string) string {
			v, _, err := h.dial(h.options())
			if err != nil {
				t.Fatal(err)
			}
			v.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, token)
			user, _ := v.next()["data"].(map[string]any)["user"].(string)
			return user
		}
		ada := user("Ada:12345")
		if ada == "" || strings.Contains(ada, "12345") || user("Grace:12345") != ada {
			t.Errorf("user %q", ada)
		}
		for _, token := range []string{"Ada:12346", "Ada:" + ada, "Ada:12345:", "Ada"} {
			if user(token) == ada {
				t.Errorf("%s is Ada", token)
			}
		}
		if user("Ada") != "" || user("Ada:") != "" {
			t.Error("a stranger has a user")
		}
	})
}

// What no guest may do, whatever room it is in.
func TestRefusals(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		v := h.visit("Ada")
		for _, tc := range []struct{ code, message string }{
			{"no-room", `"type":"$join","room":"elsewhere"`},
			{"no-room", `"type":"$join","room":"chat"`},
			{"no-room", `"type":"$join","room":"chat:a:b"`},
			{"no-room", `"type":"chat","room":"room:lobby","data":{"text":"x"}`},
			{"no-room", `"type":"$history","room":"elsewhere"`},
			{"forbidden", `"type":"$join","room":"chat:*"`},
			{"no-room", `"type":"$join","room":">"`},
			{"invalid", `"type":"chat","room":"chat:*","data":{"text":"x"}`},
			{"not-joined", `"type":"$presence","room":"chat:lobby"`},
			{"unknown-type", `"type":"shout","data":7`},
			{"invalid", `"type":"$hello"`},
			{"invalid", `"type":"$refresh","data":7`},
		} {
			v.refused(tc.code, `{%s,"id":7}`, tc.message)
		}
		// Another name takes another session.
		v.send(`{"type":"$refresh","id":8,"data":{"token":"Eve:secret"}}`)
		v.want(`{"type":"$error","re":8,"data":{"code":"forbidden"}}`)
		v.send(`{"type":%q}`, strings.Repeat("x", 16<<10))
		if got := v.ended(); got != ws.StatusMessageTooBig {
			t.Errorf("closed with %d, want 1009", got)
		}
	})
}

// Past the rate messages are refused, one by one and with a word; later they are taken again; and who goes on and
// on is sent away. Others do not notice.
func TestRate(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		v, other := h.visit("Ada"), h.visit("Grace")
		other.join("chat:lobby")
		other.until("$live")
		say := func() string {
			v.send(`{"type":"chat","id":7,"room":"chat:lobby","data":{"text":"x"}}`)
			m := v.next()
			if m["type"] == "$ok" {
				other.until("chat")
				return ""
			}
			return m["data"].(map[string]any)["code"].(string)
		}
		n := 1 // $hello was one
		for ; n < 300 && say() == ""; n++ {
		}
		if n != 200 {
			t.Errorf("%d messages were taken at once", n)
		}
		time.Sleep(time.Second)
		for n = 0; n < 100 && say() == ""; n++ {
		}
		if n != 60 {
			t.Errorf("%d messages were taken a second later", n)
		}
		for range 200 {
			v.c.Write(context.Background(), ws.Text, []byte(`{"type":"chat","room":"chat:lobby","data":{"text":"x"}}`))
		}
		if got := v.ended(); got != ws.StatusPolicyViolation {
			t.Errorf("closed with %d, want 1008", got)
		}
		other.send(`{"type":"$ping","id":9}`)
		other.want(`{"type":"$ok","re":9}`)
	})
}

// A thousand guests are let in, through either door, and no more.
func TestSessionsAreBounded(t *testing.T) {
	was := *gallery.MaxGuests
	*gallery.MaxGuests = 100
	defer func() { *gallery.MaxGuests = was }()
	inHall(t, func(t *testing.T, h *hall) {
		var last *visitor
		for range 100 {
			v, _, err := h.dial(h.options())
			if err != nil {
				t.Fatal(err)
			}
			last = v
		}
		synctest.Wait()
		for _, o := range []*ws.DialOptions{h.options(), h.tunnel()} {
			if _, status, err := h.dial(o); err == nil || status != http.StatusServiceUnavailable {
				t.Errorf("one more: %d, %v", status, err)
			}
		}
		last.c.CloseNow()
		synctest.Wait()
		h.visit("Next")
	})
}

// tunnel dials without a WebSocket.
func (h *hall) tunnel() *ws.DialOptions {
	transport := &http.Transport{DialContext: h.ln.DialContext}
	h.t.Cleanup(transport.CloseIdleConnections)
	o := h.options()
	o.NetDial = tunnel.Dialer{URL: "http://gallery/live", Client: &http.Client{Transport: transport}}.DialContext
	return o
}

// Pages of other sites stay outside, whichever door they try.
func TestOrigin(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		for name, way := range map[string]func() *ws.DialOptions{"WebSocket": h.options, "posts": h.tunnel} {
			for _, tc := range []struct {
				origin string
				status int
			}{
				{"http://gallery", http.StatusSwitchingProtocols},
				{"https://elsewhere.example", http.StatusForbidden},
				{"http://gallery.elsewhere.example", http.StatusForbidden},
				{"null", http.StatusForbidden},
			} {
				o := way()
				o.Header = http.Header{"Origin": {tc.origin}}
				if _, status, err := h.dial(o); status != tc.status {
					t.Errorf("%s from %s: %d, %v; want %d", name, tc.origin, status, err, tc.status)
				}
			}
		}
	})
}
