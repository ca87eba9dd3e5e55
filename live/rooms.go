package live

import (
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// Policy says what becomes of a member that takes messages more slowly than they are
// published.
type Policy byte

const (
	// CatchUp stops feeding it, and replays what it missed from the history as it
	// takes it. It is the default in rooms with history.
	CatchUp Policy = iota + 1
	// Disconnect closes it with 1013. It is the default in rooms without history.
	Disconnect
	// DropOldest skips messages, and tells it of the gap.
	DropOldest
	// Latest keeps the latest message of each key, and sends these once it can take
	// them. It is for rooms without history; who joins gets the latest of each key.
	// Messages without a key have their type for one.
	Latest
)

// String returns the policy's name.
func (p Policy) String() string {
	switch p {
	case CatchUp:
		return "catch up"
	case Disconnect:
		return "disconnect"
	case DropOldest:
		return "drop oldest"
	case Latest:
		return "latest"
	}
	return fmt.Sprintf("Policy(%d)", byte(p))
}

// RoomOptions configures the rooms that a pattern matches. The zero value of each
// field is its default.
type RoomOptions struct {
	// History is how many messages of each room are stored. 0 means none: messages
	// then have no positions, and nothing is recovered.
	History int

	// HistoryAge is how long a message is stored, at most. 0 means as long as the
	// broker has room for it.
	HistoryAge time.Duration

	// Slow says what becomes of slow members. 0 means CatchUp where there is
	// History, and Disconnect elsewhere.
	Slow Policy

	// MaxKeys bounds the keys of a room under Latest; past it, the one that was
	// published longest ago is forgotten. 0 means 10,000.
	MaxKeys int

	// Presence has members who ask for it told who is in the room, on all nodes, and
	// who comes and goes; see also RoomHandle.Present.
	Presence bool

	// PresenceMax is how many sessions are told of one by one; in a room with more,
	// only how many there are. 0 means 1000. A list that would fill more than half of
	// Options.Accept.WriteQueue is not told either.
	PresenceMax int

	// Rate bounds how many messages a second clients publish to a room, all of them together, and Burst how many at once;
	// past it they are told "rate". Each node counts what its own clients publish. 0 means no bound, and a Burst of 0 twice
	// the Rate.
	Rate, Burst int

	// MaxMembers is how many sessions may be in a room, or in a wildcard, on each node; one more is told "limit". 0 means no
	// bound.
	MaxMembers int

	// CanJoin says whether a session may be in a room: nil lets it in, an *Error
	// tells it why not, and another error is "forbidden". It is asked again after
	// each $refresh; the token is empty then. nil lets everybody in.
	CanJoin func(ctx context.Context, s *Session, room, token string) error

	// CanPublish says whether a session may publish messages of that type. nil lets
	// every one that may join: the session must be a member.
	CanPublish func(ctx context.Context, s *Session, room, typ string) error

	// CanWatch says whether a session may join a wildcard that this pattern covers.
	// nil lets nobody.
	CanWatch func(ctx context.Context, s *Session, wildcard string) error
}

// kind is a pattern with its options.
type kind struct {
	pattern   string
	set       RoomOptions
	retention *Retention
	publish   []*publishHandler
}

// ConfigureRooms says what holds for the rooms that a pattern matches; in it "*"
// stands for one segment, and a last ">" for one or more. The pattern that covers
// least counts. Rooms that none matches do not exist.
//
// It panics if the pattern or the options make no sense, if another pattern matches
// some of the same rooms and neither covers the other, and if the broker refuses it.
// It comes before the Hub serves anybody.
func (h *Hub) ConfigureRooms(pattern string, o RoomOptions) {
	checkPattern("ConfigureRooms", pattern)
	bad := func(why string) { panic("live: ConfigureRooms " + pattern + ": " + why) }
	if o.Slow == 0 {
		o.Slow = Disconnect
		if o.History > 0 {
			o.Slow = CatchUp
		}
	}
	if o.MaxKeys == 0 {
		o.MaxKeys = 10_000
	}
	if o.PresenceMax == 0 {
		o.PresenceMax = 1000
	}
	if o.Burst == 0 {
		o.Burst = 2 * o.Rate
	}
	switch {
	case o.Rate < 0 || o.Burst < 0 || o.MaxMembers < 0:
		bad("a negative number")
	case o.Rate == 0 && o.Burst > 0:
		bad("a Burst needs a Rate")
	case o.History < 0 || o.HistoryAge < 0 || o.MaxKeys < 0 || o.PresenceMax < 0:
		bad("a negative number")
	case o.Slow == CatchUp && o.History == 0:
		bad("CatchUp needs History")
	case o.Slow == Latest && o.History > 0:
		bad("Latest is for rooms without History")
	case o.Slow > Latest:
		bad("no such Policy")
	}
	k := &kind{pattern: pattern, set: o}
	k.retention = &Retention{Pattern: pattern, History: o.History, Age: o.HistoryAge}
	if o.Slow == Latest {
		k.retention.Keys, k.retention.MaxKeys = true, o.MaxKeys
	}
	h.confMu.Lock()
	defer h.confMu.Unlock()
	for _, other := range h.kinds {
		if other.pattern == pattern {
			bad("it is configured already")
		}
		if protocol.Overlap(other.pattern, pattern) && !protocol.Covers(other.pattern, pattern) && !protocol.Covers(pattern, other.pattern) {
			bad("some rooms match " + other.pattern + " too, and neither covers the other")
		}
	}
	if err := h.broker.Configure(k.retention); err != nil {
		bad(err.Error())
	}
	h.kinds = append(h.kinds, k)
}

// kindOf returns the pattern that counts for a room, or nil.
func (h *Hub) kindOf(room string) *kind {
	h.confMu.RLock()
	defer h.confMu.RUnlock()
	var best *kind
	for _, k := range h.kinds {
		if protocol.Matches(k.pattern, room) && (best == nil || protocol.Covers(best.pattern, k.pattern)) {
			best = k
		}
	}
	return best
}
