package live_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

func rooms(o live.RoomOptions) func(*live.Hub) {
	return func(h *live.Hub) { h.ConfigureRooms("room:*", o) }
}

// A stranger with a bare console publishes, and a member hears it.
func TestBareConsole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 10}))
		a, b := k.dial(), k.dial(protocol.JSON.Subprotocol())
		a.join("room:7")
		b.send(`{"type":"chat","room":"room:7","data":"hi"}`)
		a.want(`{"type":"chat","room":"room:7","data":"hi","pos":{"seq":1}}`)
		b.silent()
		b.send(`{"type":"chat","id":1,"room":"other","data":"hi"}`)
		b.want(`{"type":"$error","re":1,"data":{"code":"no-room"}}`)
	})
}

type sumRequest []int

// Handlers in both directions; a handler that calls its own session.
func TestCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			live.Handle(h, "sum", func(_ context.Context, _ *live.Session, n sumRequest) (int, error) {
				total := 0
				for _, x := range n {
					total += x
				}
				return total, nil
			})
			live.Handle(h, "sure", func(ctx context.Context, s *live.Session, what string) (string, error) {
				return live.Call[string, string](ctx, s, "confirm", what+"?")
			})
			live.On(h, "fail", func(context.Context, *live.Session, any) error { return errors.New("secret") })
			live.On(h, "panic", func(context.Context, *live.Session, any) error { panic("boom") })
		})
		a := k.dial()
		a.send(`{"type":"sum","id":1,"data":[1,2,3]}`)
		a.want(`{"type":"$ok","re":1,"data":6}`)
		a.send(`{"type":"sum","id":2,"data":"x"}`)
		a.want(`{"type":"$error","re":2,"data":{"code":"invalid"}}`)
		a.send(`{"type":"sure","id":3,"data":"really"}`)
		q := a.want(`{"type":"confirm","data":"really?"}`)
		a.send(`{"type":"$ok","re":%d,"data":"yes"}`, q.ID)
		a.want(`{"type":"$ok","re":3,"data":"yes"}`)
		a.send(`{"type":"nothing","id":4}`)
		a.want(`{"type":"$error","re":4,"data":{"code":"unknown-type"}}`)
		a.send(`{"type":"$nothing","id":5}`)
		a.want(`{"type":"$error","re":5,"data":{"code":"unknown-type"}}`)
		a.send(`{"type":`)
		a.want(`{"type":"$error","data":{"code":"invalid"}}`)
		a.send(`{"type":"fail","id":6}`)
		if m := a.want(`{"type":"$error","re":6,"data":{"code":"internal"}}`); string(m.Data) == "secret" {
			t.Error("the client sees what failed")
		}
		a.send(`{"type":"panic","id":7}`)
		if code := a.closed(); code != ws.StatusInternalError || k.hub.Panics() != 1 {
			t.Errorf("closed with %d, %d panics", code, k.hub.Panics())
		}
	})
}

