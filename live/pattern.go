package live

import (
	"strings"

	"github.com/tidewire/tidewire/live/protocol"
)

// A pattern is the name of a room or a wildcard: in it "*" stands for one segment,
// and a last ">" for one or more.

// overlap reports whether some room matches both.
func overlap(a, b string) bool {
	for {
		x, aRest, aMore := strings.Cut(a, ":")
		y, bRest, bMore := strings.Cut(b, ":")
		if x == ">" && !aMore || y == ">" && !bMore {
			return true
		}
		if x != y && x != "*" && y != "*" || aMore != bMore {
			return false
		}
		if !aMore {
			return true
		}
		a, b = aRest, bRest
	}
}

// checkPattern panics with what is wrong with a pattern that a program gives.
func checkPattern(what, pattern string) {
	if err := protocol.CheckRoom(pattern); err != nil {
		panic("live: " + what + " " + pattern + ": " + err.Message)
	}
}
