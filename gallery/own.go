package gallery

import (
	"context"

	"github.com/tidewire/tidewire/live"
)

// ownRooms are the patterns whose rooms stay on their node, whatever the broker is: what they tell is a world in this process,
// which another node has for itself, and which begins anew with the process.
var ownRooms = map[string]bool{pricesRoom: true, trackerRoom: true, recoveryLong: true, recoveryShort: true}

// split is a broker that has the rooms of ownRooms in the memory of the process.
type split struct {
	live.Broker
	own *live.Memory
}

func (s split) of(keep *live.Retention) live.Broker {
	if keep != nil && ownRooms[keep.Pattern] {
		return s.own
	}
	return s.Broker
}

func (s split) Configure(keep *live.Retention) error { return s.of(keep).Configure(keep) }

func (s split) Publish(p *live.Publish, done func(live.Stored, error)) {
	s.of(p.Room.Retention).Publish(p, done)
}

func (s split) Subscribe(room live.Room, sink live.Sink) (cancel func(), err error) {
	return s.of(room.Retention).Subscribe(room, sink)
}

func (s split) History(ctx context.Context, room live.Room, q live.Query) (live.Page, error) {
	return s.of(room.Retention).History(ctx, room, q)
}

func (s split) Latest(ctx context.Context, room live.Room) ([]*live.Message, error) {
	return s.of(room.Retention).Latest(ctx, room)
}
