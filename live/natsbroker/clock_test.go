//go:build linux

package natsbroker_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
)

// TestClockJumps sets the clock of a single server, forwards and back: what is of age by it is told as a gap and is there again when it is
// not any more, and messages are known again.
func TestClockJumps(t *testing.T) {
	set, err := bendClock()
	if err != nil {
		t.Logf("NO CLOCK IS SET: %v", err)
		return
	}
	clock := func(d time.Duration) {
		t.Helper()
		if err := set(d); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { clock(0) })
	b, err := serve(t, natsbroker.ServerOptions{}).Connect(&natsbroker.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	aged := live.Room{Name: "aged:0", Retention: &live.Retention{Pattern: "aged:*", History: 1000, Age: 10 * time.Minute}}
	if err := b.Configure(aged.Retention); err != nil {
		t.Fatal(err)
	}
	send := func(mid string, again bool) {
		t.Helper()
		st, err := put(b, aged, mid)
		if err != nil || st.Duplicate != again {
			t.Fatalf("%s: stored as %+v, %v", mid, st, err)
		}
	}
	// has sees what is given out: all behind the floor, up to which the hub tells a gap.
	has := func(when string, want ...string) {
		t.Helper()
		page, err := b.History(t.Context(), aged, live.Query{From: 1, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var mids []string
		for _, m := range page.Messages {
			mids = append(mids, m.Mid)
		}
		if !slices.Equal(mids, want) || (page.Floor > 0) != (want[0] != "one") {
			t.Fatalf("%s: %q behind %d", when, mids, page.Floor)
		}
	}
	send("one", false)
	clock(time.Hour)
	send("one", true)
	send("two", false)
	has("an hour later the first is of age", "two")
	clock(0)
	has("it is not any more", "one", "two")
	send("one", true)
	send("two", true)
	send("three", false)
	clock(-2 * time.Hour)
	send("four", false)
	send("three", true)
	has("two hours before", "one", "two", "three", "four")
	clock(48 * time.Hour)
	send("five", false)
	has("two days later", "five")
	clock(0)
	send("five", true)
	has("back again", "one", "two", "three", "four", "five")
}

// A node whose clock was set back looks after its streams as before: that it is cut off is told to who is there, also when nobody
// joins, publishes or listens.
func TestClockSetBack(t *testing.T) {
	_, err := bendClock()
	if err != nil {
		t.Logf("NO CLOCK IS SET: %v", err)
	}
	c := newCrew(t, rand.New(rand.NewPCG(3, 3)), err == nil)
	x := c.at(0)
	until := func(what string, f func(s client.State) bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !f(x.State()); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waited in vain for: %s", what)
			}
		}
	}
	until("the streams", func(s client.State) bool { return s.Phase == client.Open && !s.Degraded })
	c.nodes[0].clock(-2 * time.Hour)
	time.Sleep(100 * time.Millisecond)
	c.cut(0, true)
	until("$degraded", func(s client.State) bool { return s.Degraded })
}
