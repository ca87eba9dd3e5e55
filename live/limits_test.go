package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// Each limit has a client that goes past it and is told which; another one in the same
// room does not notice.
func TestLimits(t *testing.T) {
	free := make(chan bool)
	for _, tc := range []struct {
		name  string
		set   live.Limits
		f     func(a *peer)
		reply string        // what the client is told at last
		code  ws.StatusCode // how it is closed, if it is
	}{
		{name: "Depth", set: live.Limits{Depth: 4}, f: func(a *peer) { a.send(`{"type":"n","id":1,"data":[[[[]]]]}`) },
			reply: `{"type":"$error","re":1,"data":{"code":"invalid"}}`},
		{name: "a name", f: func(a *peer) { a.send(`{"type":"n","id":1,"room":"%s"}`, long(200)) },
			reply: `{"type":"$error","re":1,"data":{"code":"too-large"}}`},
		{name: "MaxMessage", f: func(a *peer) { a.send(`{"type":"n","data":"%s"}`, long(70_000)) }, code: ws.StatusMessageTooBig},
		{name: "Rooms", set: live.Limits{Rooms: 1}, f: func(a *peer) { a.send(`{"type":"$join","id":1,"room":"room:2"}`) },
			reply: `{"type":"$error","re":1,"data":{"code":"limit"}}`},
		{name: "joins in $hello", f: func(a *peer) {
			a.send(`{"type":"$hello","id":1,"data":{"join":[%s]}}`, strings.TrimSuffix(strings.Repeat(`{"room":"room:1"},`, 51), ","))
		}, reply: `{"type":"$error","re":1,"data":{"code":"invalid"}}`},
		{name: "Rate", set: live.Limits{Rate: 1, Burst: 3}, f: func(a *peer) {
			a.send(`{"type":"$ping","id":1}`)
			a.want(`{"type":"$ok"}`)
			a.send(`{"type":"$ping","id":2}`)
			a.want(`{"type":"$ok"}`)
			a.send(`{"type":"$ping","id":3}`)
		}, reply: `{"type":"$error","re":3,"data":{"code":"rate","retryable":true,"retryAfter":1001}}`},
		{name: "Inbox", set: live.Limits{Inbox: 2}, f: func(a *peer) {
			for i := range 4 {
				a.send(`{"type":"block","id":%d}`, i+1)
				synctest.Wait()
			}
		}, reply: `{"type":"$error","re":4,"data":{"code":"busy","retryAfter":200}}`},
		{name: "InboxBytes", set: live.Limits{InboxBytes: 1000}, f: func(a *peer) {
			a.send(`{"type":"block","id":1}`)
			synctest.Wait()
			a.send(`{"type":"n","id":2,"data":"%s"}`, long(2000))
		}, reply: `{"type":"$error","re":2,"data":{"code":"busy"}}`},
		{name: "Calls", set: live.Limits{Calls: 1}, f: func(a *peer) {
			a.send(`{"type":"twice","id":1}`)
			a.want(`{"type":"q"}`)
		}, reply: `{"type":"$error","re":1,"data":{"code":"limit"}}`},
		{name: "Faults", set: live.Limits{Faults: 3}, f: func(a *peer) {
			for range 4 {
				a.send(`[]`)
			}
		}, code: ws.StatusPolicyViolation},
		{name: "ReplyBytes", f: func(a *peer) {
			a.send(`{"type":"much","id":1}`)
			synctest.Wait() // the client reads nothing meanwhile
		}, code: ws.StatusTryAgainLater},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				free = make(chan bool)
				k := newKit(t, &live.Options{Limits: tc.set}, func(h *live.Hub) {
					h.ConfigureRooms("room:*", live.RoomOptions{History: 5})
					live.On(h, "block", func(ctx context.Context, _ *live.Session, _ any) error { <-free; return nil })
					live.Handle(h, "twice", func(ctx context.Context, s *live.Session, _ any) (any, error) {
						go live.Call[any, any](ctx, s, "q", nil)
						synctest.Wait()
						_, err := live.Call[any, any](ctx, s, "q", nil)
						return nil, err
					})
					live.On(h, "much", func(ctx context.Context, s *live.Session, _ any) error {
						for range 5000 {
							if s.Send(ctx, "n", long(1000)) != nil {
								return nil
							}
						}
						return errors.New("5 MB were queued")
					})
				})
				a, other := k.dial(), k.dial()
				a.join("room:1")
				other.join("room:1")
				tc.f(a)
				if tc.code != 0 {
					if code := a.closed(); code != tc.code {
						t.Errorf("closed with %d", code)
					}
				} else {
					a.want(tc.reply)
				}
				k.hub.Room("room:1").Publish(t.Context(), "n", 1)
				other.want(`{"type":"n"}`)
				close(free)
			})
		})
	}
}

