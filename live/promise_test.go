package live_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// The first promise: in a room with history a subscriber's callback sees the accepted
// messages in order, once each, or a gap before anything later; and what was
// acknowledged is stored once for each mid.
//
// Random histories are played to it with a broker that loses, doubles, reorders and
// forgets, connections that break and stall, and hubs that go; then an oracle that
// knows what was stored reads what the subscribers saw.

var (
	promiseSeed = flag.Uint64("promise.seed", 0, "the one history of TestPromise to play; 0 plays many")
	promiseRuns = flag.Int("promise.runs", 60, "how many histories TestPromise plays")
)

// provoked counts what the histories of a test run brought about.
type provoked struct{ lost, doubled, reordered, forgotten, unacked, resets, stalls, restarts, epochs, gaps, delivered int }

func TestPromise(t *testing.T) {
	var p provoked
	if *promiseSeed != 0 {
		history(t, *promiseSeed, &p)
		t.Logf("%+v", p)
		return
	}
	first := rand.Uint64()
	for i := range *promiseRuns {
		seed := first + uint64(i)
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { history(t, seed, &p) }) {
			t.Fatalf("to play it again: go test ./live -run TestPromise -promise.seed %d", seed)
		}
	}
	t.Logf("%+v", p)
	for what, n := range map[string]int{"lost": p.lost, "doubled": p.doubled, "reordered": p.reordered, "forgotten": p.forgotten, "unacked": p.unacked,
		"resets": p.resets, "stalls": p.stalls, "restarts": p.restarts, "epochs": p.epochs, "gaps": p.gaps, "delivered": p.delivered} {
		if n == 0 && *promiseRuns >= 60 {
			t.Errorf("no history had any of: %s", what)
		}
	}
}

// fact is a message as it was stored.
type fact struct {
	pos live.Position
	mid string
}

// truth is what was stored, room by room.
type truth struct {
	mu    sync.Mutex
	rooms map[string][]fact // by room and epoch
}

func (tr *truth) Deliver(m *live.Message) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	k := m.Room + " " + m.Pos.Epoch
	tr.rooms[k] = append(tr.rooms[k], fact{m.Pos, m.Mid})
}

func (*truth) Check(live.Position) {}

// saw is what a subscriber's callbacks were told.
type saw struct {
	pos live.Position
	mid string
	gap *client.Gap
	at  int // how much was stored of the room then
}

// world is one random history.
type world struct {
	t    *testing.T
	rnd  *rand.Rand
	p    *provoked
	keep int
	tr   *truth

	mu     sync.Mutex
	kit    *kit
	broker *flaky
	conns  []*wstest.PipeConn
	seen   map[string][]saw // by subscriber and room
	acked  map[string]live.Position
}

func history(t *testing.T, seed uint64, p *provoked) {
	bubble(t, func(t *testing.T) {
		w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), p: p, seen: map[string][]saw{}, acked: map[string]live.Position{},
			tr: &truth{rooms: map[string][]fact{}}}
		w.keep = []int{5, 20, 500}[w.rnd.IntN(3)]
		w.run()
	})
}

const promiseRooms = 3

func roomName(i int) string { return fmt.Sprint("room:", i) }

// newHub begins a hub, on the broker that is there or on a new one.
func (w *world) newHub(fresh bool) {
	if fresh {
		if w.broker != nil {
			w.p.epochs++
		}
		w.broker = &flaky{Memory: live.NewMemory(nil), rnd: rand.New(rand.NewPCG(w.rnd.Uint64(), 1)), bad: true, sinks: map[*flakySink]bool{}, p: w.p}
		for i := range promiseRooms {
			w.broker.Memory.Subscribe(live.Room{Name: roomName(i), Retention: &live.Retention{History: w.keep}}, w.tr)
		}
	}
	o := &live.Options{Broker: w.broker, Limits: live.Limits{Rate: -1, Burst: -1}, RecentBytes: 1 << uint(8+w.rnd.IntN(16)),
		Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 4 << 10}}}
	k := newKit(w.t, o, rooms(live.RoomOptions{History: w.keep}))
	w.mu.Lock()
	w.kit = k
	w.mu.Unlock()
}

func (w *world) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	k := w.kit
	w.mu.Unlock()
	c, err := k.ln.DialContext(ctx, network, addr)
	if err == nil {
		w.mu.Lock()
		w.conns = append(w.conns, c.(*wstest.PipeConn))
		w.mu.Unlock()
	}
	return c, err
}

