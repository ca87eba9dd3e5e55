package protocol

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A nameRule is a row of the table in docs/protocol.md, "Names".
type nameRule struct {
	what  string
	max   int  // bytes
	ascii bool // and nothing else
	space bool // may hold U+0020
	room  bool // has segments
}

var (
	typeRule  = nameRule{what: "type", max: MaxType}
	roomRule  = nameRule{what: "room", max: MaxRoom, room: true}
	midRule   = nameRule{what: "mid", max: MaxMid}
	keyRule   = nameRule{what: "key", max: MaxMid}
	epochRule = nameRule{what: "epoch", max: MaxEpoch}
	userRule  = nameRule{what: "user", max: MaxUser, space: true}
	fromRule  = nameRule{what: "from", max: MaxUser, space: true}
	tokenRule = nameRule{what: "token", max: MaxToken, ascii: true}
)

// CheckType returns what is wrong with the type of a message, or nil.
func CheckType(s string) *Error { return typeRule.check(s) }

// CheckRoom returns what is wrong with the name of a room, or nil. Wildcards are names,
// see [IsWildcard].
func CheckRoom(s string) *Error { return roomRule.check(s) }

// CheckMid returns what is wrong with the id of a message, or nil.
func CheckMid(s string) *Error { return midRule.check(s) }

// CheckKey returns what is wrong with the key of a message, or nil.
func CheckKey(s string) *Error { return keyRule.check(s) }

// CheckUser returns what is wrong with the name of a user, or nil.
func CheckUser(s string) *Error { return userRule.check(s) }

// CheckToken returns what is wrong with a token, or nil. It never repeats it.
func CheckToken(s string) *Error { return tokenRule.check(s) }

// IsWildcard reports whether a room's name, which CheckRoom has accepted, stands for more
// than one room.
func IsWildcard(room string) bool {
	return strings.ContainsAny(room, "*>")
}

// Matches reports whether a wildcard, or a name, matches a room's name.
func Matches(pattern, room string) bool {
	for {
		p, pRest, pMore := strings.Cut(pattern, ":")
		r, rRest, rMore := strings.Cut(room, ":")
		if p == ">" && !pMore {
			return true
		}
		if p != r && p != "*" {
			return false
		}
		if pMore != rMore {
			return false
		}
		if !pMore {
			return true
		}
		pattern, room = pRest, rRest
	}
}

func (r *nameRule) tooLong() *Error {
	return Errorf(CodeTooLarge, "%s is longer than %d bytes", r.what, r.max)
}

func (r *nameRule) check(s string) *Error {
	if len(s) == 0 {
		return Errorf(CodeInvalid, "%s is empty", r.what)
	}
	if len(s) > r.max {
		return r.tooLong()
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c > ' ' && c < 0x7f || c == ' ' && r.space {
			i++
			continue
		}
		char, n := utf8.DecodeRuneInString(s[i:])
		if c < utf8.RuneSelf || r.ascii || char == utf8.RuneError && n == 1 || !unicode.IsPrint(char) {
			return Errorf(CodeInvalid, "%s has a character at byte %d that may not be there", r.what, i)
		}
		i += n
	}
	if r.room {
		return checkSegments(s)
	}
	return nil
}

// checkSegments checks what is between the colons of a room's name.
func checkSegments(s string) *Error {
	for more := true; more; {
		var segment string
		segment, s, more = strings.Cut(s, ":")
		switch {
		case segment == "":
			return Errorf(CodeInvalid, "room has an empty segment")
		case segment == "*", segment == ">" && !more:
		case segment == ">":
			return Errorf(CodeInvalid, `room has a ">" that is not its last segment`)
		case strings.ContainsAny(segment, "*>"):
			return Errorf(CodeInvalid, `room has a "*" or ">" that is not a segment of its own`)
		}
	}
	return nil
}

// Covers reports whether a pattern matches everything that another one matches, each a room's name or a wildcard.
func Covers(a, b string) bool {
	for {
		x, aRest, aMore := strings.Cut(a, ":")
		y, bRest, bMore := strings.Cut(b, ":")
		if x == ">" && !aMore {
			return true
		}
		if y == ">" && !bMore || x != y && x != "*" || aMore != bMore {
			return false
		}
		if !aMore {
			return true
		}
		a, b = aRest, bRest
	}
}

// Overlap reports whether some room matches both of two wildcards or rooms.
func Overlap(a, b string) bool {
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
