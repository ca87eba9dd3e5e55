package live_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// held is a broker that stores nothing until the test lets it, and that the test can
// speak for.
type held struct {
	*live.Memory
	mu    sync.Mutex
	holds bool
	mute  bool // deliveries are lost
	waits []func(error)
	sink  live.Sink
}

func (h *held) Publish(p *live.Publish, done func(live.Stored, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	store := func(err error) {
		if err != nil {
			done(live.Stored{}, err)
		} else {
			h.Memory.Publish(p, done)
		}
	}
	if h.holds {
		h.waits = append(h.waits, store)
	} else {
		store(nil)
	}
}

// next lets the publish that waits longest be stored, or fail.
func (h *held) next(err error) {
	h.mu.Lock()
	f := h.waits[0]
	h.waits = h.waits[1:]
	h.mu.Unlock()
	f(err)
}

func (h *held) waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waits)
}

func (h *held) Subscribe(r live.Room, s live.Sink) (func(), error) {
	h.sink = s
	return h.Memory.Subscribe(r, (*muted)(h))
}

type muted held

func (m *muted) Deliver(msg *live.Message) {
	if !m.mute {
		m.sink.Deliver(msg)
	}
}
func (m *muted) Check(p live.Position) { m.sink.Check(p) }

func newHeld() *held { return &held{Memory: live.NewMemory(nil), holds: true} }

// One message of a session is under way to a room. When it fails, those behind it fail
// too; messages to other rooms go their way.
func TestAFailureFailsThoseBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newHeld()
		defer b.Close()
		k := newKit(t, &live.Options{Broker: b}, rooms(live.RoomOptions{History: 10}))
		a := k.dial()
		for i := range 3 {
			a.send(`{"type":"n","id":%d,"room":"room:1","mid":"m%d"}`, i+1, i)
		}
		a.send(`{"type":"n","id":4,"room":"room:2"}`)
		synctest.Wait()
		if n := b.waiting(); n != 2 {
			t.Fatalf("%d publishes are under way", n)
		}
		b.next(live.ErrUnavailable)
		a.want(`{"type":"$error","re":1,"mid":"m0","data":{"code":"unavailable","retryable":true}}`)
		a.want(`{"type":"$error","re":2,"data":{"code":"aborted","retryable":true}}`)
		a.want(`{"type":"$error","re":3,"data":{"code":"aborted"}}`)
		b.next(nil)
		a.want(`{"type":"$ok","re":4}`)
		for i := range 3 {
			a.send(`{"type":"n","id":%d,"room":"room:1","mid":"m%d"}`, i+5, i)
		}
		for i := range 3 {
			synctest.Wait()
			b.next(nil)
			a.want(fmt.Sprintf(`{"type":"$ok","re":%d,"pos":{"seq":%d}}`, i+5, i+2))
		}
	})
}

// What is past the bound is refused, volatile messages too, and what is behind it to
// the same room until none is under way.
func TestTooManyPublishes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newHeld()
		defer b.Close()
		k := newKit(t, &live.Options{Broker: b, Limits: live.Limits{SessionPublishes: 2, RoomPublishes: 3, Publishes: 4}}, rooms(live.RoomOptions{History: 10}))
		a, c, d := k.dial(), k.dial(), k.dial()
		for i := range 2 {
			a.send(`{"type":"n","id":%d,"room":"room:1"}`, i+1)
		}
		a.send(`{"type":"n","id":3,"room":"room:2","volatile":true}`)
		a.want(`{"type":"$error","re":3,"data":{"code":"busy","retryAfter":500}}`)
		a.send(`{"type":"n","id":4,"room":"room:1"}`)
		a.want(`{"type":"$error","re":4,"data":{"code":"busy"}}`)
		b.next(nil)
		a.want(`{"type":"$ok","re":1}`)
		a.send(`{"type":"n","id":5,"room":"room:1"}`) // one is still under way
		a.want(`{"type":"$error","re":5,"data":{"code":"busy"}}`)
		c.send(`{"type":"n","id":1,"room":"room:1","volatile":true}`)
		c.send(`{"type":"n","id":2,"room":"room:1"}`)
		synctest.Wait()
		d.send(`{"type":"n","id":1,"room":"room:1"}`) // the room's bound
		d.want(`{"type":"$error","re":1,"data":{"code":"busy"}}`)
		d.send(`{"type":"n","id":2,"room":"room:3"}`)
		synctest.Wait()
		a.send(`{"type":"n","id":6,"room":"room:4"}`) // the hub's bound
		a.want(`{"type":"$error","re":6,"data":{"code":"busy"}}`)
		for range 4 {
			b.next(nil)
		}
		d.want(`{"type":"$ok","re":2}`)
		a.want(`{"type":"$ok","re":2}`)
		c.want(`{"type":"$ok","re":1}`)
		c.want(`{"type":"$ok","re":2}`)
		b.holds = false
		for i := range 10 { // each is counted back
			a.send(`{"type":"n","id":%d,"room":"room:1","volatile":%t}`, i+7, i%2 == 0)
			a.want(fmt.Sprintf(`{"type":"$ok","re":%d}`, i+7))
		}
	})
}

