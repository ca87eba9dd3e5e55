//go:build linux

package natsbroker_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
)

// The first promise, to real processes: three nodes that store together are killed, frozen, cut off and restarted while
// clients publish and listen. What was acknowledged is stored once; each subscriber gets all that is stored behind where it
// began, in order, once. Nothing is evicted here, so that each gap is a false one.

var (
	promiseTime  = flag.Duration("promise.time", 30*time.Second, "for how long TestPromise hurts a cluster")
	promiseSeed  = flag.Uint64("promise.seed", 0, "how it is hurt; 0 chooses")
	promiseHurts = flag.String("promise.hurts", "SIGKILL,cut,SIGSTOP,SIGTERM,quorum", "by what, in turn")
)

var promiseRooms = []string{"room:0", "room:1", "room:2", "room:3", "room:4", "room:5"}

// heard is what a subscriber was told: a message, or a gap.
type heard struct {
	pos client.Position
	mid string
	gap *client.Gap
}

// crew is the nodes, and what is known of them.
type crew struct {
	t     *testing.T
	rnd   *rand.Rand
	nodes [3]*member
	wires map[[2]int]*wire

	mu      sync.Mutex
	seen    map[string][]heard // by subscriber and room
	acked   map[string]map[string]client.Position
	hurtAt  time.Time // the last hurt
	hurtBy  string
	waits   map[string]bool // rooms in which nothing was acknowledged behind it yet
	resumed map[string][]time.Duration
	unknown int
	sent    int
}

// newCrew starts the nodes.
func newCrew(t *testing.T, rnd *rand.Rand) *crew {
	c := &crew{t: t, rnd: rnd, wires: map[[2]int]*wire{}, seen: map[string][]heard{}, acked: map[string]map[string]client.Position{}, resumed: map[string][]time.Duration{}}
	dir := t.TempDir()
	for i := range c.nodes {
		c.nodes[i] = &member{t: t, dir: filepath.Join(dir, fmt.Sprint("node", i)), listen: freeAddr(t)}
	}
	for i, n := range c.nodes {
		for j, other := range c.nodes {
			if i != j {
				w := newWire(t, other.listen)
				c.wires[[2]int{i, j}] = w
				n.peers = append(n.peers, w.ln.Addr().String())
			}
		}
	}
	for _, n := range c.nodes {
		n.start()
		t.Cleanup(func() { n.end(syscall.SIGKILL) })
	}
	t.Cleanup(func() {
		if t.Failed() {
			for i, n := range c.nodes {
				log, _ := os.ReadFile(n.dir + ".log")
				t.Logf("node %d:\n%s", i, log[max(0, len(log)-4000):])
			}
		}
	})
	return c
}

// cut cuts a node off from the others, or mends that.
func (c *crew) cut(i int, cut bool) {
	for pair, w := range c.wires {
		if pair[0] == i || pair[1] == i {
			w.set(cut)
		}
	}
}

// dial connects to some node that has a hub.
func (c *crew) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	for i := range rand.Perm(len(c.nodes)) {
		if addr := c.nodes[(i+rand.IntN(3))%3].addr.Load(); addr != nil {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", *addr)
		}
	}
	return nil, errors.New("there is no node")
}

