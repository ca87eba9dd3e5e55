package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// picky is a broker that a test has a hand in.
type picky struct {
	*live.Memory
	signal    func(topic string, p []byte) bool    // whether it goes through
	listen    func(topic string, f func(p []byte)) // behind Listen, before it returns
	subscribe func()                               // before Subscribe
}

func (b *picky) Signal(topic string, p []byte) error {
	if b.signal != nil && !b.signal(topic, p) {
		return live.ErrUnavailable
	}
	return b.Memory.Signal(topic, p)
}

func (b *picky) Listen(topic string, f func(p []byte)) (func(), error) {
	cancel, err := b.Memory.Listen(topic, f)
	if b.listen != nil {
		b.listen(topic, f)
	}
	return cancel, err
}

func (b *picky) Subscribe(room live.Room, s live.Sink) (func(), error) {
	if b.subscribe != nil {
		b.subscribe()
	}
	return b.Memory.Subscribe(room, s)
}

// A part of a whole roll is lost, and the roll is called out again, in other parts.
func TestPresenceOfTornRoll(t *testing.T) {
	for range 5 {
		bubble(t, func(t *testing.T) {
			m := live.NewMemory(nil)
			defer m.Close()
			var lose atomic.Bool
			d := &picky{Memory: m, signal: func(_ string, p []byte) bool {
				var x struct{ Part int }
				json.Unmarshal(p, &x)
				return x.Part == 0 || !lose.Swap(false)
			}}
			b := newKit(t, &live.Options{Authenticate: named, Broker: d}, present)
			for i := range 100 {
				b.dial().enter(fmt.Sprint("u", i, "/", long(900)), "")
			}
			time.Sleep(5 * time.Second)
			lose.Store(true)
			a := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
			ann := a.look("ann")
			ann.watch(2 * time.Minute)
			if lose.Load() || len(ann.crowd) != 101 {
				t.Errorf("%d of 101 are seen", len(ann.crowd))
			}
		})
	}
}

// Nodes without members ask who is there, each shortly behind another one.
func TestPresenceAskedOften(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		a := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		a.look("ann").watch(5 * time.Second)
		var all sync.WaitGroup
		for i := range 3 {
			k := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
			all.Go(func() {
				for j := range 10 {
					time.Sleep(time.Duration(i*170+j*17) * time.Millisecond)
					crowd, err := k.hub.Room("room:7").Present(t.Context())
					if err != nil || crowd.Sessions != 1 {
						t.Errorf("node %d, %d: %+v, %v", i, j, crowd, err)
					}
				}
			})
		}
		all.Wait()
	})
}

// Another node is heard before Listen has returned.
func TestPresenceHeardEarly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		var said atomic.Int64
		spun := make(chan struct{})
		b := &picky{Memory: m, signal: func(topic string, _ []byte) bool {
			if topic == "presence:room:7" && said.Add(1) == 100 {
				close(spun)
			}
			return true
		}, listen: func(topic string, f func([]byte)) {
			if topic == "presence:room:7" {
				f([]byte(`{"do":"beat","node":"other","life":1,"n":0}`))
				select {
				case <-spun:
				case <-time.After(20 * time.Millisecond):
				}
			}
		}}
		k := newKit(t, &live.Options{Authenticate: named, Broker: b}, present)
		k.look("ann").sees(time.Second, "ann")
		if n := said.Load(); n > 10 {
			t.Errorf("%d beats in a second", n)
		}
	})
}

// A broker that is slow to subscribe leaves no less time to listen.
func TestPresentOfSlowSubscribe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		slow := func() { time.Sleep(20 * time.Millisecond) }
		a := newKit(t, &live.Options{Authenticate: named, Broker: &picky{Memory: m, signal: func(string, []byte) bool {
			slow()
			return true
		}}}, present)
		a.look("ann").watch(5 * time.Second)
		b := newKit(t, &live.Options{Authenticate: named, Broker: &picky{Memory: m, subscribe: func() {
			time.Sleep(700 * time.Millisecond)
		}}}, present)
		crowd, err := b.hub.Room("room:7").Present(t.Context())
		if err != nil || crowd.Sessions != 1 {
			t.Errorf("%+v, %v", crowd, err)
		}
	})
}