// A session that is to go is closed when what it published is stored, and publishes
// nothing more.
func TestDrainWaitsForPublishes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newHeld()
		defer b.Close()
		k := newKit(t, &live.Options{Broker: b, DrainWindow: -1}, rooms(live.RoomOptions{History: 10}))
		a := k.dial()
		a.send(`{"type":"n","id":1,"room":"room:1"}`)
		synctest.Wait()
		down := make(chan error, 1)
		go func() { down <- k.hub.Shutdown(t.Context()) }()
		a.want(`{"type":"$drain","data":{"backoff":[500,20000]}}`)
		a.send(`{"type":"n","id":2,"room":"room:1"}`)
		a.want(`{"type":"$error","re":2,"data":{"code":"draining","retryable":true}}`)
		b.next(nil)
		a.want(`{"type":"$ok","re":1}`)
		if code := a.closed(); code != ws.StatusServiceRestart {
			t.Errorf("closed with %d", code)
		}
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

// A $refresh passes a publish that stalls and a handler that blocks; a second one
// while it is answered is told to wait.
func TestRefreshWaitsForNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newHeld()
		defer b.Close()
		asked, free := make(chan bool), make(chan bool)
		auth := func(_ context.Context, c live.Credentials) (live.Identity, error) {
			if c.Token == "slow" {
				asked <- true
				<-free
			}
			return live.Identity{User: "ann"}, nil
		}
		k := newKit(t, &live.Options{Broker: b, Authenticate: auth}, func(h *live.Hub) {
			rooms(live.RoomOptions{History: 10})(h)
			live.On(h, "block", func(context.Context, *live.Session, any) error { <-free; return nil })
		})
		a := k.dial()
		a.send(`{"type":"$hello","id":1,"data":{"token":"x"}}`)
		a.want(`{"type":"$ok","re":1}`)
		a.send(`{"type":"n","id":2,"room":"room:1"}`)
		a.send(`{"type":"block","id":3}`)
		a.send(`{"type":"$refresh","id":4,"data":{"token":"y"}}`)
		a.want(`{"type":"$ok","re":4,"data":{"user":"ann"}}`)
		a.send(`{"type":"$refresh","id":5,"data":{"token":"slow"}}`)
		<-asked
		a.send(`{"type":"$refresh","id":6,"data":{"token":"z"}}`)
		a.want(`{"type":"$error","re":6,"data":{"code":"busy","retryable":true}}`)
		free <- true
		free <- true
		got := map[uint64]string{}
		for range 2 {
			m := a.read()
			got[m.Re] = m.Type
		}
		if got[3] != "$ok" || got[5] != "$ok" {
			t.Errorf("got %v", got)
		}
		b.next(nil)
		a.want(`{"type":"$ok","re":2}`)
	})
}

