//go:build linux

package natsbroker_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
)

var minorityTime = flag.Duration("minority.time", 15*time.Second, "for how long TestMinority cuts a node off; the soak has a minute")

// at returns a client of one node.
func (c *crew) at(i int) *client.Client {
	return c.dialing(func(ctx context.Context, _, _ string) (net.Conn, error) {
		addr := c.nodes[i].addr.Load()
		if addr == nil {
			return nil, errors.New("it does not serve yet")
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", *addr)
	})
}

// A node that is cut off from the others keeps its sessions and tells them so. It acknowledges nothing, and says of no room
// that it is up to date; and all of that is over when it is not cut off any more.
func TestMinority(t *testing.T) {
	c := newCrew(t, rand.New(rand.NewPCG(1, 1)), false)
	inside, outside := c.at(0), c.at(1)
	c.subscribe(inside, "in", "room:0", nil)
	open := inside.State().Session
	room := func(x *client.Client, name string) *client.Room {
		r, err := x.Room(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if _, err := room(outside, "room:0").Send(t.Context(), "n", "before"); err != nil {
		t.Fatal(err)
	}
	until := func(what string, f func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waited in vain for: %s", what)
			}
		}
	}
	c.cut(0, true)
	cutAt := time.Now()
	type answer struct {
		what string
		err  error
		at   time.Time
	}
	answers := make(chan answer, 3)
	ask := func(what string, f func() error) {
		go func() {
			err := f()
			answers <- answer{what, err, time.Now()}
		}()
	}
	ask("a publish", func() error { _, err := room(inside, "room:0").Send(t.Context(), "n", "inside"); return err })
	for i := range 10 { // which goes on outside
		if _, err := room(outside, fmt.Sprint("room:", i%2)).Send(t.Context(), "n", i); err != nil {
			t.Fatal(err)
		}
	}
	// Its own server has the room as it was, and would give that out.
	reads := make(chan int)
	mended := make(chan struct{})
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-mended:
				reads <- n
				return
			default:
			}
			ctx, done := context.WithTimeout(t.Context(), 2*time.Second)
			page, err := room(inside, "room:0").History(ctx, 0, 100)
			done()
			if err == nil && len(page.Messages) < 6 {
				t.Errorf("a stale read while the node was cut off: %d messages", len(page.Messages))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	until("$degraded", func() bool { return inside.State().Degraded })
	t.Logf("$degraded came %v behind the cut", time.Since(cutAt).Round(time.Millisecond))
	ask("a join", func() error { return room(inside, "room:1").Join(t.Context()) })
	time.Sleep(time.Until(cutAt.Add(*minorityTime)))
	if s := inside.State(); s.Session != open || s.Phase != client.Open {
		t.Errorf("the session is gone: %+v", s)
	}
	if outside.State().Degraded {
		t.Error("who is with the majority is told $degraded")
	}
	healed := time.Now()
	close(mended)
	c.cut(0, false)
	if n := <-reads; n < 3 {
		t.Errorf("only %d reads were tried", n)
	}
	for range 2 {
		select {
		case a := <-answers:
			switch {
			case a.at.Before(healed) && a.err == nil:
				t.Errorf("%s succeeded while the node was cut off", a.what)
			case a.at.After(healed) && a.err != nil:
				t.Errorf("%s failed when the node was back: %v", a.what, a.err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no answer when the node was back")
		}
	}
	until("the end of $degraded", func() bool { return !inside.State().Degraded })
	t.Logf("it was over %v behind the mending", time.Since(healed).Round(time.Millisecond))
	last, err := room(inside, "room:0").Send(t.Context(), "n", "behind")
	if err != nil {
		t.Fatal(err)
	}
	until("the last message", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		all := c.seen["in room:0"]
		return len(all) > 0 && all[len(all)-1].pos == last
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.seen["in room:0"]); n != 8 { // before, five of those outside, inside, behind
		t.Errorf("%d messages were heard: %+v", n, c.seen["in room:0"])
	}
	for _, h := range c.seen["in room:0"] {
		if h.gap != nil {
			t.Errorf("a gap: %+v", *h.gap)
		}
	}
}