// A node dies before its first sign of life, and behind the first word of who is there.
func TestPresenceOfNodeThatDiesEarly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		d := &deaf{Memory: m, off: "none"}
		b := newKit(t, &live.Options{Authenticate: named, Broker: d}, present)
		b.look("bob").watch(5 * time.Second)
		time.Sleep(100 * time.Millisecond) // its signs come each 2 s
		var log strings.Builder
		warns := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		a := newKit(t, &live.Options{Authenticate: named, Broker: m, Logger: warns}, present)
		ann := a.look("ann")
		ann.sees(500*time.Millisecond, "ann", "bob")
		d.cut("")
		ann.sees(13*time.Second, "ann")
		synctest.Wait()
		if n := strings.Count(log.String(), "a node is silent"); n != 1 {
			t.Errorf("it was said %d times: %s", n, log.String())
		}
	})
}

// A node that has nobody to tell of is not reported as silent.
func TestPresenceOfNodeWithoutMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		var log strings.Builder
		warns := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		a := newKit(t, &live.Options{Authenticate: named, Broker: m, Logger: warns}, present)
		ann := a.look("ann")
		b := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		if _, err := b.hub.Room("room:7").Present(t.Context()); err != nil {
			t.Fatal(err)
		}
		ann.sees(time.Minute, "ann")
		synctest.Wait()
		if log.Len() > 0 {
			t.Error(log.String())
		}
	})
}

// Who a session is becomes known, or changes, behind its coming into a room.
func TestPresenceOfLateIdentity(t *testing.T) {
	shows := func(t *testing.T, k *kit, want string) {
		t.Helper()
		time.Sleep(time.Second)
		crowd, err := k.hub.Room("room:7").Present(t.Context())
		if err != nil || len(crowd.Members) != 1 {
			t.Fatalf("%+v, %v", crowd, err)
		}
		if got := fmt.Sprint(crowd.Members[0].User, " ", crowd.Members[0].Info, " ", crowd.Users); got != want {
			t.Errorf("%q is there, want %q", got, want)
		}
	}
	bubble(t, func(t *testing.T) { // the application has let it in
		hooks := &live.Hooks{Connected: func(s *live.Session) { s.Join(context.Background(), "room:7") }}
		k := newKit(t, &live.Options{Authenticate: named, Hooks: hooks}, present)
		p := k.dial()
		p.want(`{"type":"$ok","room":"room:7"}`)
		shows(t, k, " <nil> 1")
		p.send(`{"type":"$hello","data":{"token":"ann/1"}}`)
		shows(t, k, "ann map[is:1] 1")
	})
	bubble(t, func(t *testing.T) { // a $join had needed an identity, which a cookie gave
		cookie := func(_ context.Context, c live.Credentials) (live.Identity, error) {
			return live.Identity{User: "ann", Info: c.Token}, nil
		}
		k := newKit(t, &live.Options{Authenticate: cookie}, present)
		p := k.dial()
		p.send(`{"type":"$join","room":"room:7"}`)
		shows(t, k, "ann  1")
		p.send(`{"type":"$hello","data":{"token":"t"}}`)
		shows(t, k, "ann t 1")
	})
	bubble(t, func(t *testing.T) { // a stranger's secret
		k := newKit(t, nil, present)
		for i := range 2 {
			p := k.dial()
			p.send(`{"type":"$join","room":"room:7"}`)
			p.want(`{"type":"$ok"}`)
			p.want(`{"type":"$live"}`)
			p.send(`{"type":"$hello","id":1,"data":{"client":"secret-secret-secret"}}`)
			p.want(`{"type":"$ok","re":1}`)
			if i == 0 {
				k.dial().send(`{"type":"$join","room":"room:7"}`) // or the room would end
				time.Sleep(time.Second)
				p.conn.CloseNow()
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Second)
		crowd, err := k.hub.Room("room:7").Present(t.Context())
		if err != nil || crowd.Sessions != 2 {
			t.Errorf("%+v, %v", crowd, err)
		}
	})
}

type rawInfo string

func (r rawInfo) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// An Info that a client could not read would hide from it everybody else.
func TestPresenceOfDeepInfo(t *testing.T) {
	deep := func(n int) any { return rawInfo(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	bubble(t, func(t *testing.T) {
		auth := func(_ context.Context, c live.Credentials) (live.Identity, error) {
			return live.Identity{User: "ann", Info: deep(len(c.Token))}, nil
		}
		k := newKit(t, &live.Options{Authenticate: auth}, present)
		p := k.dial()
		p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, long(27))
		p.want(`{"type":"$error","re":1,"data":{"code":"internal"}}`)
		p = k.dial()
		p.enter(long(26), `"presence":true`)
		ctx, done := context.WithTimeout(t.Context(), time.Second)
		defer done()
		for {
			_, raw, err := p.conn.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			m, err := protocol.JSON.Parse(raw, protocol.DefaultDepth)
			if err != nil {
				t.Fatal(err)
			}
			if m.Type == protocol.TypePresence {
				return
			}
		}
	})
}

// An Info is the same on all nodes.
func TestPresenceOfInfoElsewhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		a := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		b := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		a.dial().enter("ann/<&>", "")
		bob := b.dial()
		bob.enter("bob", "")
		time.Sleep(2 * time.Second)
		bob.send(`{"type":"$presence","id":9,"room":"room:7"}`)
		for {
			_, raw, err := bob.conn.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(raw), `"re":9`) {
				if !strings.Contains(string(raw), `"<&>"`) {
					t.Errorf("got %s", raw)
				}
				return
			}
		}
	})
}

