package live

import (
	"github.com/tidewire/tidewire/live/protocol"
)

// A pattern is the name of a room or a wildcard: in it "*" stands for one segment,
// and a last ">" for one or more.

// checkPattern panics with what is wrong with a pattern that a program gives.
func checkPattern(what, pattern string) {
	if err := protocol.CheckRoom(pattern); err != nil {
		panic("live: " + what + " " + pattern + ": " + err.Message)
	}
}
