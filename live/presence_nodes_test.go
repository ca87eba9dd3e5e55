package live_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

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
