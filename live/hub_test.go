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

// A client that was away gets what it missed, in order, once, and then lives on.
func TestRecovery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 100}))
		pub := k.dial()
		a := k.dial()
		a.join("room:7")
		pub.send(`{"type":"n","room":"room:7","mid":"m1","data":1}`)
		m := a.want(`{"type":"n","data":1,"mid":"m1"}`)
		pub.send(`{"type":"$hello","id":1}`)
		welcome := pub.want(`{"type":"$ok","re":1,"data":{"dedupe":120000,"backoff":[500,20000]}}`)
		_ = welcome
		a.conn.CloseNow()
		for i := 2; i < 50; i++ {
			pub.send(`{"type":"n","room":"room:7","data":%d}`, i)
		}
		synctest.Wait()
		b := k.dial()
		b.send(`{"type":"$join","id":1,"room":"room:7"}`)
		head := b.want(`{"type":"$ok","re":1}`)
		b.want(`{"type":"$live"}`)
		b.send(`{"type":"$join","id":2,"room":"room:7","pos":{"epoch":%q,"seq":%d,"mid":"m1"}}`, head.Pos.Epoch, m.Pos.Seq)
		b.want(`{"type":"$ok","re":2,"data":{"recovered":true}}`)
		last := m.Pos.Seq
		for i := 2; i < 50; i++ {
			m := b.want(fmt.Sprintf(`{"type":"n","data":%d}`, i))
			if m.Prev != last {
				t.Fatalf("message %d: prev %d, want %d", i, m.Prev, last)
			}
			last = m.Pos.Seq
		}
		b.want(`{"type":"$live"}`)
		pub.send(`{"type":"n","room":"room:7","data":50}`)
		b.want(`{"type":"n","data":50}`)
	})
}

