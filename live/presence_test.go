package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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

// named says that a token is the user's name, and what stands behind a "/" the Info.
func named(_ context.Context, c live.Credentials) (live.Identity, error) {
	user, info, ok := strings.Cut(c.Token, "/")
	who := live.Identity{User: user}
	if ok {
		who.Info = map[string]string{"is": info}
	}
	return who, nil
}

var present = rooms(live.RoomOptions{Presence: true})

// enter makes a peer who it is, in room:7, and returns its session.
func (p *peer) enter(token, more string) (session string) {
	p.t.Helper()
	p.send(`{"type":"$hello","id":1,"data":{"token":%q}}`, token)
	m := p.want(`{"type":"$ok","re":1}`)
	var w protocol.Welcome
	m.Codec.Unmarshal(m.Data, &w)
	p.send(`{"type":"$join","id":2,"room":"room:7","data":{%s}}`, more)
	p.want(`{"type":"$ok","re":2}`)
	return w.Session
}

// onlooker is a peer that sees who is in room:7.
type onlooker struct {
	*peer
	crowd   map[string]string // user and info by session
	count   string
	version uint64
	heard   int // $presence messages
}

func (k *kit) look(token string) *onlooker {
	k.t.Helper()
	o := &onlooker{peer: k.dial()}
	o.enter(token, `"presence":true`)
	return o
}

// sees reads what comes within a time, and compares who is there with "user user/info …".
func (o *onlooker) sees(within time.Duration, want ...string) {
	o.t.Helper()
	o.watch(within)
	got := slices.Sorted(maps.Values(o.crowd))
	if o.crowd == nil {
		got = []string{o.count}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		o.t.Fatalf("version %d: sees %v, want %v", o.version, got, want)
	}
}

func (o *onlooker) watch(within time.Duration) {
	o.t.Helper()
	ctx, done := context.WithTimeout(o.t.Context(), within)
	defer done()
	for {
		_, raw, err := o.conn.Read(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			o.t.Fatal(err)
		}
		m, err := protocol.JSON.Parse(raw, 0)
		if err != nil {
			o.t.Fatal(err)
		}
		if m.Type == protocol.TypePresence {
			o.take(m.Data)
		}
	}
}

// take follows a $presence, and is strict: differences come without a hole.
func (o *onlooker) take(data []byte) {
	o.t.Helper()
	o.heard++
	var p protocol.Presence
	if err := json.Unmarshal(data, &p); err != nil {
		o.t.Fatal(err)
	}
	text := func(user string, info any) string {
		if info == nil {
			return user
		}
		return fmt.Sprint(user, "/", info.(map[string]any)["is"])
	}
	switch {
	case p.Users != nil:
		o.crowd = map[string]string{}
		for _, u := range *p.Users {
			for _, s := range u.Sessions {
				o.crowd[s.Session] = text(u.User, s.Info)
			}
		}
	case p.Count != nil:
		o.crowd, o.count = nil, fmt.Sprintf("%d users, %d sessions", p.Count.Users, p.Count.Sessions)
	case p.Version != o.version+1 || o.crowd == nil:
		o.t.Fatalf("version %d behind %d: %s", p.Version, o.version, data)
	default:
		for _, s := range p.Join {
			o.crowd[s.Session] = text(s.User, s.Info)
		}
		for _, s := range p.Leave {
			if _, ok := o.crowd[s.Session]; !ok {
				o.t.Fatalf("%s leaves, and never came: %s", s.Session, data)
			}
			delete(o.crowd, s.Session)
		}
	}
	if p.Version <= o.version {
		o.t.Fatalf("version %d behind %d: %s", p.Version, o.version, data)
	}
	o.version = p.Version
}

// Those who come and go within 250 ms are told of at once.
func TestPresenceGathers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: named}, present)
		ann := k.look("ann")
		ann.sees(time.Millisecond, "ann") // herself, without a wait
		ann.sees(time.Second, "ann")
		k.dial().enter("bob/red", "")
		ann.sees(time.Millisecond, "ann", "bob/red") // nor one for the first
		heard := ann.heard
		gone := k.dial()
		for i := range 50 {
			p := gone
			if i > 0 {
				p = k.dial()
			}
			p.enter(fmt.Sprintf("u%02d", i), "")
			time.Sleep(4 * time.Millisecond)
		}
		gone.send(`{"type":"$leave","room":"room:7"}`)
		ann.watch(249*time.Millisecond - 200*time.Millisecond - time.Millisecond)
		if ann.heard != heard {
			t.Errorf("%d messages before 250 ms were over", ann.heard-heard)
		}
		ann.watch(10 * time.Millisecond)
		if ann.heard != heard+1 || len(ann.crowd) != 51 {
			t.Errorf("%d messages, %d are there", ann.heard-heard, len(ann.crowd))
		}
	})
}