// The bounds of a room hold for all who are there, on one node.
func TestLimitsOfRooms(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			h.ConfigureRooms("narrow:*", live.RoomOptions{MaxMembers: 2, Rate: 2, Burst: 3, History: 10})
		})
		a, b, c := k.dial(), k.dial(), k.dial()
		a.join("narrow:1")
		b.join("narrow:1")
		a.join("narrow:1") // once more is not one more
		c.send(`{"type":"$join","id":1,"room":"narrow:1"}`)
		c.want(`{"type":"$error","re":1,"data":{"code":"limit"}}`)
		c.join("narrow:2")
		for i, who := range []*peer{a, b, a, b} {
			who.send(`{"type":"n","id":%d,"room":"narrow:1","data":%d}`, i+1, i+1)
			synctest.Wait()
		}
		for who, want := range map[*peer]string{a: "$ok $ok n n n", b: "$error $ok n n n"} { // a reply may come before what it is for, or after
			var types []string
			for range 5 {
				m := who.read()
				types = append(types, m.Type)
				if m.Type == "$error" && (m.Re != 4 || !strings.Contains(string(m.Data), `"code":"rate"`)) {
					t.Errorf("%s", m.Data)
				}
			}
			slices.Sort(types)
			if got := strings.Join(types, " "); got != want {
				t.Errorf("came %s, want %s", got, want)
			}
		}
		if _, err := k.hub.Room("narrow:1").Publish(t.Context(), "n", 4); err != nil { // it is for clients
			t.Error(err)
		}
		b.want(`{"type":"n","data":4}`)
		time.Sleep(time.Second / 2)
		b.send(`{"type":"n","id":5,"room":"narrow:1","data":5}`)
		a.want(`{"type":"n","data":4}`)
		a.want(`{"type":"n","data":5}`)
		b.conn.CloseNow() // there is room again
		synctest.Wait()
		c.join("narrow:1")
	})
}

// A user's bounds hold for all its sessions together, and a stranger has none.
func TestLimitsOfUsers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{
			Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
				return live.Identity{User: c.Token}, nil
			},
			Limits: live.Limits{UserSessions: 2, UserRate: 1, UserBurst: 2},
		}, nil)
		hello := func(user string) *peer {
			p := k.dial()
			p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, user)
			return p
		}
		var ann []*peer
		for range 2 {
			p := hello("ann")
			p.want(`{"type":"$ok","data":{"user":"ann"}}`)
			ann = append(ann, p)
		}
		third := hello("ann")
		third.want(`{"type":"$error","re":1,"data":{"code":"limit","retryable":true,"retryAfter":5000}}`)
		hello("bob").want(`{"type":"$ok","data":{"user":"bob"}}`)
		for range 3 {
			hello("").want(`{"type":"$ok"}`)
		}
		ann[0].send(`{"type":"$ping","id":2}`)
		ann[0].want(`{"type":"$ok","re":2}`)
		ann[1].send(`{"type":"$ping","id":2}`)
		ann[1].want(`{"type":"$ok","re":2}`)
		ann[1].send(`{"type":"$ping","id":3}`)
		ann[1].want(`{"type":"$error","re":3,"data":{"code":"rate"}}`)
		time.Sleep(time.Second)
		ann[0].send(`{"type":"$ping","id":4}`)
		ann[0].want(`{"type":"$ok","re":4}`)
		ann[0].conn.CloseNow()
		synctest.Wait()
		third.send(`{"type":"$refresh","id":5,"data":{"token":"ann"}}`)
		third.want(`{"type":"$error","re":5,"data":{"code":"unauthorized"}}`) // its $hello did not come to anything
		hello("ann").want(`{"type":"$ok","data":{"user":"ann"}}`)
	})
}

// The bounds of an address and of the hub are refused in the handshake.
func TestLimitsOfSessions(t *testing.T) {
	for _, tc := range []struct {
		name   string
		set    live.Limits
		status int
	}{
		{"AddressSessions", live.Limits{AddressSessions: 1}, http.StatusTooManyRequests},
		{"Sessions", live.Limits{Sessions: 1}, http.StatusServiceUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				k := newKit(t, &live.Options{Limits: tc.set}, nil)
				a := k.dial()
				synctest.Wait()
				_, resp, err := ws.Dial(t.Context(), "ws://hub/", &ws.DialOptions{NetDial: k.ln.DialContext, Proxy: noProxy, ConnOptions: ws.ConnOptions{Engine: k.engine}})
				if err == nil || resp.StatusCode != tc.status {
					t.Errorf("got %v, %v", resp, err)
				}
				a.conn.CloseNow()
				synctest.Wait()
				k.dial().send(`{"type":"$ping"}`)
			})
		})
	}
}

