package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/ws"
)

var drainClients = flag.Int("drain.clients", 300, "how many sessions move from one process to the next in TestDrain")

// The demos have everybody back within 6 s, rooms of one's own within 30 s.
var drainRooms = flag.Bool("drain.rooms", false, "whether TestDrain's rooms are those of --rooms")

const (
	drainRoom  = 20                    // sessions in a room, the first of which publishes
	drainEvery = 10 * time.Millisecond // between two messages of all rooms together
)

// crowd are the sessions of TestDrain.
type crowd struct {
	t       *testing.T
	members []*member
	rounds  []int // how many messages of each room were acknowledged
	live    chan *member
}

// member is a session, and how far it has heard its room.
type member struct {
	room  *client.Room
	index int
	heard atomic.Int64
	wrong atomic.Pointer[string]
}

// gather connects so many sessions and has them join their rooms.
func gather(t *testing.T, addr string, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, live: make(chan *member, 10*n), rounds: make([]int, (n+drainRoom-1)/drainRoom)}
	engine := ws.NewEngine()
	for i := range n {
		m := &member{index: i}
		x, err := client.Dial(t.Context(), "ws://"+addr+"/live", &client.Options{Lazy: true, DialOptions: ws.DialOptions{ConnOptions: ws.ConnOptions{Engine: engine}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { x.Close(context.Background()) })
		if m.room, err = x.Room(fmt.Sprint("chat:drain-", i/drainRoom), nil); err != nil {
			t.Fatal(err)
		}
		client.OnMessage(m.room, "chat", func(_ context.Context, got said, _ client.Meta) {
			if want := strconv.FormatInt(m.heard.Add(1)-1, 10); got.Text != want {
				m.fails(fmt.Sprintf("heard %s, want %s", got.Text, want))
			}
		})
		m.room.OnGap(func(_ context.Context, g client.Gap) { m.fails(fmt.Sprintf("a gap: %+v", g)) })
		m.room.OnLive(func(context.Context) { c.live <- m })
		c.members = append(c.members, m)
	}
	var joining sync.WaitGroup
	slots := make(chan struct{}, 100)
	for _, m := range c.members {
		joining.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := m.room.Join(t.Context()); err != nil {
				t.Errorf("join: %v", err)
			}
		})
	}
	joining.Wait()
	return c
}

func (m *member) fails(why string) { m.wrong.CompareAndSwap(nil, &why) }

// publish has the first session of each room publish, one message behind the other, until ctx ends. Each is acknowledged.
func (c *crowd) publish(ctx context.Context, group *sync.WaitGroup) {
	for r := range c.rounds {
		group.Go(func() {
			ticker := time.NewTicker(time.Duration(len(c.rounds)) * drainEvery)
			defer ticker.Stop()
			for ; ctx.Err() == nil; c.rounds[r]++ {
				if _, err := c.members[r*drainRoom].room.Send(c.t.Context(), "chat", said{strconv.Itoa(c.rounds[r])}); err != nil {
					c.t.Errorf("room %d: message %d: %v", r, c.rounds[r], err)
					return
				}
				select {
				case <-ticker.C:
				case <-ctx.Done():
				}
			}
		})
	}
}

// back waits until everybody is live, and returns when each was.
func (c *crowd) back(within time.Duration) []time.Time {
	c.t.Helper()
	here := map[*member]time.Time{}
	for timeout := time.After(within); len(here) < len(c.members); {
		select {
		case m := <-c.live:
			here[m] = time.Now()
		case <-timeout:
			c.t.Fatalf("%d of %d are back within %v", len(here), len(c.members), within)
		}
	}
	times := make([]time.Time, 0, len(here))
	for _, at := range here {
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// complete waits until everybody has heard all that was acknowledged, and nothing twice.
func (c *crowd) complete() {
	c.t.Helper()
	end := time.Now().Add(patience)
	for _, m := range c.members {
		want := int64(c.rounds[m.index/drainRoom])
		for m.heard.Load() < want && m.wrong.Load() == nil {
			if time.Now().After(end) {
				c.t.Fatalf("session %d has heard %d of %d", m.index, m.heard.Load(), want)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if why := m.wrong.Load(); why != nil {
			c.t.Errorf("session %d: %s", m.index, *why)
		}
		if got := m.heard.Load(); got != want {
			c.t.Errorf("session %d has heard %d messages, and %d were acknowledged", m.index, got, want)
		}
	}
}

// TestDrain moves sessions from one process to the next, on the same socket and the same folder, while they publish: nothing
// that was acknowledged is lost, nothing comes twice, and everybody is back soon.
func TestDrain(t *testing.T) {
	t.Parallel()
	web, addr := listeningSocket(t, "http")
	args := []string{"--data", t.TempDir(), "--drain", "20s", "--data-wait", "60s", "--log-level", "info"}
	// The demos' window is 1 s, and who is sent away waits for 5 s at most.
	within := 6 * time.Second
	if *drainRooms {
		args = append(args, "--rooms", "chat:* history=1000 allow=join,publish", "--anonymous")
		within = 30 * time.Second // 10 s and 20 s
	}
	old := activate(t, []handed{web}, nil, args...)
	old.says(t, "Press Ctrl-C")
	c := gather(t, addr, *drainClients)
	c.back(2 * patience)
	ctx, stop := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	c.publish(ctx, &publishing)

	heir := activate(t, []handed{web}, nil, args...)
	heir.says(t, "another process uses the folder: waiting for it to end")
	began := time.Now()
	old.cmd.Process.Signal(syscall.SIGTERM)
	code := old.exits(t)
	gone := time.Since(began)
	if code != 0 {
		t.Errorf("the old one ends with status %d", code)
	}
	heir.says(t, "Press Ctrl-C")
	serving := time.Since(began)
	times := c.back(within + patience)
	stop()
	publishing.Wait()
	c.complete()
	all := 0
	for _, n := range c.rounds {
		all += n
	}
	heir.cmd.Process.Signal(syscall.SIGTERM)
	if code := heir.exits(t); code != 0 {
		t.Errorf("the next one ends with status %d", code)
	}
	cpu := func(a *activated) time.Duration {
		return (a.cmd.ProcessState.UserTime() + a.cmd.ProcessState.SystemTime()).Round(time.Millisecond)
	}
	behind := func(q float64) time.Duration {
		return times[int(q*float64(len(times)-1))].Sub(began).Round(time.Millisecond)
	}
	t.Logf("%d sessions, %d messages: the old process was gone behind %v, the next one served behind %v; half of the sessions were back behind %v, all behind %v; processor time %v and %v",
		len(times), all, gone.Round(time.Millisecond), serving.Round(time.Millisecond), behind(0.5), behind(1), cpu(old), cpu(heir))
}