// Who reloads is not seen to go; who stays away is, and who says so is at once.
func TestPresenceGrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: named}, present)
		ann := k.look("ann")
		bob := k.dial()
		bob.enter("bob/1", "")
		ann.sees(time.Second, "ann", "bob/1")

		bob.conn.CloseNow()
		ann.sees(4*time.Second, "ann", "bob/1")
		bob = k.dial()
		bob.enter("bob/2", "")
		heard := ann.heard
		ann.sees(time.Second, "ann", "bob/2")
		if ann.heard != heard+1 {
			t.Errorf("a reload was told by %d messages", ann.heard-heard)
		}
		ann.sees(10*time.Second, "ann", "bob/2") // and not forgotten 5 s after the first

		bob.send(`{"type":"$join","id":3,"room":"room:7"}`) // again, which nobody else notices
		heard = ann.heard
		ann.sees(time.Second, "ann", "bob/2")
		if ann.heard != heard {
			t.Errorf("who joins twice is told by %d messages", ann.heard-heard)
		}

		bob.conn.Close(ws.StatusGoingAway, "") // as browsers do
		ann.sees(4900*time.Millisecond, "ann", "bob/2")
		ann.sees(200*time.Millisecond, "ann")

		bob = k.dial()
		bob.enter("bob", "")
		tab := k.dial()
		tab.enter("bob/tab", "")
		ann.sees(time.Second, "ann", "bob", "bob/tab")
		bob.conn.CloseNow() // he is still here
		ann.sees(300*time.Millisecond, "ann", "bob/tab")
		tab.send(`{"type":"$leave","id":5,"room":"room:7"}`)
		ann.sees(300*time.Millisecond, "ann")

		for i, bye := range []func(*peer){
			func(p *peer) { p.conn.Close(ws.StatusNormalClosure, "") },
			func(*peer) { k.hub.User("cy").Disconnect(t.Context(), "away") },
			func(*peer) { k.hub.Room("room:7").Remove(t.Context(), "cy") },
		} {
			p := k.dial()
			p.enter("cy", "")
			ann.sees(300*time.Millisecond, "ann", "cy")
			bye(p)
			if i == 1 {
				p.closed()
			}
			ann.sees(300*time.Millisecond, "ann")
		}

		stranger := k.dial()
		stranger.enter("", "")
		ann.sees(time.Second, "", "ann")
		stranger.conn.CloseNow()
		ann.sees(4*time.Second, "", "ann")
		ann.sees(2*time.Second, "ann")
	})
}

// A stranger that keeps its secret is known again, too.
func TestPresenceOfStrangers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, present)
		join := func(secret string) *peer {
			p := k.dial()
			p.send(`{"type":"$hello","data":{"client":%q,"join":[{"room":"room:7"}]}}`, secret)
			p.want(`{"type":"$ok","room":"room:7"}`)
			return p
		}
		o := &onlooker{peer: k.dial()}
		o.send(`{"type":"$join","room":"room:7","data":{"presence":true}}`)
		a := join("secret-secret-secret-1")
		join("secret-secret-secret-2")
		o.sees(time.Second, "", "", "")
		a.conn.CloseNow()
		o.sees(time.Second, "", "", "")
		join("secret-secret-secret-1")
		o.sees(time.Second, "", "", "")
		crowd, err := k.hub.Room("room:7").Present(t.Context())
		if err != nil || crowd.Users != 3 || crowd.Sessions != 3 || len(crowd.Members) != 3 {
			t.Errorf("%+v, %v", crowd, err)
		}
	})
}

