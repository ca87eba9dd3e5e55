package console

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/live"
)

// roomRow is a room in a table.
type roomRow struct {
	Name    string  `json:"name"`
	Members int     `json:"members"`
	Rate    float64 `json:"rate"`              // messages a second
	Horizon int64   `json:"horizon,omitempty"` // ms for which a client can be away and recover; none: without end, or no history
	History bool    `json:"history"`
	Healing bool    `json:"healing,omitempty"`
}

func showRoom(r *live.RoomState) roomRow {
	return roomRow{r.Name, r.Members, r.Rate, r.Horizon.Milliseconds(), !r.Position.IsZero(), r.Healing}
}

// horizon sorts rooms without one behind all others.
func horizon(r *live.RoomState) time.Duration { return cmp.Or(r.Horizon, 1<<62) }

var roomOrders = map[string]func(a, b *live.RoomState) int{
	"":        func(a, b *live.RoomState) int { return strings.Compare(a.Name, b.Name) },
	"name":    func(a, b *live.RoomState) int { return strings.Compare(a.Name, b.Name) },
	"members": func(a, b *live.RoomState) int { return cmp.Compare(a.Members, b.Members) },
	"rate":    func(a, b *live.RoomState) int { return cmp.Compare(a.Rate, b.Rate) },
	"horizon": func(a, b *live.RoomState) int { return cmp.Compare(horizon(a), horizon(b)) },
}

// searchRooms returns a page of the rooms that have members on this node.
func (c *Console) searchRooms(_ context.Context, _ *live.Session, q search) (page[roomRow], error) {
	text := strings.ToLower(q.Text)
	return find(c, c.rooms.get(time.Now()), q, func(r *live.RoomState) bool { return contains(r.Name, text) }, roomOrders, showRoom)
}

// hottest returns the rooms where most comes.
func hottest(all []live.RoomState) []roomRow {
	hot := make([]*live.RoomState, 0, maxHot+1)
	for i := range all {
		r := &all[i]
		if r.Rate == 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(hot, r, func(a, b *live.RoomState) int { return cmp.Compare(b.Rate, a.Rate) })
		if at == maxHot {
			continue
		}
		if hot = slices.Insert(hot, at, r); len(hot) > maxHot {
			hot = hot[:maxHot]
		}
	}
	rows := make([]roomRow, len(hot))
	for i, r := range hot {
		rows[i] = showRoom(r)
	}
	return rows
}
