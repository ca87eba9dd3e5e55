package live

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// flights counts the publishes of clients: those that are under way, in each room and in all, and how many come to a room.
type flights struct {
	all    atomic.Int64
	seed   maphash.Seed
	shards [64]struct {
		mu    sync.Mutex
		rooms map[string]*flight
		swept int // how many rooms were left when idle ones were forgotten last
	}
}

// flight is what is published to a room. One with nothing under way is forgotten, unless its bucket is not full yet.
type flight struct {
	kind   *kind
	under  int
	bucket bucket
}

// begin counts a publish to a room, unless there are too many there or in all, or they come too fast.
func (f *flights) begin(room string, k *kind, l *Limits) error {
	if f.all.Add(1) > int64(l.Publishes) {
		f.all.Add(-1)
		return tooMany()
	}
	s := &f.shards[maphash.String(f.seed, room)%64]
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.rooms[room]
	if one == nil {
		one = &flight{kind: k}
		if s.rooms == nil {
			s.rooms = map[string]*flight{}
		}
		s.rooms[room] = one
	}
	if one.under >= l.RoomPublishes {
		f.all.Add(-1)
		return tooMany()
	}
	if now := time.Now(); k.set.Rate > 0 && !one.bucket.take(now, k.set.Rate, k.set.Burst) {
		f.all.Add(-1)
		e := protocol.Errorf(protocol.CodeRate, "too many messages to this room (live.RoomOptions.Rate)")
		e.RetryAfter = one.bucket.wait(k.set.Rate)
		return e
	}
	one.under++
	return nil
}

// end counts n publishes to a room as over.
func (f *flights) end(room string, n int) {
	f.all.Add(-int64(n))
	s := &f.shards[maphash.String(f.seed, room)%64]
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.rooms[room]
	if one.under -= n; one.under > 0 {
		return
	}
	if one.kind.set.Rate == 0 {
		delete(s.rooms, room)
	} else if len(s.rooms) > 2*s.swept+64 {
		now := time.Now()
		for name, one := range s.rooms {
			if one.under == 0 && one.bucket.full(now, one.kind.set.Rate, one.kind.set.Burst) {
				delete(s.rooms, name)
			}
		}
		s.swept = len(s.rooms)
	}
}
