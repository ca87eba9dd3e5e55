package live_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
)

// The first promise: in a room with history a subscriber's callback sees the accepted
// messages in order, once each, or a gap before anything later; and what was
// acknowledged is stored once for each mid. Under DropOldest a slow member may be told
// of a gap, too. Under Latest no value of a key comes behind a later one of that key,
// and the last value of each comes.
//
// Random histories are played to it with a broker that loses, doubles, reorders and
// forgets, connections that break and stall, and hubs that go; then an oracle that
// knows what was stored reads what the subscribers saw.

var (
	promiseSeed   = flag.Uint64("promise.seed", 0, "the one history of TestPromise to play; 0 plays many")
	promiseRuns   = flag.Int("promise.runs", 30, "how many histories TestPromise plays")
	promiseReal   = flag.Int("promise.real", 8, "how many histories TestPromiseOverTCP plays")
	promiseTunnel = flag.Int("promise.tunnel", 12, "how many histories TestPromiseThroughTunnel plays")
)

// provoked counts what the histories of a test run brought about.
type provoked struct {
	Lost, Doubled, Reordered, Forgotten, Unacked, Resets, Stalls, Floods, HalfOpen, Restarts, Epochs int
	Gaps, Slow, Loose, Conflated, Delivered                                                          int
}

func TestPromise(t *testing.T) { promise(t, virtual, *promiseRuns, 30) }

// TestPromiseOverTCP plays the same histories in real time, through the engine.
func TestPromiseOverTCP(t *testing.T) { promise(t, loopback, *promiseReal, 8) }

// promise plays histories. So many must have had everything that a history may have.
func promise(t *testing.T, st *stage, runs, enough int) {
	var p provoked
	if *promiseSeed != 0 {
		history(t, st, *promiseSeed, &p)
		t.Logf("%+v", p)
		return
	}
	first := rand.Uint64()
	for i := range runs {
		seed := first + uint64(i)
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { history(t, st, seed, &p) }) {
			t.Fatalf("to play it again: go test ./live -run '^%s$' -promise.seed %d", t.Name(), seed)
		}
	}
	t.Logf("%+v", p)
	for i, v := 0, reflect.ValueOf(p); i < v.NumField(); i++ {
		if v.Field(i).Int() == 0 && runs >= enough {
			t.Errorf("no history had any of: %s", v.Type().Field(i).Name)
		}
	}
}

// world is one random history.
type world struct {
	t    *testing.T
	st   *stage
	seed uint64
	rnd  *rand.Rand
	p    *provoked
	keep int
	tr   *truth

	mu     sync.Mutex
	kit    *kit
	dialer dialer
	broker *flaky
	epoch  string // the broker's
	healed bool
	hurts  sync.WaitGroup // what the network does to connections, and has not ended
	links  []link
	seen   map[string][]saw // by subscriber and room
	acked  map[string]live.Position
}

func history(t *testing.T, st *stage, seed uint64, p *provoked) {
	st.play(t, func(t *testing.T) {
		w := &world{t: t, st: st, seed: seed, rnd: rand.New(rand.NewPCG(seed, 0)), p: p, seen: map[string][]saw{}, acked: map[string]live.Position{},
			tr: &truth{rooms: map[string][]fact{}, mids: map[string][]fact{}}}
		w.keep = []int{5, 20, 500}[w.rnd.IntN(3)]
		w.run()
	})
}

// The rooms of a history: three that catch up, and one of each kind that does not.
var promiseRooms = []string{"room:0", "room:1", "room:2", "drop:0", "loose:0", "latest:0"}

// kind returns what a room is.
func kind(room string) string {
	kind, _, _ := strings.Cut(room, ":")
	return kind
}

// options returns those of a room's pattern.
func (w *world) options(room string) live.RoomOptions {
	switch kind(room) {
	case "drop":
		return live.RoomOptions{History: w.keep, Slow: live.DropOldest}
	case "loose":
		return live.RoomOptions{Slow: live.DropOldest}
	case "latest":
		return live.RoomOptions{Slow: live.Latest}
	}
	return live.RoomOptions{History: w.keep}
}

// retention is what the broker is told of such a room.
func (w *world) retention(room string) *live.Retention {
	o := w.options(room)
	return &live.Retention{History: o.History, Keys: o.Slow == live.Latest, MaxKeys: 10_000}
}