// A crowd past PresenceMax is counted, until it is small again.
func TestPresenceCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: named}, rooms(live.RoomOptions{Presence: true, PresenceMax: 8}))
		ann := k.look("ann")
		var all []*peer
		for i := range 8 {
			p := k.dial()
			p.enter(fmt.Sprint("u", i/2), "")
			all = append(all, p)
		}
		ann.sees(time.Second, "5 users, 9 sessions")
		bob := k.look("bob")
		bob.sees(time.Second, "6 users, 10 sessions")
		ann.sees(time.Second, "6 users, 10 sessions")
		crowd, err := k.hub.Room("room:7").Present(t.Context())
		if err != nil || crowd.Members != nil || crowd.Users != 6 || crowd.Sessions != 10 {
			t.Errorf("%+v, %v", crowd, err)
		}
		for _, p := range all[:3] {
			p.send(`{"type":"$leave","room":"room:7"}`)
		}
		ann.sees(time.Second, "5 users, 7 sessions") // not listed yet: it could be 9 again
		all[3].send(`{"type":"$leave","room":"room:7"}`)
		ann.sees(time.Second, "ann", "bob", "u2", "u2", "u3", "u3")
		bob.sees(time.Second, "ann", "bob", "u2", "u2", "u3", "u3")
	})
}

// Infos that do not fit half of a queue are not told, and one that is too long is the
// application's fault.
func TestPresenceInfoBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Authenticate: named, Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 16 << 10}}}
		k := newKit(t, o, present)
		ann := k.look("ann")
		for i := range 8 {
			k.dial().enter(fmt.Sprintf("u%d/%s", i, long(1000)), "")
		}
		ann.sees(time.Second, "9 users, 9 sessions")
		p := k.dial()
		p.send(`{"type":"$hello","id":1,"data":{"token":"bob/%s"}}`, long(1024))
		p.want(`{"type":"$error","re":1,"data":{"code":"internal"}}`)
	})
}

// Asking for who is there.
func TestPresenceRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: named}, func(h *live.Hub) {
			present(h)
			h.ConfigureRooms("dark:*", live.RoomOptions{})
		})
		p := k.dial()
		p.enter("ann/1", "")
		p.want(`{"type":"$live"}`) // no $presence: it was not asked for
		p.send(`{"type":"$presence","id":3,"room":"room:7"}`)
		m := p.want(`{"type":"$ok","re":3,"data":{"version":1}}`)
		var got protocol.Presence
		if m.Codec.Unmarshal(m.Data, &got); got.Users == nil || len(*got.Users) != 1 || (*got.Users)[0].User != "ann" {
			t.Errorf("got %s", m.Data)
		}
		p.send(`{"type":"$presence","id":4,"room":"room:8"}`)
		p.want(`{"type":"$error","re":4,"data":{"code":"not-joined"}}`)
		p.send(`{"type":"$presence","id":5,"room":"dark:8"}`)
		p.want(`{"type":"$error","re":5,"data":{"code":"unsupported"}}`)
		p.send(`{"type":"$join","id":6,"room":"dark:8","data":{"presence":true}}`)
		p.want(`{"type":"$ok","re":6}`)
		p.want(`{"type":"$live","room":"dark:8"}`)
		p.send(`{"type":"$refresh","id":7,"data":{"token":"ann/2"}}`)
		p.want(`{"type":"$ok","re":7}`)
		time.Sleep(time.Second)
		crowd, err := k.hub.Room("room:7").Present(t.Context())
		if err != nil || fmt.Sprint(crowd.Members[0].Info) != "map[is:2]" {
			t.Errorf("behind a refresh: %+v, %v", crowd, err)
		}
		if crowd, err = k.hub.Room("room:8").Present(t.Context()); err != nil || crowd.Members == nil || len(crowd.Members) > 0 {
			t.Errorf("of an empty room: %+v, %v", crowd, err)
		}
		for _, name := range []string{"dark:8", "room:*", "none", ""} {
			if _, err := k.hub.Room(name).Present(t.Context()); err == nil {
				t.Errorf("presence in %q", name)
			}
		}
		if n := k.hub.Rooms(); n != 2 {
			t.Errorf("%d rooms", n)
		}
	})
}

// A member that does not read is told later, by all of it at once; nothing is lost.
func TestPresenceOfSlowMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := &live.Options{Authenticate: named, Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 16 << 10, WriteTimeout: -1, PingInterval: -1}}}
		k := newKit(t, o, rooms(live.RoomOptions{History: 10, Presence: true}))
		slow := k.look("slow")
		p := k.dial()
		p.enter("x", "")
		for i := range 2000 {
			p.send(`{"type":"$refresh","data":{"token":"x/%d%s"}}`, i, long(500))
			time.Sleep(300 * time.Millisecond)
		}
		synctest.Wait()
		slow.sees(time.Second, "slow", "x/1999"+long(500))
		if slow.heard > 500 {
			t.Errorf("%d of 2000 were told", slow.heard)
		}
		p.send(`{"type":"$leave","room":"room:7"}`)
		slow.sees(time.Second, "slow")
		slow.send(`{"type":"$leave","id":9,"room":"room:7"}`)
		slow.want(`{"type":"$ok","re":9}`)
		p.send(`{"type":"$join","room":"room:7"}`)
		slow.silent() // it is no longer its business
	})
}