func (c *crew) client() *client.Client {
	x, err := client.Dial(c.t.Context(), "ws://cluster/", &client.Options{
		Lazy: true, Backoff: client.Backoff{Min: 20 * time.Millisecond, Max: 500 * time.Millisecond},
		DialOptions: ws.DialOptions{NetDial: c.dial, ConnOptions: ws.ConnOptions{Logger: quiet}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { x.Close(context.Background()) })
	return x
}

// subscribe notes what a client is told of a room.
func (c *crew) subscribe(x *client.Client, who int, name string) {
	room, err := x.Room(name, nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	key := fmt.Sprint(who, " ", name)
	note := func(h heard) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen[key] = append(c.seen[key], h)
	}
	client.OnMessage(room, "n", func(_ context.Context, _ any, m client.Meta) { note(heard{pos: m.Position, mid: m.Mid}) })
	room.OnGap(func(_ context.Context, g client.Gap) { note(heard{gap: &g}) })
	if err := room.Join(c.t.Context()); err != nil {
		c.t.Errorf("join: %v", err)
	}
}

// publish publishes one message, and notes whether it was acknowledged.
func (c *crew) publish(x *client.Client, name string) {
	room, err := x.Room(name, nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	began := time.Now()
	pos, err := room.Send(c.t.Context(), "n", strings.Repeat("x", 100))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	switch {
	case err == nil:
		if c.acked[name] == nil {
			c.acked[name] = map[string]client.Position{}
		}
		c.acked[name][pos.Mid] = pos
		if c.waits[name] && began.After(c.hurtAt) {
			if delete(c.waits, name); len(c.waits) == 0 {
				c.resumed[c.hurtBy] = append(c.resumed[c.hurtBy], time.Since(c.hurtAt))
			}
		}
	case errors.Is(err, client.ErrUnknown), errors.Is(err, client.ErrQueueFull), errors.Is(err, client.ErrNotSent):
		c.unknown++
	default:
		c.t.Errorf("send: %v", err)
	}
}

// hurt does something to a node, and makes it good again.
func (c *crew) hurt(how string) {
	i := c.rnd.IntN(3)
	n := c.nodes[i]
	c.mu.Lock()
	c.hurtAt, c.hurtBy, c.waits = time.Now(), how, map[string]bool{}
	for _, name := range promiseRooms {
		c.waits[name] = true
	}
	c.mu.Unlock()
	down := time.Duration(c.rnd.Int64N(int64(3 * time.Second)))
	switch how {
	case "SIGKILL":
		n.end(syscall.SIGKILL)
		time.Sleep(down)
		n.start()
	case "SIGTERM":
		n.end(syscall.SIGTERM)
		time.Sleep(down)
		n.start()
	case "SIGSTOP":
		n.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(2*down + time.Second)
		n.cmd.Process.Signal(syscall.SIGCONT)
	case "quorum":
		other := c.nodes[(i+1)%3]
		n.end(syscall.SIGKILL)
		other.end(syscall.SIGKILL)
		time.Sleep(down)
		n.start()
		other.start()
	case "cut":
		c.cut(i, true)
		time.Sleep(4*down + time.Second)
		c.cut(i, false)
	}
}

// waiting reports whether there are rooms in which nothing was acknowledged behind the last hurt.
func (c *crew) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waits) > 0
}

func TestPromise(t *testing.T) {
	seed := *promiseSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-promise.seed %d", seed)
	c := newCrew(t, rand.New(rand.NewPCG(seed, 0)))
	var joining sync.WaitGroup
	for who := range 4 {
		x := c.client()
		for _, name := range promiseRooms {
			joining.Go(func() { c.subscribe(x, who, name) })
		}
	}
	joining.Wait()
	ctx, stop := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	for range 3 {
		x := c.client()
		publishing.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				name := promiseRooms[rand.IntN(len(promiseRooms))]
				publishing.Go(func() { c.publish(x, name) })
				time.Sleep(30 * time.Millisecond)
			}
		})
	}
	hurts := map[string]int{}
	kinds := strings.Split(*promiseHurts, ",")
	for i, end := 0, time.Now().Add(*promiseTime); time.Now().Before(end); i++ {
		time.Sleep(time.Duration(c.rnd.Int64N(int64(3 * time.Second))))
		how := kinds[i%len(kinds)]
		hurts[how]++
		c.hurt(how)
		for calm := time.Now().Add(20 * time.Second); time.Now().Before(calm) && c.waiting(); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	stop()
	publishing.Wait()
	log := c.rest()
	c.judge(log)
	stored, delivered := 0, 0
	for _, all := range log {
		stored += len(all)
	}
	for _, all := range c.seen {
		delivered += len(all)
	}
	t.Logf("%d sent, %d stored, %d unknown, %d delivered; %v", c.sent, stored, c.unknown, delivered, hurts)
	for how, all := range c.resumed {
		slices.Sort(all)
		t.Logf("behind %s publishes to all rooms were acknowledged again within p50 %v, max %v (%d times)", how, all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond), len(all))
	}
	if stored < 100 {
		t.Errorf("only %d messages were stored", stored)
	}
}

// rest publishes a last message to each room, waits until everybody has it, and returns what is stored.
func (c *crew) rest() map[string][]*client.Message {
	ctx, done := context.WithTimeout(c.t.Context(), 60*time.Second)
	defer done()
	x := c.client()
	log := map[string][]*client.Message{}
	for _, name := range promiseRooms {
		room, err := x.Room(name, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		last, err := room.Send(ctx, "n", "last")
		if err != nil {
			c.t.Fatalf("the last message of %s: %v", name, err)
		}
		for who := range 4 {
			for {
				c.mu.Lock()
				all := c.seen[fmt.Sprint(who, " ", name)]
				there := len(all) > 0 && all[len(all)-1].pos == last
				c.mu.Unlock()
				if there {
					break
				}
				if ctx.Err() != nil {
					c.t.Errorf("subscriber %d of %s does not get the last message, %v", who, name, last)
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		for before := uint64(0); ; {
			page, err := room.History(ctx, before, 200)
			if err != nil && ctx.Err() == nil {
				time.Sleep(100 * time.Millisecond) // a node is still on its way
				continue
			}
			if err != nil {
				c.t.Fatalf("history of %s: %v", name, err)
			}
			log[name] = append(slices.Clone(page.Messages), log[name]...)
			if !page.More {
				break
			}
			before = page.Messages[0].Position.Seq
		}
	}
	return log
}

// judge holds what was told against what is stored.
func (c *crew) judge(log map[string][]*client.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range promiseRooms {
		index := map[string]int{}
		for i, m := range log[name] {
			if _, twice := index[m.Mid]; twice {
				c.t.Errorf("%s: %s is stored twice", name, m.Mid)
			}
			index[m.Mid] = i
		}
		for mid, pos := range c.acked[name] {
			if i, ok := index[mid]; !ok || log[name][i].Position.Seq != pos.Seq {
				c.t.Errorf("%s: %s was acknowledged as %v, and is not there", name, mid, pos)
			}
		}
		for who := range 4 {
			at := -1
			for n, h := range c.seen[fmt.Sprint(who, " ", name)] {
				i, ok := index[h.mid]
				switch {
				case h.gap != nil:
					c.t.Errorf("subscriber %d of %s was told of a gap, and nothing was evicted: %+v", who, name, *h.gap)
				case !ok:
					c.t.Errorf("subscriber %d of %s got %s, which is not stored", who, name, h.mid)
				case n > 0 && i != at+1:
					c.t.Errorf("subscriber %d of %s got message %d behind message %d", who, name, i, at)
				}
				at = i
			}
		}
	}
}