// Tokens: refused, missing, expiring, refreshed, of another user.
func TestIdentities(t *testing.T) {
	lost := false
	auth := func(_ context.Context, c live.Credentials) (live.Identity, error) {
		if c.Token == "" {
			return live.Identity{}, errors.New("no token")
		}
		return live.Identity{User: c.Token[:3], Expires: time.Now().Add(time.Minute)}, nil
	}
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: auth}, rooms(live.RoomOptions{History: 10, CanJoin: func(_ context.Context, s *live.Session, room, _ string) error {
			if lost && room == "room:2" {
				return errors.New("no more")
			}
			return nil
		}}))
		if code := k.dial().closed(); code != protocol.StatusUnauthorized {
			t.Errorf("a silent stranger was closed with %d", code)
		}
		a := k.dial()
		a.send(`{"type":"$join","id":1,"room":"room:1"}`)
		a.want(`{"type":"$error","re":1,"data":{"code":"unauthorized"}}`)
		a.send(`{"type":"$hello","id":2,"data":{"token":"ann1","join":[{"room":"room:1"},{"room":"nowhere"},{"room":"room:2"}]}}`)
		a.want(`{"type":"$ok","re":2,"data":{"user":"ann","ttl":60000}}`)
		seen := map[string]int{}
		for range 5 {
			seen[a.read().Type]++
		}
		if seen["$ok"] != 2 || seen["$live"] != 2 || seen["$error"] != 1 {
			t.Fatalf("joins in $hello were answered with %v", seen)
		}
		time.Sleep(50 * time.Second)
		lost = true
		a.send(`{"type":"$refresh","id":3,"data":{"token":"bob1"}}`)
		a.want(`{"type":"$error","re":3,"data":{"code":"forbidden"}}`)
		a.send(`{"type":"$refresh","id":4,"data":{"token":"ann2"}}`)
		a.want(`{"type":"$left","room":"room:2","data":{"reason":"forbidden"}}`)
		a.want(`{"type":"$ok","re":4,"data":{"user":"ann","ttl":60000}}`)
		time.Sleep(65 * time.Second)
		a.send(`{"type":"n","id":5,"room":"room:1"}`)
		a.want(`{"type":"$error","re":5,"data":{"code":"expired"}}`)
		k.hub.Room("room:1").Publish(t.Context(), "still", nil)
		a.want(`{"type":"still"}`)
		a.send(`{"type":"$refresh","id":6,"data":{"token":"ann3"}}`)
		a.want(`{"type":"$ok","re":6}`)
		a.send(`{"type":"n","id":7,"room":"room:1"}`)
		for range 2 { // in either order
			if m := a.read(); m.Type != "$ok" && m.From != "ann" {
				t.Fatalf("got %v", m)
			}
		}
		if code := a.closed(); code != protocol.StatusUnauthorized {
			t.Errorf("closed with %d", code)
		}
	})
}

// Users are addressed on all nodes; a removed member gets nothing more.
func TestUsers(t *testing.T) {
	auth := func(_ context.Context, c live.Credentials) (live.Identity, error) {
		return live.Identity{User: c.Token}, nil
	}
	bubble(t, func(t *testing.T) {
		b := live.NewMemory(nil)
		defer b.Close()
		one := newKit(t, &live.Options{Broker: b, Authenticate: auth}, rooms(live.RoomOptions{}))
		two := newKit(t, &live.Options{Broker: b, Authenticate: auth}, rooms(live.RoomOptions{}))
		a := two.dial()
		a.send(`{"type":"$hello","data":{"token":"ann"}}`)
		a.join("room:1")
		one.hub.User("ann").Send(t.Context(), "mail", 7)
		a.want(`{"type":"mail","data":7}`)
		if err := one.hub.User("ann").Send(t.Context(), "$drain", nil); err == nil {
			t.Error("the application has sent what belongs to the protocol")
		}
		one.hub.Room("room:1").Publish(t.Context(), "n", 1)
		a.want(`{"type":"n"}`)
		one.hub.Room("room:1").Remove(t.Context(), "ann")
		a.want(`{"type":"$left","room":"room:1","data":{"reason":"removed"}}`)
		one.hub.Room("room:1").Publish(t.Context(), "n", 2)
		a.silent()
		one.hub.User("ann").Disconnect(t.Context(), "enough")
		if code := a.closed(); code != protocol.StatusSentAway {
			t.Errorf("closed with %d", code)
		}
	})
}

// Who is in a room and watches it gets a message once; watching needs permission.
func TestWildcards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			h.ConfigureRooms("room:*", live.RoomOptions{History: 10, CanWatch: func(context.Context, *live.Session, string) error { return nil }})
			h.ConfigureRooms("closed:*", live.RoomOptions{})
		})
		a := k.dial()
		a.send(`{"type":"$join","id":1,"room":"closed:*"}`)
		a.want(`{"type":"$error","re":1,"data":{"code":"forbidden"}}`)
		a.join("room:*")
		a.join("room:7")
		for _, room := range []string{"room:7", "room:8", "room:7"} {
			k.hub.Room(room).Publish(t.Context(), "n", room)
			a.want(fmt.Sprintf(`{"type":"n","room":%q}`, room))
		}
		a.send(`{"type":"$leave","id":2,"room":"room:7"}`)
		a.want(`{"type":"$ok","re":2}`)
		k.hub.Room("room:7").Publish(t.Context(), "n", "watched")
		if m := a.want(`{"type":"n","data":"watched"}`); !m.Pos.IsZero() {
			t.Error("a watcher was told a position")
		}
		a.silent()
	})
}

