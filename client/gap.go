package client

import (
	"fmt"

	"github.com/tidewire/tidewire/live/protocol"
)

// Gap says that messages of a room are missing. It is an error so that [Messages] can yield it.
type Gap struct {
	Room string
	// After is the sequence number behind which they are missing; 0 if it is unknown.
	After uint64
	// Position is where the room goes on, in what may be another epoch; zero in rooms without history.
	Position Position
	// Reason is one of the constants, or another word of the server's.
	Reason string
}

// The reasons of a Gap.
const (
	GapEvicted = protocol.GapEvicted // the room's history does not reach back so far
	GapEpoch   = protocol.GapEpoch   // the history was lost or recreated
	GapRewound = protocol.GapRewound // the server lost stored messages
	GapSlow    = protocol.GapSlow    // the connection was too slow
	// GapOverflow: callbacks, or the body of a Messages loop, were too slow: see Options.Inbox. Room.History
	// may still have the messages.
	GapOverflow = "overflow"
)

// Error says where what is missing.
func (g *Gap) Error() string {
	return fmt.Sprintf("client: messages of %s behind %d are missing: %s", g.Room, g.After, g.Reason)
}
