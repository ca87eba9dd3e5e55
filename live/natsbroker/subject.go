package natsbroker

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// subject returns the part of a subject that names a room. Wildcards are NATS's own.
func subject(room string) string {
	segments := strings.Split(room, ":")
	for i, s := range segments {
		if s != "*" && s != ">" {
			segments[i] = token(s)
		}
	}
	return strings.Join(segments, ".")
}

// topic returns the part of a subject that names a topic of signals.
func topic(name string) string {
	segments := strings.Split(name, ":")
	for i, s := range segments {
		segments[i] = token(s)
	}
	return strings.Join(segments, ".")
}

// token makes one token of a subject of any text. Tokens that begin with "$" are the broker's own.
func token(s string) string {
	plain := s != ""
	for i := range len(s) {
		plain = plain && !special(s, i)
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if special(s, i) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	if s == "" {
		return "%"
	}
	return b.String()
}

// special reports whether a byte means something in a subject, or here.
func special(s string, i int) bool {
	switch c := s[i]; c {
	case '.', '*', '>', '%', 0x7f:
		return true
	case '$':
		return i == 0
	default:
		return c <= ' '
	}
}

// shard returns which of n a room is in. It is a part of what is stored: it never changes.
func shard(room string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(room))
	return int(h.Sum32() % uint32(n))
}