// Shutdown closes sessions one after the other over its window.
func TestShutdownSpreadsTheClosing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{DrainWindow: 10 * time.Second}, rooms(live.RoomOptions{}))
		const n = 20
		ended := make(chan time.Duration, n)
		start := time.Now()
		for range n {
			p := k.dial()
			go func() {
				for {
					_, _, err := p.conn.Read(t.Context())
					if err != nil {
						if ws.CloseStatus(err) != ws.StatusServiceRestart {
							t.Errorf("closed with %v", err)
						}
						ended <- time.Since(start)
						return
					}
				}
			}()
		}
		synctest.Wait()
		if err := k.hub.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if at, want := <-ended, time.Duration(i)*10*time.Second/n; at < want || at > want+time.Second {
				t.Errorf("session %d was closed after %v, want %v", i, at, want)
			}
		}
	})
}

// Floods are answered, and closed in the end; others do not notice.
func TestFloods(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{}))
		a, b := k.dial(), k.dial()
		for range 150 {
			a.conn.Write(t.Context(), ws.Text, []byte(`{"type":"$nonsense"}`))
		}
		if code := a.closed(); code != ws.StatusPolicyViolation {
			t.Errorf("closed with %d", code)
		}
		b.join("room:1")
	})
}

// A session that joins and leaves a thousand rooms leaves nothing behind.
func TestJoinAndLeaveOften(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Limits: live.Limits{Rate: -1, Burst: -1}}, rooms(live.RoomOptions{History: 5}))
		a := k.dial()
		for i := range 1000 {
			a.join(fmt.Sprint("room:", i))
			a.send(`{"type":"$leave","id":1,"room":"room:%d"}`, i)
			a.want(`{"type":"$ok","re":1}`)
		}
		if k.hub.Rooms() != 0 {
			t.Errorf("%d rooms are left", k.hub.Rooms())
		}
		for i := range 129 {
			a.send(`{"type":"$join","id":%d,"room":"room:%d"}`, i+1, i)
			if i < 128 {
				a.want(`{"type":"$ok"}`)
				a.want(`{"type":"$live"}`)
			} else {
				a.want(`{"type":"$error","data":{"code":"limit"}}`)
			}
		}
	})
}

// A room has members of both codecs: what one says in CBOR the other hears in JSON,
// bytes as base64url, and the other way around.
func TestMixedRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 5}))
		a, b := k.dial(), k.dial(protocol.CBOR.Subprotocol())
		say := func(m *live.Message) {
			raw, err := protocol.CBOR.Append(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			b.conn.Write(t.Context(), ws.Binary, raw)
		}
		hear := func() live.Message {
			typ, raw, err := b.conn.Read(t.Context())
			if err != nil || typ != ws.Binary {
				t.Fatal(typ, err)
			}
			m, err := protocol.CBOR.Parse(raw, 0)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		a.join("room:1")
		say(&live.Message{Type: "$join", ID: 1, Room: "room:1"})
		hear() // $ok
		hear() // $live
		data, _ := protocol.CBOR.Marshal(map[string]any{"b": []byte{0xfb, 0xff}})
		say(&live.Message{Type: "n", Room: "room:1", Data: data, Codec: protocol.CBOR})
		a.want(`{"type":"n","data":{"b":"-_8"}}`)
		if m := hear(); string(m.Data) != string(data) {
			t.Errorf("CBOR came back as %x", m.Data)
		}
		a.send(`{"type":"n","room":"room:1","data":{"x":[1,"é"]}}`)
		var v struct{ X []any }
		if m := hear(); m.Codec.Unmarshal(m.Data, &v) != nil || fmt.Sprint(v.X) != "[1 é]" {
			t.Errorf("JSON came as %x", m.Data)
		}
		a.want(`{"type":"n"}`)
		a.conn.Write(t.Context(), ws.Binary, data)
		a.want(`{"type":"$error","data":{"code":"invalid"}}`)
	})
}

// A Hub that is empty is shut down well, even by a context that has ended.
func TestShutdownOfNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		if err := live.NewHub(nil).Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
