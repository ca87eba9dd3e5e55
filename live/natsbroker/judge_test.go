//go:build linux

package natsbroker_test

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/client"
)

// heard is what a subscriber was told: a message, or a gap.
type heard struct {
	pos client.Position
	mid string
	gap *client.Gap
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
		for _, who := range c.who {
			for {
				c.mu.Lock()
				all := c.seen[who+" "+name]
				there := len(all) > 0 && all[len(all)-1].pos == last
				c.mu.Unlock()
				if there {
					break
				}
				if ctx.Err() != nil {
					c.t.Errorf("subscriber %s of %s does not get the last message, %v", who, name, last)
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
