//go:build linux

package natsbroker_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
)

var (
	stormClients = flag.Int("storm.clients", 300, "how many clients of a killed node come back in TestReconnectStorm")
	stormRooms   = flag.Int("storm.rooms", 100, "in how many rooms they are, one in each")
)

// TestReconnectStorm kills a node with many clients, who come back to the others all at once. Each hears what it missed,
// without a gap.
func TestReconnectStorm(t *testing.T) {
	rooms := *stormRooms
	c := newCrew(t, rand.New(rand.NewPCG(2, 2)), false)
	pub := c.at(1)
	room := func(x *client.Client, n int) *client.Room {
		r, err := x.Room(fmt.Sprint("room:", n), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	publishing := make(chan struct{}, 100)
	publish := func(what string) {
		t.Helper()
		var all sync.WaitGroup
		for n := range rooms {
			all.Go(func() {
				publishing <- struct{}{}
				defer func() { <-publishing }()
				if _, err := room(pub, n).Send(t.Context(), "n", what); err != nil {
					t.Errorf("publish: %v", err)
				}
			})
		}
		all.Wait()
	}
	var heard, gaps atomic.Int64
	var to atomic.Pointer[[]int] // the nodes to connect to
	to.Store(&[]int{0})
	engine := ws.NewEngine()
	var joining sync.WaitGroup
	slots := make(chan struct{}, 200)
	for i := range *stormClients {
		x, err := client.Dial(t.Context(), "ws://cluster/", &client.Options{
			Lazy: true, Backoff: client.Backoff{Min: 100 * time.Millisecond, Max: 2 * time.Second},
			DialOptions: ws.DialOptions{ConnOptions: ws.ConnOptions{Logger: quiet, Engine: engine}, NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				nodes := *to.Load()
				addr := c.nodes[nodes[rand.IntN(len(nodes))]].addr.Load()
				if addr == nil {
					return nil, context.DeadlineExceeded
				}
				var d net.Dialer
				return d.DialContext(ctx, "tcp", *addr)
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { x.Close(context.Background()) })
		r := room(x, i%rooms)
		client.OnMessage(r, "n", func(context.Context, any, client.Meta) { heard.Add(1) })
		r.OnGap(func(context.Context, client.Gap) { gaps.Add(1) })
		joining.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := r.Join(t.Context()); err != nil {
				t.Errorf("join: %v", err)
			}
		})
	}
	joining.Wait()
	reach := func(n int, what string) time.Duration {
		t.Helper()
		began := time.Now()
		for want := int64(n * *stormClients); heard.Load() < want; time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 2*time.Minute {
				t.Fatalf("%s: %d of %d were heard", what, heard.Load(), want)
			}
		}
		return time.Since(began)
	}
	publish("one")
	reach(1, "before")
	before := c.cpu(1) + c.cpu(2)
	to.Store(&[]int{1, 2})
	killed := time.Now()
	c.nodes[0].end(syscall.SIGKILL)
	publish("two") // while they are away
	acked := time.Since(killed)
	reach(2, "what was missed")
	took := time.Since(killed)
	publish("three")
	reach(3, "behind it")
	if n := gaps.Load(); n > 0 {
		t.Errorf("%d gaps", n)
	}
	t.Logf("%d clients of a killed node: publishes went on behind %v; all had what they missed behind %v; the two others took %v of processor time, and have %s and %s in memory at most",
		*stormClients, acked.Round(time.Millisecond), took.Round(time.Millisecond), c.cpu(1)+c.cpu(2)-before, c.peak(1), c.peak(2))
}

// cpu returns what processor time a node has taken.
func (c *crew) cpu(i int) time.Duration {
	p, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.nodes[i].cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	var user, system int64
	fields := strings.Fields(string(p[strings.LastIndexByte(string(p), ')')+1:]))
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond // proc(5): in ticks, of which there are 100 a second
}

// peak returns the most memory that a node has had.
func (c *crew) peak(i int) string {
	p, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.nodes[i].cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(p), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