// A $leave finds the room that a $hello before it is about to join, and the one whose
// $join waits or is being answered.
func TestLeaveFindsJoinsBeforeIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ask := make(chan error)
		k := newKit(t, nil, rooms(live.RoomOptions{History: 5, CanJoin: func(_ context.Context, _ *live.Session, room, _ string) error {
			if room == "room:slow" {
				return <-ask
			}
			return nil
		}}))
		a := k.dial()
		a.send(`{"type":"$hello","id":1,"data":{"join":[{"room":"room:slow"},{"room":"room:b"}]}}`)
		a.send(`{"type":"$leave","id":2,"room":"room:b"}`)
		a.want(`{"type":"$ok","re":1}`)
		synctest.Wait()
		ask <- errors.New("no")
		a.want(`{"type":"$error","room":"room:slow","data":{"code":"forbidden"}}`)
		a.want(`{"type":"$ok","room":"room:b"}`)
		if m := a.read(); m.Type == "$live" {
			a.want(`{"type":"$ok","re":2}`)
		} else if m.Re != 2 {
			t.Fatalf("got %v", m)
		}
		k.hub.Room("room:b").Publish(t.Context(), "n", 1)
		a.silent()

		a.send(`{"type":"$join","id":3,"room":"room:slow"}`)
		a.send(`{"type":"$join","id":4,"room":"room:c"}`)
		synctest.Wait()
		a.send(`{"type":"$leave","id":5,"room":"room:c"}`)
		a.want(`{"type":"$error","re":4,"data":{"code":"aborted"}}`)
		a.want(`{"type":"$ok","re":5}`)
		a.send(`{"type":"$leave","id":6,"room":"room:slow"}`)
		a.want(`{"type":"$ok","re":6}`)
		ask <- nil
		a.want(`{"type":"$error","re":3,"data":{"code":"aborted"}}`)
		a.send(`{"type":"$leave","id":7,"room":"room:slow"}`)
		a.want(`{"type":"$error","re":7,"data":{"code":"not-joined"}}`)
	})
}

// A second $hello is refused and changes nothing.
func TestSecondHello(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 5}))
		a := k.dial()
		a.send(`{"type":"$hello","id":1,"data":{"client":"0123456789abcdef"}}`)
		a.want(`{"type":"$ok","re":1}`)
		a.send(`{"type":"$hello","id":2,"data":{"client":"fedcba9876543210"}}`)
		a.want(`{"type":"$error","re":2,"data":{"code":"invalid"}}`)
		a.send(`{"type":"n","id":3,"room":"room:1","mid":"m"}`)
		first := a.want(`{"type":"$ok","re":3}`).Pos
		b := k.dial()
		b.send(`{"type":"$hello","data":{"client":"0123456789abcdef"}}`)
		b.send(`{"type":"n","id":1,"room":"room:1","mid":"m"}`)
		if again := b.want(`{"type":"$ok","re":1}`).Pos; again != first {
			t.Errorf("stored as %v and %v", first, again)
		}
	})
}

// A message of a history that is no more, and one that was evicted before it could be
// read, do not keep a room healing.
func TestHealingEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newHeld()
		b.holds = false
		defer b.Close()
		healed := make(chan int, 10)
		o := &live.Options{Broker: b, Hooks: &live.Hooks{Healed: func(string, int) { healed <- 1 }}}
		k := newKit(t, o, rooms(live.RoomOptions{History: 5}))
		a := k.dial()
		a.join("room:1")
		k.hub.Room("room:1").Publish(t.Context(), "n", 1)
		a.want(`{"type":"n"}`)
		<-healed // a first message proves nothing
		b.sink.Deliver(&live.Message{Type: "n", Room: "room:1", Mid: "x", Pos: live.Position{Epoch: "old", Seq: 7, Mid: "x"}, Prev: 6})
		<-healed
		k.hub.Room("room:1").Publish(t.Context(), "n", 2)
		a.want(`{"type":"n","data":2}`)
		a.silent()
		if len(healed) != 0 {
			t.Errorf("healed %d times more", len(healed))
		}
	})
}

// Values that the broker did not deliver are read when it says that some may be lost,
// and those that are too old are not sent to who comes.
func TestLatestIsReadAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newHeld()
		b.holds = false
		defer b.Close()
		k := newKit(t, &live.Options{Broker: b}, rooms(live.RoomOptions{Slow: live.Latest, HistoryAge: time.Minute}))
		a := k.dial()
		a.join("room:1")
		b.mute = true
		k.hub.Room("room:1").Publish(t.Context(), "n", 1, live.WithKey("x"))
		a.silent()
		b.sink.Check(live.Position{})
		a.want(`{"type":"n","key":"x","data":1}`)
		b.mute = false
		time.Sleep(2 * time.Minute)
		k.hub.Room("room:1").Publish(t.Context(), "n", 2, live.WithKey("y"))
		a.want(`{"type":"n","key":"y"}`)
		c := k.dial()
		c.send(`{"type":"$join","id":1,"room":"room:1"}`)
		c.want(`{"type":"$ok"}`)
		c.want(`{"type":"n","key":"y"}`)
		c.want(`{"type":"$live"}`)
	})
}

