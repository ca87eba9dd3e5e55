package metrics

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
)

// snapshot is what a hub has, read from all of its sessions and rooms.
type snapshot struct {
	state            live.State
	queued, greatest int64            // bytes that wait for connections
	hot              []live.RoomState // the rooms with the greatest rate
	took             time.Duration
	at               time.Time // when it was read
}

// reader reads snapshots of a hub, not more often than is cheap.
type reader struct {
	hub    *live.Hub
	hot    int
	maxAge time.Duration

	mu   sync.Mutex // held while it reads: who comes meanwhile gets the same
	last snapshot
}

const leisure = 20 // reading takes no more than one part of so many

func (r *reader) read() snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if !r.last.at.IsZero() && r.maxAge >= 0 && now.Sub(r.last.at) < max(r.maxAge, leisure*r.last.took) {
		return r.last
	}
	s := snapshot{state: r.hub.State()}
	for _, one := range r.hub.Sessions() {
		n := int64(one.Queued())
		s.queued += n
		s.greatest = max(s.greatest, n)
	}
	if r.hot > 0 {
		s.hot = hottest(r.hub.States(), r.hot)
	}
	// What a slow member had no room for is taken back. A counter that falls is taken for one that began anew.
	s.state.MessagesOut = max(s.state.MessagesOut, r.last.state.MessagesOut)
	s.state.BytesOut = max(s.state.BytesOut, r.last.state.BytesOut)
	s.at = time.Now()
	s.took = s.at.Sub(now)
	r.last = s
	return s
}

// hottest are the n rooms to which most comes, of those to which something does.
func hottest(all []live.RoomState, n int) []live.RoomState {
	var warm []*live.RoomState // pointers are sorted by code that is there already, for other types
	for i := range all {
		if all[i].Rate != 0 {
			warm = append(warm, &all[i])
		}
	}
	slices.SortFunc(warm, func(a, b *live.RoomState) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Name, b.Name))
	})
	hot := make([]live.RoomState, 0, n)
	for _, s := range warm[:min(n, len(warm))] {
		hot = append(hot, *s)
	}
	return hot
}
