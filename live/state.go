package live

import (
	"maps"
	"math"
	"slices"
	"time"
)

// State is what a Hub has on this node at a moment, for metrics and consoles. What counts up does so from the Hub's beginning.
type State struct {
	Sessions   int   // connected
	Users      int   // with a session; strangers are none
	Rooms      int   // and wildcards, with members here
	Members    int   // of these together
	Healing    int   // rooms that are reading what they may have missed
	Publishing int   // publishes of clients that are not stored yet
	Recent     int64 // bytes kept for those who come back: see Options.RecentBytes
	Degraded   bool  // messages cannot be stored
	Draining   bool

	Panics int64 // of handlers

	// Messages of the protocol, and their bytes before compression and frames. A message to many members counts for each;
	// one that a slow member had no room for does not, until it gets it (but for a few at the moment when it falls behind).
	MessagesIn, BytesIn   int64
	MessagesOut, BytesOut int64
}

// State returns what the Hub has now. It asks each room, so its cost grows with their number.
func (h *Hub) State() State {
	s := State{
		Publishing: int(h.flights.all.Load()),
		Degraded:   h.outage.on.Load(),
		Panics:     h.panics.Load(),
		MessagesIn: h.traffic.in.messages.Load(), BytesIn: h.traffic.in.bytes.Load(),
		MessagesOut: h.traffic.out.messages.Load(), BytesOut: h.traffic.out.bytes.Load(),
	}
	h.recent.mu.Lock()
	s.Recent = h.recent.used
	h.recent.mu.Unlock()
	h.mu.Lock()
	s.Sessions, s.Users, s.Draining = len(h.sessions), len(h.users), h.draining
	h.mu.Unlock()
	h.rooms.each(func(r *room) {
		r.mu.Lock()
		defer r.mu.Unlock()
		s.Rooms++
		s.Members += len(r.members) + r.coming
		if r.keeps() && r.healing {
			s.Healing++
		}
	})
	return s
}

// Sessions returns those that are connected to this node, in no order.
func (h *Hub) Sessions() []*Session {
	n := h.Len()
	all := make([]*Session, 0, n+n/16+16) // before the lock: memory may have to be made free first
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.AppendSeq(all, maps.Keys(h.sessions))
}

// RoomState is a room as this node has it.
type RoomState struct {
	Name     string
	Members  int      // sessions on this node, with those that are just joining
	Position Position // of the last message that came here; zero without a history
	Healing  bool     // it is reading what it may have missed
	Rate     float64  // messages a second that came here, over about the last half minute

	// Horizon is how long a member can be away at this Rate and still recover all that it missed: until the room's History has
	// more messages than are stored, or they are older than its HistoryAge. 0: nothing comes that would take others' place, or
	// the room has no history.
	Horizon time.Duration
}

// States returns the rooms and wildcards that have members on this node, sorted by name.
func (h *Hub) States() []RoomState {
	all, _ := h.StatesAfter("", "", math.MaxInt)
	return all
}

// StatesAfter returns a page of States: at most that many whose names begin with the prefix, "" for any, and come behind
// after, "" for the first. more says that there are others behind them.
func (h *Hub) StatesAfter(prefix, after string, most int) (page []RoomState, more bool) {
	rooms, more := h.rooms.page(prefix, after, most)
	now := time.Now()
	for _, r := range rooms {
		page = append(page, r.state(now))
	}
	return page, more
}

func (r *room) state(now time.Time) RoomState {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := RoomState{Name: r.name, Members: len(r.members) + r.coming, Rate: r.rate.at(now)}
	if !r.keeps() {
		return s
	}
	s.Position, s.Healing = r.last, r.healing
	s.Horizon = r.kind.set.HistoryAge
	if s.Rate > 0 {
		until := float64(r.kind.set.History) / s.Rate * float64(time.Second)
		if until < float64(math.MaxInt64) && (s.Horizon == 0 || until < float64(s.Horizon)) {
			s.Horizon = time.Duration(until)
		}
	}
	return s
}
