package gallery

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/live"
)

const (
	recoveryLong, recoveryShort = "recovery:long", "recovery:short"

	countEvery = 400 * time.Millisecond
	countOn    = time.Minute // when nobody is there: somebody may have cut the line
)

// recoveryRooms are told the same numbers, and differ in how many they keep.
var recoveryRooms = []struct {
	name string
	kept int
}{{recoveryLong, 1000}, {recoveryShort, 5}}

// number is what the rooms are told: 1, 2, 3 and so on.
type number struct {
	N int64 `json:"n"`
}

// since is how many numbers were published behind one of them.
type since struct {
	Published int64 `json:"published"`
	Last      int64 `json:"last"`
}

// A counter publishes numbers, so that a page sees whether one is missing.
type counter struct {
	hub      *live.Hub
	watchers *audience
	run      string       // begins the ids: a broker may outlive the counting
	last     atomic.Int64 // that both rooms have
}

// recovery is numbers in two rooms, to be cut off from.
func recovery(hub *live.Hub) func(context.Context) {
	c := &counter{hub: hub, watchers: newAudience(), run: rand.Text()[:10]}
	for _, room := range recoveryRooms {
		hub.ConfigureRooms(room.name, live.RoomOptions{
			History:    room.kept,
			CanJoin:    c.watchers.enter,
			CanPublish: serverOnly,
		})
	}
	live.Handle(hub, "recovery.since", c.since)
	live.Handle(hub, "recovery.cut", cutLine)
	return c.publish
}

// since tells a page what it has to have got: it counts for itself.
func (c *counter) since(_ context.Context, _ *live.Session, n int64) (since, error) {
	last := c.last.Load()
	if n < 0 || n > last {
		return since{}, &live.Error{Code: "recovery.number", Message: "there was no such number since the server has started"}
	}
	return since{last - n, last}, nil
}

// cutLine ends the connection on which it is called, without a word. So nobody hears the answer.
func cutLine(_ context.Context, s *live.Session, _ any) (any, error) {
	s.Conn().CloseNow()
	return nil, nil
}

// publish counts while somebody is there, and for a while longer.
func (c *counter) publish(ctx context.Context) {
	ticker := time.NewTicker(countEvery)
	defer ticker.Stop()
	var until time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if !c.watchers.empty() {
				until = now.Add(countOn)
			}
			if now.Before(until) {
				c.count(ctx)
			}
		}
	}
}

// count publishes the next number. Where that fails it is tried again: with its id it is stored once.
func (c *counter) count(ctx context.Context) {
	n := c.last.Load() + 1
	for _, room := range recoveryRooms {
		if _, err := c.hub.Room(room.name).Publish(ctx, "number", number{n}, live.WithID(fmt.Sprint(c.run, "-", n))); err != nil {
			return
		}
	}
	c.last.Store(n)
}
