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

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
)

// The first promise, to real processes: three nodes that store together are killed, frozen, cut off and restarted while
// clients publish and listen. What was acknowledged is stored once; each subscriber gets all that is stored behind where it
// began, in order, once. Nothing is evicted in its rooms but those with a short history, so that each gap is a false one; and of those, each
// that is told where no more than the history was missed.

var (
	promiseTime  = flag.Duration("promise.time", 45*time.Second, "for how long TestPromise hurts a cluster")
	promiseSeed  = flag.Uint64("promise.seed", 0, "how it is hurt; 0 chooses")
	promiseHurts = flag.String("promise.hurts", "SIGKILL,cut,SIGSTOP,SIGTERM,quorum,full,clock,old,lost", "by what: the first two first, and then all in an order of the seed's")
)

var promiseRooms = []string{"room:0", "room:1", "room:2", "room:3", "room:4", "room:5", "short:0", "short:1"}

// shortHistory is what rooms keep that evict.
const shortHistory = 20

// crew is the nodes, and what is known of them.
type crew struct {
	t     *testing.T
	rnd   *rand.Rand
	nodes [3]*member
	disk  *disk // of the last node; nil where there can be none
	wires map[[2]int]*wire

	mu      sync.Mutex
	who     []string                   // the subscribers of all rooms
	seen    map[string][]heard         // by subscriber and room
	acked   map[string]map[string]fact // by room and mid
	hurtAt  time.Time                  // the last hurt
	hurtBy  string
	waits   map[string]bool // rooms in which nothing was acknowledged behind it yet
	resumed map[string][]time.Duration
	mended  []time.Duration // behind which a server wrote again whose disk had been full
	unknown int
	sent    int
	gaps    int // that were true
}

// newCrew starts the nodes. Their clocks can be set if they are bent.
func newCrew(t *testing.T, rnd *rand.Rand, bent bool) *crew {
	c := &crew{t: t, rnd: rnd, wires: map[[2]int]*wire{}, seen: map[string][]heard{}, acked: map[string]map[string]fact{}, resumed: map[string][]time.Duration{}}
	dir := t.TempDir()
	for i := range c.nodes {
		name := filepath.Join(dir, fmt.Sprint("node", i))
		c.nodes[i] = &member{t: t, dir: filepath.Join(name, "store"), log: name + ".log", listen: freeAddr(t)}
	}
	for i, n := range c.nodes {
		for j, other := range c.nodes {
			if i != j {
				w := newWire(t, func() (net.Conn, error) { return net.Dial("tcp", other.listen) })
				c.wires[[2]int{i, j}] = w
				n.peers = append(n.peers, w.ln.Addr().String())
			}
		}
	}
	if os.Getenv(ownMounts) != "" {
		var err error
		if c.disk, err = newDisk(filepath.Join(dir, "node2"), 512<<20); err != nil {
			t.Logf("NO DISK IS FILLED: %v", err)
		} else {
			t.Cleanup(func() { unix.Unmount(c.disk.dir, unix.MNT_DETACH) })
		}
	}
	for _, n := range c.nodes {
		n.bent = bent
		n.start()
		t.Cleanup(func() { n.end(syscall.SIGKILL) })
	}
	t.Cleanup(func() {
		if t.Failed() {
			for i, n := range c.nodes {
				log, _ := os.ReadFile(n.log)
				t.Logf("node %d:\n%s", i, log[max(0, len(log)-4000):])
			}
		}
	})
	return c
}

// dial connects to some node that has a hub.
func (c *crew) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return c.dialWith(ctx, net.Dialer{})
}

func (c *crew) dialWith(ctx context.Context, d net.Dialer) (net.Conn, error) {
	for _, i := range rand.Perm(len(c.nodes)) {
		if addr := c.nodes[i].addr.Load(); addr != nil {
			return d.DialContext(ctx, "tcp", *addr)
		}
	}
	return nil, errors.New("there is no node")
}

func (c *crew) client() *client.Client { return c.dialing(c.dial) }