// What one node says to a user comes in order.
func TestUserSendsInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		auth := func(context.Context, live.Credentials) (live.Identity, error) { return live.Identity{User: "ann"}, nil }
		k := newKit(t, &live.Options{Authenticate: auth}, nil)
		a := k.dial(protocol.JSON.Subprotocol())
		a.send(`{"type":"$hello","id":1}`)
		a.want(`{"type":"$ok"}`)
		for i := range 500 {
			k.hub.User("ann").Send(t.Context(), "n", i)
		}
		for i := range 500 {
			a.want(fmt.Sprintf(`{"type":"n","data":%d}`, i))
		}
	})
}

// Who watches a room by two wildcards gets its messages once.
func TestOverlappingWildcards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			h.ConfigureRooms("room:>", live.RoomOptions{CanWatch: func(context.Context, *live.Session, string) error { return nil }})
		})
		a := k.dial()
		a.join("room:>")
		a.join("room:*")
		for i, room := range []string{"room:1", "room:1:2", "room:1"} {
			k.hub.Room(room).Publish(t.Context(), "n", i)
			a.want(fmt.Sprintf(`{"type":"n","room":%q,"data":%d}`, room, i))
		}
		a.silent()
	})
}

// Whoever is removed while it joins again is told both in the order in which they
// happened: behind the last word it is where that says.
func TestRemovedWhileJoining(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sessions := make(chan *live.Session, 1)
		o := &live.Options{Hooks: &live.Hooks{Connected: func(s *live.Session) { sessions <- s }}, Limits: live.Limits{Rate: -1, Burst: -1}}
		k := newKit(t, o, rooms(live.RoomOptions{}))
		a := k.dial()
		s := <-sessions
		for i := range 3000 {
			var both sync.WaitGroup
			s.Join(t.Context(), "room:1")
			both.Go(func() { s.Join(t.Context(), "room:1") })
			both.Go(func() { s.Leave("room:1", "because") })
			if i%2 == 0 {
				a.send(`{"type":"$leave","id":1,"room":"room:1"}`)
			}
			both.Wait()
			synctest.Wait()
			a.send(`{"type":"$ping","id":2}`)
			in := false
			for {
				m := a.read()
				if m.Re == 2 {
					break
				}
				switch {
				case m.Type == "$ok" && m.Re == 0:
					in = true
				case m.Type == "$ok", m.Type == "$left":
					in = false
				case m.Type == "$live" && !in:
					t.Fatal("live where it is not")
				}
			}
			if is := len(s.Rooms()) == 1; is != in {
				t.Fatalf("round %d: it is in the room: %t, and was told: %t", i, is, in)
			}
			s.Leave("room:1", "over")
			if in {
				a.want(`{"type":"$left"}`)
			}
		}
	})
}

// said is an answer that calls f when it is encoded, which is before it is sent.
type said func()

func (f said) MarshalJSON() ([]byte, error) { f(); return []byte("1"), nil }

// A publish counts against no bound any more when its reply is sent: a client at the
// bound may publish right behind it.
func TestPublishBehindAReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newHeld()
		defer b.Close()
		var a *peer
		again := sync.OnceFunc(func() {
			a.send(`{"type":"n","id":2,"room":"room:1"}`)
			synctest.Wait()
		})
		k := newKit(t, &live.Options{Broker: b, Limits: live.Limits{SessionPublishes: 1, RoomPublishes: 1, Publishes: 1}}, func(h *live.Hub) {
			rooms(live.RoomOptions{History: 10})(h)
			live.OnPublish(h, "room:*", func(_ context.Context, p *live.Publication[any]) error { p.Answer = said(again); return nil })
		})
		a = k.dial()
		a.send(`{"type":"n","id":1,"room":"room:1"}`)
		synctest.Wait()
		b.next(nil)
		a.want(`{"type":"$ok","re":1}`)
		if n := b.waiting(); n != 1 {
			t.Fatalf("%d publishes are under way", n)
		}
		b.next(nil)
		a.want(`{"type":"$ok","re":2}`)
	})
}
