package live

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// flights counts the publishes of clients that are under way, in each room and in all.
type flights struct {
	all    atomic.Int64
	seed   maphash.Seed
	shards [64]struct {
		mu    sync.Mutex
		rooms map[string]int // none with nothing under way
	}
}

// begin counts a publish to a room, unless there are too many there or in all.
func (f *flights) begin(room string, most, mostOfAll int) bool {
	if f.all.Add(1) > int64(mostOfAll) {
		f.all.Add(-1)
		return false
	}
	s := &f.shards[maphash.String(f.seed, room)%64]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[room] >= most {
		f.all.Add(-1)
		return false
	}
	if s.rooms == nil {
		s.rooms = map[string]int{}
	}
	s.rooms[room]++
	return true
}

// end counts n publishes to a room as over.
func (f *flights) end(room string, n int) {
	f.all.Add(-int64(n))
	s := &f.shards[maphash.String(f.seed, room)%64]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[room] -= n; s.rooms[room] == 0 {
		delete(s.rooms, room)
	}
}