// Who joins again and again is nothing new to other nodes.
func TestPresenceOfRejoins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		var said atomic.Int64
		a := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		a.look("ann").watch(5 * time.Second)
		b := newKit(t, &live.Options{Authenticate: named, Broker: &picky{Memory: m, signal: func(topic string, _ []byte) bool {
			if topic == "presence:room:7" {
				said.Add(1)
			}
			return true
		}}}, present)
		bob := b.dial()
		bob.enter("bob", "")
		time.Sleep(10 * time.Second)
		was := said.Load()
		for range 500 {
			bob.send(`{"type":"$join","room":"room:7"}`)
			time.Sleep(20 * time.Millisecond)
		}
		if n := said.Load() - was; n > 2 {
			t.Errorf("%d signals in 10 s", n)
		}
	})
}

// A broker that takes long to signal does not gather goroutines. In real time: who waits
// for a mutex holds up a bubble's.
func TestPresenceOfSlowSignals(t *testing.T) {
	m := live.NewMemory(nil)
	defer m.Close()
	var slow atomic.Bool
	held := make(chan struct{})
	b := &picky{Memory: m, signal: func(topic string, _ []byte) bool {
		if slow.Load() && topic == "presence:room:7" {
			<-held
		}
		return true
	}}
	a := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
	ann := a.look("ann")
	k := newKit(t, &live.Options{Authenticate: named, Broker: b}, present)
	bob := k.dial()
	bob.enter("bob", "")
	time.Sleep(time.Second)
	slow.Store(true)
	for i := range 100 {
		bob.send(`{"type":"$refresh","data":{"token":"bob/%d"}}`, i)
		time.Sleep(15 * time.Millisecond)
	}
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	if n := strings.Count(string(stacks), ".(*room).tend("); n > 1 {
		t.Errorf("%d goroutines tend one room", n)
	}
	slow.Store(false)
	close(held)
	ann.sees(2*time.Second, "ann", "bob/99")
}

// A reply that is larger than what may wait beside the queue waits alone: who asks for a
// list while its queue is full is not sent away.
func TestLargeReplyWaitsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Authenticate: named, Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteTimeout: -1, PingInterval: -1}}}
		k := newKit(t, o, rooms(live.RoomOptions{History: 1000, Presence: true}))
		for i := range 90 {
			k.dial().enter(fmt.Sprint("u", i, "/", long(900)), "")
		}
		p := k.dial()
		p.enter("ann", "")
		for i := range 600 { // more than it reads
			k.hub.Room("room:7").Publish(t.Context(), "n", fmt.Sprint(i, long(1000)))
		}
		time.Sleep(time.Second)
		p.send(`{"type":"$presence","id":9,"room":"room:7"}`)
		synctest.Wait()
		for {
			m := p.read()
			if m.Re == 9 {
				if len(m.Data) < 80_000 {
					t.Errorf("the list has %d bytes", len(m.Data))
				}
				break
			}
		}
	})
}