// The rate of an address is that of all its sessions, and of no other one's.
func TestAddressRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := byte(0)
		o := &live.Options{Limits: live.Limits{AddressRate: 1, AddressBurst: 2}, Address: func(r *ws.Request) netip.Addr {
			n++
			return netip.AddrFrom4([4]byte{10, 0, 0, n / 3})
		}}
		k := newKit(t, o, nil)
		a, b, c := k.dial(), k.dial(), k.dial() // 0, 0, 1
		a.send(`{"type":"$ping","id":1}`)
		a.want(`{"type":"$ok"}`)
		b.send(`{"type":"$ping","id":1}`)
		b.want(`{"type":"$ok"}`)
		b.send(`{"type":"$ping","id":2}`)
		b.want(`{"type":"$error","data":{"code":"rate"}}`)
		c.send(`{"type":"$ping","id":1}`)
		c.want(`{"type":"$ok"}`)
	})
}

// What else a session and a room can do for the application.
func TestApplication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var trace bytes.Buffer
		sessions := make(chan *live.Session, 2)
		o := &live.Options{Hooks: &live.Hooks{
			Connected:    func(s *live.Session) { sessions <- s },
			Disconnected: func(_ *live.Session, err error) { fmt.Fprint(&trace, "gone;") },
			Message: func(ctx context.Context, _ *live.Session, m *live.Message) (context.Context, func(error)) {
				fmt.Fprint(&trace, m.Type, "(")
				return ctx, func(err error) { fmt.Fprint(&trace, err, ");") }
			},
		}}
		k := newKit(t, o, func(h *live.Hub) {
			rooms(live.RoomOptions{History: 5})(h)
			for _, name := range []string{"outer", "inner"} {
				h.Use(func(next live.Handler) live.Handler {
					return func(ctx context.Context, r *live.Request) (any, error) {
						fmt.Fprint(&trace, name, " ")
						return next(ctx, r)
					}
				})
			}
			live.OnPublish(h, "room:*", func(_ context.Context, p *live.Publication[string]) error {
				if p.Data == "" {
					return &live.Error{Code: "app.empty"}
				}
				p.Answer, p.Data = len(p.Data), strings.ToUpper(p.Data)
				return nil
			}, "say")
		})
		a := k.dial()
		s := <-sessions
		if err := s.Join(t.Context(), "room:1"); err != nil {
			t.Fatal(err)
		}
		a.want(`{"type":"$ok","room":"room:1"}`)
		a.want(`{"type":"$live"}`)
		if got := s.Rooms(); fmt.Sprint(got) != "[room:1]" {
			t.Errorf("in %v", got)
		}
		a.send(`{"type":"say","id":1,"room":"room:1","data":""}`)
		a.want(`{"type":"$error","re":1,"data":{"code":"app.empty"}}`)
		a.send(`{"type":"say","id":2,"room":"room:1","data":"hi"}`)
		for range 2 {
			if m := a.read(); m.Type == "say" && string(m.Data) != `"HI"` || m.Re == 2 && string(m.Data) != "2" {
				t.Errorf("got %s %s", m.Type, m.Data)
			}
		}
		synctest.Wait()
		if got, want := trace.String(), "say(outer inner app.empty);say(outer inner <nil>);"; got != want {
			t.Errorf("traced %s", got)
		}
		k.hub.Room("room:1").Publish(t.Context(), "n", 1, live.WithFrom("bot"), live.Volatile())
		if m := a.want(`{"type":"n","from":"bot","volatile":true}`); !m.Pos.IsZero() {
			t.Error("a volatile message has a position")
		}
		for name, opt := range map[string]live.PublishOption{"user": live.WithFrom("a\nb"), "key": live.WithKey(long(65)), "mid": live.WithID(long(65))} {
			if _, err := k.hub.Room("room:1").Publish(t.Context(), "n", 1, opt); err == nil || !strings.Contains(err.Error(), ": "+name+" ") {
				t.Errorf("a bad %s was published, or blamed on another name: %v", name, err)
			}
		}
		if !s.Leave("room:1", "enough") || s.Leave("room:1", "enough") {
			t.Error("Leave")
		}
		a.want(`{"type":"$left","room":"room:1","data":{"reason":"enough"}}`)
		s.Send(t.Context(), "hint", 7)
		a.want(`{"type":"hint","data":7}`)
		a.send(`{"type":"$hello","id":3,"data":{"ping":5000}}`)
		a.want(`{"type":"$ok","re":3}`)
		for range 3 {
			start := time.Now()
			a.want(`{"type":"$ping"}`)
			if d := time.Since(start); d != 5*time.Second {
				t.Errorf("a ping after %v", d)
			}
		}
		s.Close("bye")
		if code := a.closed(); code != 4403 {
			t.Errorf("closed with %d", code)
		}
		synctest.Wait()
		if !strings.HasSuffix(trace.String(), "gone;") {
			t.Errorf("traced %s", trace.String())
		}
	})
}