// dialing returns a client that connects like that.
func (c *crew) dialing(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *client.Client {
	x, err := client.Dial(c.t.Context(), "ws://cluster/", &client.Options{
		Lazy: true, Backoff: client.Backoff{Min: 20 * time.Millisecond, Max: 500 * time.Millisecond},
		DialOptions: ws.DialOptions{NetDial: dial, ConnOptions: ws.ConnOptions{Logger: quiet}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { x.Close(context.Background()) })
	return x
}

// subscribe notes what a client is told of a room.
func (c *crew) subscribe(x *client.Client, who, name string, o *client.RoomOptions) {
	room, err := x.Room(name, o)
	if err != nil {
		c.t.Error(err)
		return
	}
	key := who + " " + name
	client.OnMessage(room, "n", func(_ context.Context, _ any, m client.Meta) { c.hear(key, heard{pos: m.Position, mid: m.Mid}) })
	room.OnGap(func(_ context.Context, g client.Gap) { c.hear(key, heard{gap: &g}) })
	if err := room.Join(c.t.Context()); err != nil {
		c.t.Errorf("join: %v", err)
	}
}

// hear notes what a subscriber is told of a room.
func (c *crew) hear(key string, h heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.at = time.Now()
	c.seen[key] = append(c.seen[key], h)
}

// publish publishes one message, and notes whether it was acknowledged.
func (c *crew) publish(x *client.Client, name string) {
	room, err := x.Room(name, nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	began := time.Now()
	pos, err := room.Send(c.t.Context(), "n", strings.Repeat("x", 300))
	c.sentOne(name, pos, began, err)
}

// sentOne notes what became of a message.
func (c *crew) sentOne(name string, pos client.Position, began time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	switch {
	case err == nil:
		if c.acked[name] == nil {
			c.acked[name] = map[string]fact{}
		}
		c.acked[name][pos.Mid] = fact{pos, began}
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

func TestPromise(t *testing.T) {
	if mounting(t) {
		return
	}
	seed := *promiseSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-promise.seed %d", seed)
	kinds := strings.Split(*promiseHurts, ",")
	bent := slices.Contains(kinds, "clock")
	if bent {
		if _, err := bendClock(); err != nil {
			t.Logf("NO CLOCK IS SET: %v", err)
			bent = false
		}
	}
	c := newCrew(t, rand.New(rand.NewPCG(seed, 0)), bent)
	kinds = slices.DeleteFunc(kinds, func(how string) bool { return how == "full" && c.disk == nil || how == "clock" && !bent })
	if len(kinds) == 0 {
		t.Fatal("none of the hurts can be done here")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var joining sync.WaitGroup
	for i := range 5 {
		x, who := c.client(), fmt.Sprint("go", i)
		if i > 2 {
			x, who = c.slow(ctx), fmt.Sprint("slow", i)
		}
		c.who = append(c.who, who)
		for _, name := range promiseRooms {
			joining.Go(func() { c.subscribe(x, who, name, nil) })
		}
	}
	joining.Wait()
	js := c.browse(2, 1)
	var publishing sync.WaitGroup
	for range 2 {
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
	for i, end := 0, time.Now().Add(*promiseTime); time.Now().Before(end); i++ {
		if rest := kinds[min(2, len(kinds)):]; i == 0 {
			c.rnd.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		}
		time.Sleep(time.Duration(c.rnd.Int64N(int64(3 * time.Second))))
		how := kinds[i%len(kinds)]
		hurts[how]++
		c.hurt(how)
		c.calm()
	}
	stop()
	publishing.Wait()
	js.stop()
	log := c.rest()
	js.close()
	c.judge(log)
	stored, delivered := 0, 0 // of the short rooms what is still there
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
	if slices.Sort(c.mended); len(c.mended) > 0 {
		t.Logf("%d times a server was started anew when its disk had room, within p50 %v, max %v", len(c.mended), c.mended[len(c.mended)/2].Round(time.Millisecond), c.mended[len(c.mended)-1].Round(time.Millisecond))
	}
	slow := int64(0)
	for _, n := range c.nodes {
		slow += n.slow.Load()
	}
	t.Logf("%d times a session had no room for a message; %d times what was missed was evicted", slow, c.gaps)
	if *promiseTime >= 20*time.Second && (slow == 0 || c.gaps == 0) {
		t.Error("nobody was slow, or nobody missed more than a short history")
	}
	if stored < 100 {
		t.Errorf("only %d messages were stored", stored)
	}
}