// Two nodes know of each other's members. The grace is the cluster's, and who was on a
// node that ends is lost, not gone.
func TestPresenceAcrossNodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		a := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		b := newKit(t, &live.Options{Authenticate: named, Broker: m, DrainWindow: -1}, present)
		ann, bob := a.look("ann"), b.look("bob")
		ann.sees(time.Second, "ann", "bob")
		bob.sees(time.Second, "ann", "bob")

		// The reload ends at the other node.
		cy := a.dial()
		cy.enter("cy/1", "")
		bob.sees(time.Second, "ann", "bob", "cy/1")
		cy.conn.CloseNow()
		bob.sees(3*time.Second, "ann", "bob", "cy/1")
		cy = b.dial()
		cy.enter("cy/2", "")
		ann.sees(time.Second, "ann", "bob", "cy/2")
		bob.sees(10*time.Second, "ann", "bob", "cy/2")
		ann.sees(10*time.Second, "ann", "bob", "cy/2")

		// A third node, without members, is told by the others.
		c := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		crowd, err := c.hub.Room("room:7").Present(t.Context())
		if err != nil || fmt.Sprint(crowd.Users, crowd.Sessions, crowd.Members[2].Info) != "3 3 map[is:2]" {
			t.Errorf("%+v, %v", crowd, err)
		}

		// b drains. Its sessions are back at a within the grace.
		done := make(chan error)
		go func() { done <- b.hub.Shutdown(t.Context()) }()
		bob.closed()
		cy.closed()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		ann.sees(time.Second, "ann", "bob", "cy/2")
		a.look("bob").sees(time.Second, "ann", "bob", "cy/2")
		ann.sees(10*time.Second, "ann", "bob")
	})
}

// deaf is a broker that a node can be cut off from, as far as signals go.
type deaf struct {
	*live.Memory
	mu  sync.Mutex
	off string // the topics that begin so
}

func (d *deaf) cut(topics string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = topics
}

func (d *deaf) Signal(topic string, p []byte) error {
	d.mu.Lock()
	off := d.off
	d.mu.Unlock()
	if strings.HasPrefix(topic, off) || len(p) > 80<<10 { // brokers have a bound
		return live.ErrUnavailable
	}
	return d.Memory.Signal(topic, p)
}

// A node that is not heard any more leaves whole, and comes back whole.
func TestPresenceOfSilentNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		d := &deaf{Memory: m, off: "none"}
		a := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		b := newKit(t, &live.Options{Authenticate: named, Broker: d}, present)
		ann := a.look("ann")
		for i := range 100 { // which one signal does not hold
			b.dial().enter(fmt.Sprint("u", i, "/", long(900)), "")
		}
		ann.watch(time.Second)
		if len(ann.crowd) != 101 {
			t.Fatalf("%d are there", len(ann.crowd))
		}
		synctest.Wait()
		d.cut("")
		ann.watch(8 * time.Second)
		heard := ann.heard
		if len(ann.crowd) != 101 {
			t.Fatalf("%d are there after 8 s", len(ann.crowd))
		}
		ann.sees(6*time.Second, "ann")
		if ann.heard != heard+1 {
			t.Errorf("a silent node left by %d messages", ann.heard-heard)
		}
		for late := range 2 {
			d.cut("none")
			ann.watch(40 * time.Second)
			if len(ann.crowd) != 101+late {
				t.Errorf("%d are there when it is heard again", len(ann.crowd))
			}
			synctest.Wait()
			d.cut("")
			b.dial().enter("late", "")
			ann.sees(14*time.Second, "ann")
		}
	})
}

// A node says at last that nobody is there any more, and is not heard. It goes on in other
// rooms.
func TestPresenceOfForgottenRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := live.NewMemory(nil)
		defer m.Close()
		d := &deaf{Memory: m, off: "none"}
		a := newKit(t, &live.Options{Authenticate: named, Broker: m}, present)
		b := newKit(t, &live.Options{Authenticate: named, Broker: d}, present)
		ann, bob := a.look("ann"), b.look("bob")
		b.dial().send(`{"type":"$join","room":"room:8"}`)
		ann.sees(5*time.Second, "ann", "bob")
		d.cut("presence:room:7")
		bob.send(`{"type":"$leave","room":"room:7"}`)
		ann.sees(30*time.Second, "ann", "bob") // it would not be heard more often if he were there
		ann.sees(2*time.Minute, "ann")
	})
}