// newHub begins a hub, on the broker that is there or on a new one.
func (w *world) newHub(fresh bool) {
	if fresh {
		if w.broker != nil {
			w.p.Epochs++
		}
		w.broker = &flaky{Memory: live.NewMemory(nil), rnd: rand.New(rand.NewPCG(w.rnd.Uint64(), 1)), bad: true, sinks: map[*flakySink]bool{}, p: w.p}
		for _, name := range promiseRooms {
			w.broker.Memory.Subscribe(live.Room{Name: name, Retention: w.retention(name)}, w.tr)
		}
		page, err := w.broker.History(w.t.Context(), live.Room{Name: promiseRooms[0]}, live.Query{})
		if err != nil {
			w.t.Fatal(err)
		}
		w.epoch = page.Head.Epoch
	}
	o := &live.Options{Broker: w.broker, Limits: live.Limits{Rate: -1, Burst: -1}, RecentBytes: 1 << uint(8+w.rnd.IntN(16)),
		BackoffMin: 500 * time.Millisecond / w.st.haste, BackoffMax: 20 * time.Second / w.st.haste,
		Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 4 << 10}}}
	ln, dial := w.st.listen(w.t)
	k := newKitOn(w.t, ln, o, func(h *live.Hub) {
		for _, name := range promiseRooms[2:] {
			h.ConfigureRooms(kind(name)+":*", w.options(name))
		}
	})
	w.mu.Lock()
	w.kit, w.dialer = k, dial
	w.mu.Unlock()
}

func (w *world) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.mu.Lock()
	dial := w.dialer
	w.mu.Unlock()
	c, l, err := dial(ctx)
	if err == nil {
		w.mu.Lock()
		w.links = append(w.links, l)
		w.mu.Unlock()
	}
	return c, err
}

