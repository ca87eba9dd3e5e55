//go:build linux

package natsbroker_test

import (
	"context"
	"sync"
	"time"

	"github.com/tidewire/tidewire/client"
)

// heard is what a subscriber was told: a message, or a gap.
type heard struct {
	pos client.Position
	mid string
	gap *client.Gap
}

// rest publishes a last message to each room, waits until everybody has it, and returns what is stored: what somebody is told
// who begins at the beginning.
func (c *crew) rest() map[string][]heard {
	ctx, done := context.WithTimeout(c.t.Context(), time.Minute+*promiseTime/4)
	defer done()
	x := c.client()
	var all sync.WaitGroup
	for _, name := range promiseRooms {
		all.Go(func() {
			room, err := x.Room(name, nil)
			if err != nil {
				c.t.Error(err)
				return
			}
			last, err := room.Send(ctx, "n", "last")
			if err != nil {
				c.t.Errorf("the last message of %s: %v", name, err)
				return
			}
			c.subscribe(c.client(), "log", name, &client.RoomOptions{Position: client.Position{Epoch: last.Epoch, Seq: 1}})
			for _, who := range append([]string{"log"}, c.who...) {
				c.waitFor(ctx, who, name, last)
			}
		})
	}
	all.Wait()
	log := map[string][]heard{}
	for _, name := range promiseRooms {
		log[name] = c.seen["log "+name]
	}
	return log
}

func (c *crew) waitFor(ctx context.Context, who, name string, last client.Position) {
	for there := false; !there; pass(ctx, 10*time.Millisecond) {
		c.mu.Lock()
		all := c.seen[who+" "+name]
		there = len(all) > 0 && all[len(all)-1].pos == last
		c.mu.Unlock()
		if ctx.Err() != nil && !there {
			c.t.Errorf("subscriber %s of %s does not get the last message, %v", who, name, last)
			return
		}
	}
}

// judge holds what was told against what is stored.
func (c *crew) judge(log map[string][]heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range promiseRooms {
		index := map[string]int{}
		for i, m := range log[name] {
			if m.gap != nil {
				c.t.Errorf("%s begins with a gap, and nothing was evicted: %+v", name, *m.gap)
			}
			if _, twice := index[m.mid]; twice {
				c.t.Errorf("%s: %s is stored twice", name, m.mid)
			}
			index[m.mid] = i
		}
		for mid, pos := range c.acked[name] {
			if i, ok := index[mid]; !ok || log[name][i].pos.Seq != pos.Seq {
				c.t.Errorf("%s: %s was acknowledged as %v, and is not there", name, mid, pos)
			}
		}
		for _, who := range c.who {
			at := -1
			for n, h := range c.seen[who+" "+name] {
				i, ok := index[h.mid]
				switch {
				case h.gap != nil:
					c.t.Errorf("subscriber %s of %s was told of a gap, and nothing was evicted: %+v", who, name, *h.gap)
				case !ok:
					c.t.Errorf("subscriber %s of %s got %s, which is not stored", who, name, h.mid)
				case n > 0 && i != at+1:
					c.t.Errorf("subscriber %s of %s got message %d behind message %d", who, name, i, at)
				}
				at = i
			}
		}
	}
}
