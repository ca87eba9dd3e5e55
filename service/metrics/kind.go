package metrics

import (
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// kind is what a client wants with a message.
type kind byte

const (
	hello kind = iota
	join
	leave
	history
	presence
	publish
	call    // a message without a room, to be answered
	message // and one that is not
	kinds
)

var kindNames = [kinds]string{"hello", "join", "leave", "history", "presence", "publish", "call", "message"}

func kindOf(m *live.Message) kind {
	switch m.Type {
	case protocol.TypeHello:
		return hello
	case protocol.TypeJoin:
		return join
	case protocol.TypeLeave:
		return leave
	case protocol.TypeHistory:
		return history
	case protocol.TypePresence:
		return presence
	}
	switch {
	case m.Room != "":
		return publish
	case m.ID > 0:
		return call
	}
	return message
}