func (w *world) client(engine *ws.Engine) *client.Client {
	c, err := client.Dial(w.t.Context(), "ws://hub/", &client.Options{
		Lazy: true, Backoff: client.Backoff{Min: 10 * time.Millisecond, Max: time.Second / w.st.haste},
		DialOptions: ws.DialOptions{NetDial: w.dial, Proxy: noProxy, ConnOptions: ws.ConnOptions{Engine: engine, Logger: quiet}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// wait lets up to that much time go by, or less where there is haste.
func (w *world) wait(most time.Duration) { time.Sleep(w.some(most)) }

func (w *world) some(most time.Duration) time.Duration {
	return time.Duration(w.rnd.Int64N(int64(most / w.st.haste)))
}

// subscribe notes what a client is told of a room.
func (w *world) subscribe(c *client.Client, who int, name string, last int) {
	room, err := c.Room(name, &client.RoomOptions{Last: last})
	if err != nil {
		w.t.Fatal(err)
	}
	key := fmt.Sprint(who, " ", name)
	note := func(s saw, epoch string) {
		s.at = len(w.tr.of(name, epoch))
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen[key] = append(w.seen[key], s)
	}
	client.OnMessage(room, "n", func(_ context.Context, _ any, m client.Meta) {
		note(saw{pos: m.Position, mid: m.Mid, key: m.Key}, m.Position.Epoch)
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
			time.Sleep(50 * time.Millisecond / w.st.haste)
			continue
		}
		w.watchOne(ctx, c, at)
		c.CloseNow()
	}
}

func (w *world) watchOne(ctx context.Context, c *ws.Conn, at map[string]live.Position) {
	joined, known := map[string]bool{}, map[string]bool{}
	for i, name := range promiseRooms {
		m := live.Message{Type: "$join", ID: uint64(i + 1), Room: name, Pos: at[name]}
		p, err := protocol.JSON.Append(nil, &m)
		if err != nil {
			w.t.Error(err)
		}
		known[m.Room] = !m.Pos.IsZero()
		if c.Write(ctx, ws.Text, p) != nil {
			return
		}
	}
	values := map[string]int{} // of latest:0, by key
	loose, sure := -1, false   // where it is in loose:0, or, if that is not sure, at least
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
		bad := func(why string) {
			w.t.Errorf("the watcher is at %v and %d, and was sent %.200s: %s", own, loose, p, why)
		}
		switch {
		case m.Type == "$error":
			bad("an error")
			return
		case m.Type == "$ok":
			if joined[m.Room] = true; !known[m.Room] {
				at[m.Room] = m.Pos
			}
		case !joined[m.Room]:
			bad("it has not joined")
		case m.Room == "loose:0":
			facts := w.tr.of(m.Room, "")
			switch m.Type {
			case "$gap":
				sure = false
			case "n":
				i := behind(facts, loose+1, m.Mid)
				if i < 0 {
					bad("nobody has published that, or it comes again")
				}
				if sure && i > loose+1 {
					bad("a hole without a gap")
				}
				// What a client repeats is delivered again: behind a hole it may be either.
				sure = i >= 0 && (i == loose+1 && sure || behind(facts, i+1, m.Mid) < 0)
				loose = i
			}
		case m.Room == "latest:0":
			if m.Type != "n" {
				break
			}
			f, ok := w.tr.find(m.Room, m.Mid, values[m.Key]+1)
			if !ok || f.key != m.Key {
				bad("nobody has published that, or a later value has come before it")
			}
			values[m.Key] = f.nth
		case m.Type == "$gap":
			at[m.Room] = m.Pos
		case m.Type == "$live":
			if m.Pos.Epoch != own.Epoch || m.Pos.Seq < own.Seq {
				bad("live behind where it was")
			}
			at[m.Room] = m.Pos
		case m.Type == "n":
			if m.Pos.Seq <= own.Seq || m.Prev > own.Seq {
				bad("out of order, again, or behind a hole")
			}
			at[m.Room] = live.Position{Epoch: own.Epoch, Seq: m.Pos.Seq, Mid: m.Mid}
		}
	}
}

// note is what is published.
type note struct {
	N   int
	Pad string
}

func (w *world) note(n, most int) note { return note{n, strings.Repeat("x", w.rnd.IntN(most))} }

func (w *world) key() string { return fmt.Sprint("k", w.rnd.IntN(4)) }

// publish has a client publish.
func (w *world) publish(pub *client.Client, name string, n int) func() {
	room, err := pub.Room(name, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	key, data := w.key(), w.note(n, 300)
	return func() {
		var pos live.Position
		if kind(name) == "latest" {
			_, err = room.Set(w.t.Context(), key, "n", data)
		} else {
			pos, err = room.Send(w.t.Context(), "n", data)
		}
		if err != nil {
			if !errors.Is(err, client.ErrUnknown) && !errors.Is(err, client.ErrQueueFull) && !errors.Is(err, client.ErrNotSent) {
				w.t.Errorf("send: %v", err)
			}
		} else if !pos.IsZero() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.acked[name+" "+pos.Mid] = pos
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
		for _, name := range promiseRooms {
			last := w.rnd.IntN(3)
			joining.Go(func() { w.subscribe(c, who, name, last) })
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
	for step := range w.st.steps {
		switch what := w.rnd.IntN(40); {
		case step == w.st.steps/2: // once in each history; every second one loses what was stored
			w.restart(w.seed%2 == 0)
		case step%100 == 50:
			w.hurt((step/100 + 2) % 4)
		case what < 2:
			w.hurt(w.rnd.IntN(4))
		case what == 2:
			if w.rnd.IntN(6) == 0 {
				w.restart(w.rnd.IntN(2) == 0)
			}
		case what == 3:
			w.wait(3 * time.Second)
			w.broker.announce()
		default:
			publishing.Go(w.publish(pub, promiseRooms[w.rnd.IntN(len(promiseRooms))], step))
			if w.rnd.IntN(8) == 0 {
				w.wait(200 * time.Millisecond)
			}
		}
	}
	publishing.Wait()
	w.heal()
	for _, name := range promiseRooms { // everybody is live by now
		publishing.Go(w.publish(pub, name, -1))
	}
	publishing.Wait()
	w.st.rest(w)
	for _, c := range append(subs, pub) {
		c.Close(w.t.Context())
	}
	stop()
	watching.Wait()
	w.judge()
	w.kit.hub.Close()
	w.broker.Close()
}

// hurt does one of four things to the network.
func (w *world) hurt(how int) {
	w.mu.Lock()
	if len(w.links) == 0 {
		w.mu.Unlock()
		return
	}
	recent := slices.Clone(w.links[max(0, len(w.links)-10):]) // the others have ended
	l, d := recent[w.rnd.IntN(len(recent))], w.some(5*time.Second)
	w.mu.Unlock()
	switch how {
	case 0:
		w.p.Resets++
		l.reset()
	case 1: // what it sends waits for a while
		w.p.Stalls++
		l.stall(true, false)
		w.later(d, func() { l.stall(false, false) })
	case 2: // nobody reads for a while, in which much is published
		w.p.Floods++
		for _, l := range recent {
			l.stall(false, true)
		}
		for i := range 60 {
			name := promiseRooms[i%len(promiseRooms)]
			w.kit.hub.Room(name).Publish(w.t.Context(), "n", w.note(i, 2000), live.WithKey(w.key()))
			time.Sleep(time.Millisecond)
		}
		w.later(d, func() {
			for _, l := range recent {
				l.stall(false, false)
			}
		})
	case 3: // nothing comes through any more, and nobody is told
		w.p.HalfOpen++
		l.stall(true, true)
		if w.st != virtual { // the end of the silence is too far away
			w.later(d, l.reset)
		}
	}
}

func (w *world) later(d time.Duration, f func()) {
	w.hurts.Add(1)
	time.AfterFunc(d, func() {
		defer w.hurts.Done()
		f()
	})
}

// restart replaces the hub, and at times what it stored.
func (w *world) restart(fresh bool) {
	w.p.Restarts++
	w.kit.hub.Close()
	w.newHub(fresh)
}

// heal lets everything come to rest, and everybody be live.
func (w *world) heal() {
	w.broker.mu.Lock()
	w.broker.bad = false
	w.broker.mu.Unlock()
	w.hurts.Wait()
	w.st.rest(w)
	if why := w.behind(); why != "" {
		w.t.Error(why)
	}
	w.healed = true                             // from here on, also in the room where nobody is told later
	for end := time.Now().Add(time.Minute); ; { // who heard the last one may be gone: another one shows who is there
		w.kit.hub.Room("loose:0").Publish(w.t.Context(), "n", w.note(-1, 10))
		time.Sleep(50 * time.Millisecond)
		if w.behind() == "" || time.Now().After(end) {
			return
		}
	}
}