func (w *world) client(engine *ws.Engine) *client.Client {
	c, err := client.Dial(w.t.Context(), "ws://hub/", &client.Options{
		Lazy: true, Backoff: client.Backoff{Min: 10 * time.Millisecond, Max: time.Second},
		DialOptions: ws.DialOptions{NetDial: w.dial, Proxy: noProxy, ConnOptions: ws.ConnOptions{Engine: engine, Logger: quiet}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) stored(room, epoch string) []fact {
	w.tr.mu.Lock()
	defer w.tr.mu.Unlock()
	return slices.Clone(w.tr.rooms[room+" "+epoch])
}

// subscribe notes what a client is told of a room.
func (w *world) subscribe(c *client.Client, who int, name string) {
	room, err := c.Room(name, &client.RoomOptions{Last: w.rnd.IntN(3)})
	if err != nil {
		w.t.Fatal(err)
	}
	key := fmt.Sprint(who, " ", name)
	note := func(s saw, epoch string) {
		s.at = len(w.stored(name, epoch))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen[key] = append(w.seen[key], s)
	}
	client.OnMessage(room, "n", func(_ context.Context, _ int, m client.Meta) {
		note(saw{pos: m.Position, mid: m.Mid}, m.Position.Epoch)
	})
	room.OnGap(func(_ context.Context, g client.Gap) { note(saw{gap: &g}, g.Position.Epoch) })
	if err := room.Join(w.t.Context()); err != nil {
		w.t.Errorf("join: %v", err)
	}
}

// watch is a client that forgives nothing: what the hub sends on one connection must
// be in order, once each, with a gap before anything that is missing. It comes back
// until ctx ends.
func (w *world) watch(ctx context.Context, engine *ws.Engine) {
	at := map[string]live.Position{}
	for ctx.Err() == nil {
		c, _, err := ws.Dial(ctx, "ws://hub/", &ws.DialOptions{NetDial: w.dial, Proxy: noProxy, ConnOptions: ws.ConnOptions{Engine: engine}})
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		w.watchOne(ctx, c, at)
		c.CloseNow()
	}
}

func (w *world) watchOne(ctx context.Context, c *ws.Conn, at map[string]live.Position) {
	joined, known := map[string]bool{}, map[string]bool{}
	for i := range promiseRooms {
		m := live.Message{Type: "$join", ID: uint64(i + 1), Room: roomName(i), Pos: at[roomName(i)]}
		p, err := protocol.JSON.Append(nil, &m)
		if err != nil {
			w.t.Error(err)
		}
		known[m.Room] = !m.Pos.IsZero()
		if c.Write(ctx, ws.Text, p) != nil {
			return
		}
	}
	for {
		_, p, err := c.Read(ctx)
		if err != nil {
			return
		}
		m, err := protocol.JSON.Parse(p, 0)
		if err != nil {
			w.t.Errorf("%s: %v", p, err)
			return
		}
		own := at[m.Room]
		switch {
		case m.Type == "$error":
			w.t.Errorf("the watcher was told %s", p)
			return
		case m.Type == "$ok":
			if joined[m.Room] = true; !known[m.Room] {
				at[m.Room] = m.Pos
			}
		case m.Type == "$gap":
			at[m.Room] = m.Pos
		case m.Type == "$live":
			if m.Pos.Epoch != own.Epoch || m.Pos.Seq < own.Seq {
				w.t.Errorf("live at %v behind %v", m.Pos, own)
			}
			at[m.Room] = m.Pos
		case m.Type == "n":
			if !joined[m.Room] || m.Pos.Seq <= own.Seq || m.Prev > own.Seq {
				w.t.Errorf("the watcher is at %v, joined %t, and was sent %s", own, joined[m.Room], p)
			}
			at[m.Room] = live.Position{Epoch: own.Epoch, Seq: m.Pos.Seq, Mid: m.Mid}
		}
	}
}

func (w *world) run() {
	w.newHub(true)
	var subs []*client.Client
	engine := ws.NewEngine()
	var joining sync.WaitGroup
	for who := range 3 {
		c := w.client(engine)
		subs = append(subs, c)
		for i := range promiseRooms {
			joining.Go(func() { w.subscribe(c, who, roomName(i)) })
			synctest.Wait()
		}
	}
	joining.Wait()
	watchers, stop := context.WithCancel(w.t.Context())
	var watching sync.WaitGroup
	for range 2 {
		watching.Go(func() { w.watch(watchers, engine) })
	}
	pub := w.client(engine)
	var publishing sync.WaitGroup
	for step := range 400 {
		switch w.rnd.IntN(40) {
		case 0, 1:
			w.hurt()
		case 2:
			if w.rnd.IntN(6) == 0 {
				w.restart()
			}
		case 3:
			time.Sleep(time.Duration(w.rnd.IntN(3000)) * time.Millisecond)
			w.broker.announce()
		default:
			name := roomName(w.rnd.IntN(promiseRooms))
			room, err := pub.Room(name, nil)
			if err != nil {
				w.t.Fatal(err)
			}
			publishing.Go(func() {
				pos, err := room.Send(w.t.Context(), "n", step)
				if err == nil {
					w.mu.Lock()
					w.acked[name+" "+pos.Mid] = pos
					w.mu.Unlock()
				} else if !errors.Is(err, client.ErrUnknown) && !errors.Is(err, client.ErrQueueFull) && !errors.Is(err, client.ErrNotSent) {
					w.t.Errorf("send: %v", err)
				}
			})
			if w.rnd.IntN(8) == 0 {
				time.Sleep(time.Duration(w.rnd.IntN(200)) * time.Millisecond)
			}
		}
	}
	publishing.Wait()
	w.heal()
	for _, c := range append(subs, pub) {
		c.Close(w.t.Context())
	}
	stop()
	watching.Wait()
	w.judge()
	w.kit.hub.Close()
	w.broker.Close()
}

// hurt breaks or stalls a connection.
func (w *world) hurt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.conns) == 0 {
		return
	}
	c := w.conns[w.rnd.IntN(len(w.conns))]
	switch w.rnd.IntN(3) {
	case 0, 1:
		c.Reset()
		w.p.resets++
	default: // its peer's bytes wait for a while
		c.SetFaults(wstest.Faults{Stall: true})
		w.p.stalls++
		d := time.Duration(w.rnd.IntN(5000)) * time.Millisecond
		time.AfterFunc(d, func() { c.SetFaults(wstest.Faults{}) })
	}
}

// restart replaces the hub, and at times what it stored.
func (w *world) restart() {
	w.p.restarts++
	fresh := w.rnd.IntN(2) == 0
	w.kit.hub.Close()
	w.newHub(fresh)
}

// heal lets everything come to rest.
func (w *world) heal() {
	w.broker.mu.Lock()
	w.broker.bad = false
	w.broker.mu.Unlock()
	for range 5 {
		time.Sleep(30 * time.Second)
		w.broker.announce()
	}
	synctest.Wait()
}

// judge is the oracle.
func (w *world) judge() {
	for room, facts := range w.tr.rooms { // stored once
		mids := map[string]bool{}
		for _, f := range facts {
			if mids[f.mid] {
				w.t.Errorf("%s: %s is stored twice", room, f.mid)
			}
			mids[f.mid] = true
		}
	}
	for key, all := range w.seen {
		name := key[2:]
		var at live.Position
		for i, s := range all {
			bad := func(format string, args ...any) {
				w.t.Errorf("subscriber %s, event %d: %s", key, i, fmt.Sprintf(format, args...))
			}
			if s.gap != nil {
				w.p.gaps++
				g := s.gap
				if g.Position.Epoch == at.Epoch && !w.excused(name, at, g, s.at) {
					bad("a gap without need: behind %v, %+v", at, g)
				}
				at = g.Position
				continue
			}
			w.p.delivered++
			if i > 0 {
				switch {
				case s.pos.Epoch != at.Epoch:
					bad("epoch %s behind %s without a gap", s.pos.Epoch, at.Epoch)
				case s.pos.Seq <= at.Seq:
					bad("%v behind %v", s.pos, at)
				default:
					for _, f := range w.stored(name, at.Epoch) {
						if f.pos.Seq > at.Seq && f.pos.Seq < s.pos.Seq {
							bad("%v is missing between %v and %v", f.pos, at, s.pos)
						}
					}
				}
			}
			at = s.pos
		}
		if facts := w.stored(name, at.Epoch); len(all) > 0 && len(facts) > 0 && facts[len(facts)-1].pos.Seq > at.Seq {
			w.t.Errorf("subscriber %s ended at %v, the head is %v", key, at, facts[len(facts)-1].pos)
		}
	}
}

// excused reports whether a message behind at and up to the gap's position was
// evicted when the gap was told.
func (w *world) excused(room string, at live.Position, g *client.Gap, stored int) bool {
	facts := w.stored(room, g.Position.Epoch)
	for i, f := range facts {
		if f.pos.Seq > at.Seq && f.pos.Seq <= g.Position.Seq && stored-i > w.keep {
			return true
		}
	}
	return false
}