// lossy is a broker whose signals are lost, doubled and overtaken on their way to one
// node.
type lossy struct {
	*live.Memory
	rnd  *rand.Rand
	bad  *atomic.Bool
	seen *[3]int // lost, doubled, overtaken
}

func (l *lossy) Listen(topic string, f func([]byte)) (func(), error) {
	var held []byte // signals come one at a time: Memory's lock guards it, and rnd
	return l.Memory.Listen(topic, func(p []byte) {
		dice := 9
		if l.bad.Load() {
			dice = l.rnd.IntN(10)
		}
		switch dice {
		case 0:
			l.seen[0]++
			return
		case 1:
			l.seen[1]++
			f(p)
		case 2:
			if held == nil {
				l.seen[2]++
				held = p
				return
			}
		}
		f(p)
		if held != nil {
			f(held)
			held = nil
		}
	})
}

// Whatever becomes of signals and nodes: once all is calm, every node knows who is there.
func TestPresenceConverges(t *testing.T) {
	var seen [3]int
	restarts := 0
	for seed := range uint64(40) {
		bubble(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 7))
			m := live.NewMemory(nil)
			defer m.Close()
			var bad atomic.Bool
			bad.Store(true)
			node := func() (*kit, *onlooker) {
				k := newKit(t, &live.Options{
					Authenticate: named,
					Broker:       &lossy{m, rand.New(rand.NewPCG(rnd.Uint64(), 7)), &bad, &seen},
				}, rooms(live.RoomOptions{Presence: true, PresenceMax: 12}))
				return k, k.look("looks")
			}
			type there struct {
				*peer
				node int
				who  string
			}
			var kits [3]*kit
			var looks [3]*onlooker
			for i := range kits {
				kits[i], looks[i] = node()
			}
			looks[2].send(`{"type":"$leave","room":"room:7"}`) // here the room begins and ends
			var all []there
			for range 60 {
				switch i := rnd.IntN(3); rnd.IntN(12) {
				case 0, 1, 2, 3, 4, 5:
					who := fmt.Sprintf("u%d/%d", rnd.IntN(6), rnd.IntN(2))
					p := kits[i].dial()
					p.enter(who, "")
					all = append(all, there{p, i, who})
				case 11:
					restarts++
					kits[i].hub.Close()
					kits[i], looks[i] = node()
					if i == 2 {
						looks[2].send(`{"type":"$leave","room":"room:7"}`)
					}
					all = slices.DeleteFunc(all, func(p there) bool { return p.node == i })
				default:
					if len(all) == 0 {
						continue
					}
					n := rnd.IntN(len(all))
					switch p := &all[n]; rnd.IntN(4) {
					case 0:
						p.conn.CloseNow()
					case 1:
						p.conn.Close(ws.StatusNormalClosure, "")
					case 2:
						p.send(`{"type":"$leave","room":"room:7"}`)
					case 3:
						user, _, _ := strings.Cut(p.who, "/")
						p.who = user + "/new"
						p.send(`{"type":"$refresh","data":{"token":%q}}`, p.who)
						continue
					}
					all = slices.Delete(all, n, n+1)
				}
				for _, o := range looks {
					o.watch(time.Duration(rnd.IntN(1500)) * time.Millisecond)
				}
			}
			bad.Store(false)
			looks[2] = kits[2].look("looks")
			time.Sleep(2 * time.Minute)
			want := []string{"looks", "looks", "looks"}
			users := map[string]bool{"looks": true}
			for _, p := range all {
				want = append(want, p.who)
				user, _, _ := strings.Cut(p.who, "/")
				users[user] = true
			}
			slices.Sort(want)
			for _, o := range looks {
				o.watch(time.Second)
				if o.crowd == nil {
					o.sees(time.Second, fmt.Sprintf("%d users, %d sessions", len(users), len(want)))
				} else {
					o.sees(time.Second, want...)
				}
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if seen[0] < 100 || seen[1] < 100 || seen[2] < 100 || restarts < 100 {
		t.Errorf("signals lost, doubled, overtaken: %v; restarts: %d", seen, restarts)
	}
}