// A position that cannot be continued is told as a gap, right behind the reply.
func TestGaps(t *testing.T) {
	for _, tc := range []struct{ name, pos, gap string }{
		{"evicted", `{"epoch":%q,"seq":1,"mid":"m1"}`, `{"type":"$gap","pos":{"seq":10},"data":{"after":1,"reason":"evicted"}}`},
		{"another epoch", `{"epoch":"e0%.0s","seq":12,"mid":"m12"}`, `{"type":"$gap","pos":{"seq":10},"data":{"after":12,"reason":"epoch"}}`},
		{"from the future", `{"epoch":%q,"seq":99,"mid":"m9"}`, `{"type":"$gap","pos":{"seq":20},"data":{"after":99,"reason":"rewound"}}`},
		{"another message there", `{"epoch":%q,"seq":15,"mid":"other"}`, `{"type":"$gap","pos":{"seq":20},"data":{"after":15,"reason":"rewound"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				k := newKit(t, nil, rooms(live.RoomOptions{History: 10}))
				for i := range 20 {
					if _, err := k.hub.Room("room:7").Publish(t.Context(), "n", i+1, live.WithID(fmt.Sprint("m", i+1))); err != nil {
						t.Fatal(err)
					}
				}
				a := k.dial()
				a.send(`{"type":"$join","id":1,"room":"room:7"}`)
				epoch := a.want(`{"type":"$ok","pos":{"seq":20,"mid":"m20"}}`).Pos.Epoch
				a.want(`{"type":"$live"}`)
				a.send(`{"type":"$join","id":2,"room":"room:7","pos":`+tc.pos+`}`, epoch)
				a.want(`{"type":"$ok","re":2,"data":{"recovered":false}}`)
				gap := a.want(tc.gap)
				for seq := gap.Pos.Seq + 1; seq <= 20; seq++ {
					a.want(fmt.Sprintf(`{"type":"n","pos":{"seq":%d}}`, seq))
				}
				a.want(`{"type":"$live"}`)
			})
		})
	}
}

// A caught-up client of a room that its age has emptied is told of no gap; one that
// missed what aged out is.
func TestAgedRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 10, HistoryAge: time.Minute}))
		room := k.hub.Room("room:7")
		first, _ := room.Publish(t.Context(), "n", 1)
		second, err := room.Publish(t.Context(), "n", 2)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		for i, pos := range []live.Position{second, first} {
			a := k.dial()
			a.send(`{"type":"$join","id":1,"room":"room:7","pos":{"epoch":%q,"seq":%d,"mid":%q}}`, pos.Epoch, pos.Seq, pos.Mid)
			a.want(fmt.Sprintf(`{"type":"$ok","data":{"recovered":%t}}`, i == 0))
			if i == 1 {
				a.want(`{"type":"$gap","data":{"after":1,"reason":"evicted"},"pos":{"seq":3}}`) // the 3 has aged too
			}
			a.want(`{"type":"$live"}`)
			room.Publish(t.Context(), "n", 3)
			a.want(`{"type":"n","data":3}`)
			time.Sleep(time.Hour)
		}
	})
}

// A publish that is repeated with its mid is stored once: for the same publisher and
// room only.
func TestIdempotence(t *testing.T) {
	auth := func(_ context.Context, c live.Credentials) (live.Identity, error) {
		return live.Identity{User: c.Token}, nil
	}
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: auth}, rooms(live.RoomOptions{History: 10}))
		say := func(user, room string) live.Position {
			p := k.dial()
			p.send(`{"type":"$hello","data":{"token":%q}}`, user)
			p.send(`{"type":"n","id":1,"room":%q,"mid":"1"}`, room)
			return p.want(`{"type":"$ok","re":1}`).Pos
		}
		one := say("ann", "room:1")
		if again := say("ann", "room:1"); again != one {
			t.Errorf("stored as %v and %v", one, again)
		}
		if two := say("ann", "room:2"); two.Seq == one.Seq {
			t.Error("the same mid in another room was taken for a repetition")
		}
		if bob := say("bob", "room:1"); bob.Seq == one.Seq {
			t.Error("another user's mid was taken for a repetition")
		}
		time.Sleep(5 * time.Minute)
		if late := say("ann", "room:1"); late.Seq == one.Seq {
			t.Error("known again behind the window")
		}
	})
}

// last, paging back, and what does not fit.
func TestHistoryPages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 100}))
		for i := range 30 {
			k.hub.Room("room:7").Publish(t.Context(), "n", i+1)
			k.hub.Room("room:8").Publish(t.Context(), "n", i+1)
		}
		a := k.dial()
		a.send(`{"type":"$join","id":1,"room":"room:8","data":{"last":3}}`)
		a.want(`{"type":"$ok","re":1,"data":{"recovered":false,"head":60}}`)
		for _, n := range []int{28, 29, 30} {
			a.want(fmt.Sprintf(`{"type":"n","data":%d}`, n))
		}
		a.want(`{"type":"$live","pos":{"seq":60}}`)
		before := uint64(0)
		for _, n := range []int{21, 11, 1} {
			a.send(`{"type":"$history","id":2,"room":"room:8","data":{"before":%d,"limit":10}}`, before)
			m := a.want(`{"type":"$ok","re":2}`)
			page, err := protocol.JSON.ParsePage(m.Data, 32)
			if err != nil || len(page.Messages) != 10 || page.More != (n > 1) || string(page.Messages[0].Data) != fmt.Sprint(n) {
				t.Fatalf("page from %d: %v, %d messages, more %v", n, err, len(page.Messages), page.More)
			}
			before = page.Messages[0].Pos.Seq
		}
	})
}

// A member that reads nothing catches up from the history: no hole, no disconnect,
// and nobody else waits.
func TestSlowMemberCatchesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 64 << 10, WriteTimeout: -1, PingInterval: -1}}}
		k := newKit(t, o, rooms(live.RoomOptions{History: 20_000}))
		slow, quick := k.dial(), k.dial()
		slow.join("room:7")
		quick.join("room:7")
		const n = 10_000
		for i := range n {
			k.hub.Room("room:7").Publish(t.Context(), "n", map[string]any{"n": i, "pad": long(1000)})
			if quick.want(`{"type":"n"}`).Pos.Seq != uint64(i+1) {
				t.Fatal("the quick one missed a message")
			}
		}
		next := func() live.Message { // it may be live in between, and slow again
			for {
				if m := slow.read(); m.Type != "$live" {
					return m
				}
			}
		}
		for i := range n {
			if m := next(); m.Type != "n" || m.Pos.Seq != uint64(i+1) {
				t.Fatalf("message %d: got %v", i, m)
			}
		}
		k.hub.Room("room:7").Publish(t.Context(), "last", nil)
		if m := next(); m.Type != "last" {
			t.Fatalf("got %v", m)
		}
	})
}

// The other policies, with a member that reads nothing for a while.
func TestSlowPolicies(t *testing.T) {
	run := func(t *testing.T, ro live.RoomOptions, f func(k *kit, slow *peer)) {
		bubble(t, func(t *testing.T) {
			o := &live.Options{Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 32 << 10, WriteTimeout: -1, PingInterval: -1}}}
			k := newKit(t, o, rooms(ro))
			slow := k.dial()
			slow.join("room:7")
			for i := range 2000 {
				k.hub.Room("room:7").Publish(t.Context(), "n", map[string]any{"n": i, "pad": long(500)}, live.WithKey(fmt.Sprint("k", i%3)))
				if i%50 == 0 {
					synctest.Wait()
				}
			}
			f(k, slow)
		})
	}
	t.Run("disconnect", func(t *testing.T) {
		run(t, live.RoomOptions{}, func(_ *kit, slow *peer) {
			if code := slow.closed(); code != ws.StatusTryAgainLater {
				t.Errorf("closed with %d", code)
			}
		})
	})
	for _, history := range []int{0, 100} {
		t.Run(fmt.Sprint("drop oldest, history ", history), func(t *testing.T) {
			run(t, live.RoomOptions{History: history, Slow: live.DropOldest}, func(_ *kit, slow *peer) {
				gaps, last := 0, -1
				for last < 1999 {
					m := slow.read()
					var d struct {
						N      int
						Reason string
					}
					m.Codec.Unmarshal(m.Data, &d)
					switch {
					case m.Type == "$gap" && d.Reason == "slow":
						gaps++
						last = -2
					case m.Type == "n":
						if last >= -1 && d.N != last+1 || d.N <= last {
							t.Fatalf("%d behind %d without a gap", d.N, last)
						}
						last = d.N
					}
				}
				if gaps == 0 {
					t.Error("no gap")
				}
			})
		})
	}
	t.Run("latest", func(t *testing.T) {
		run(t, live.RoomOptions{Slow: live.Latest}, func(k *kit, slow *peer) {
			got, count := map[string]int{}, 0
			for got["k0"]+got["k1"]+got["k2"] < 1999+1998+1997 {
				m := slow.read()
				var d struct{ N int }
				m.Codec.Unmarshal(m.Data, &d)
				if m.Type == "n" {
					if d.N < got[m.Key] {
						t.Fatalf("%s went back from %d to %d", m.Key, got[m.Key], d.N)
					}
					got[m.Key] = d.N
					count++
				}
			}
			if count > 1000 {
				t.Errorf("%d messages were sent to a reader that stood still", count)
			}
			late := k.dial()
			late.send(`{"type":"$join","id":1,"room":"room:7"}`)
			late.want(`{"type":"$ok"}`)
			for n := 1997; n < 2000; n++ {
				late.want(fmt.Sprintf(`{"type":"n","data":{"n":%d}}`, n))
			}
			late.want(`{"type":"$live"}`)
		})
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
		a.want(`{"type":"$ok","re":4,"data":{"user":"ann","ttl":60000}}`)
		a.want(`{"type":"$left","room":"room:2","data":{"reason":"forbidden"}}`)
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
