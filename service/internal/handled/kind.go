// Package handled names what a hub's hooks are told of a message that was handled: what the client wanted with it, and what it was told.
package handled

import (
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// Kind is what a client wants with a message.
type Kind byte

// The kinds of messages.
const (
	Hello Kind = iota
	Join
	Leave
	History
	Presence
	Publish
	Call    // a message without a room, to be answered
	Message // and one that is not
	Kinds   // how many there are
)

var names = [Kinds]string{"hello", "join", "leave", "history", "presence", "publish", "call", "message"}

// String returns the kind in lower case.
func (k Kind) String() string { return names[k] }

// KindOf returns what a message that comes to a handler is for.
func KindOf(m *live.Message) Kind {
	switch m.Type {
	case protocol.TypeHello:
		return Hello
	case protocol.TypeJoin:
		return Join
	case protocol.TypeLeave:
		return Leave
	case protocol.TypeHistory:
		return History
	case protocol.TypePresence:
		return Presence
	}
	switch {
	case m.Room != "":
		return Publish
	case m.ID > 0:
		return Call
	}
	return Message
}
