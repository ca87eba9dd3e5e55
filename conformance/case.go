package conformance

import (
	"fmt"
	"path"
	"strings"
	"sync"
)

// Role names the side of a connection that is under test. It is a bit set.
type Role uint8

const (
	// Server: the runner dials the implementation under test.
	Server Role = 1 << iota
	// Client: the implementation under test dials the runner.
	Client
)

const both = Server | Client

// String returns "server", "client" or "server and client".
func (r Role) String() string {
	switch r {
	case Server:
		return "server"
	case Client:
		return "client"
	case both:
		return "server and client"
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// MarshalText implements encoding.TextMarshaler with the form of String.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// A Case is one rule and the traffic that tests it.
type Case struct {
	ID      string // such as "5.3": numbers separated by dots, unique
	Group   string // what the ID's first number stands for
	Title   string // what is special about this case, in a few words
	Section string // where the rule stands, such as "RFC 6455 5.4"
	Rule    string // the rule in this package's words
	Sends   string // what the runner sends
	Expects string // what the peer should do
	Roles   Role   // which sides of a connection the case can test

	play  func(*session) // judges by panicking with an outcome; returning passes
	offer string         // Server: the Sec-WebSocket-Extensions value to offer
	// Client: chooses the extension answer to an offer; nil declines. It may end
	// the case as unsupported.
	answer  func(*session, offers) string
	deflate bool // the case is void when permessage-deflate is not agreed on
	manual  bool // play does its own handshake
	aside   bool // no case of the run: that it failed does not count
	heavy   bool // moves megabytes: few of these run at once
}

var allCases = sync.OnceValue(func() []Case {
	var all []Case
	for _, group := range []struct {
		name  string
		cases func() []Case
	}{
		{"Framing", framingCases},
		{"Pings and pongs", pingCases},
		{"Reserved bits", reservedCases},
		{"Opcodes", opcodeCases},
		{"Fragmentation", fragmentCases},
		{"UTF-8", textCases},
		{"Closing", closingCases},
		{"Limits and performance", limitCases},
		{"Fragment sizes", miscCases},
		{"Compression: contents", contentCases},
		{"Compression: parameters", parameterCases},
		{"Frame headers", headerCases},
		{"Order of pongs", pongCases},
		{"Ends of connections", endingCases},
		{"Handshake of a server", serverHandshakeCases},
		{"Handshake of a client", clientHandshakeCases},
		{"First segment", segmentCases},
		{"Compression: negotiation", negotiationCases},
		{"Compression: streams", streamCases},
	} {
		for _, c := range group.cases() {
			c.Group = group.name
			if c.Roles == 0 {
				c.Roles = both
			}
			all = append(all, c)
		}
	}
	return all
})

// Cases returns every case, in the order in which they are run and reported.
// The slice is the caller's.
func Cases() []Case { return append([]Case(nil), allCases()...) }

// Select returns the cases for a role whose ID matches one of the globs, in the
// order of Cases. A glob is a pattern of path.Match, in which * does not
// stop at dots: "6.*" is the whole group 6, "6.4.[12]" two cases. A glob that
// starts with "-" takes cases out again. No glob that includes means all. It is an error if
// a glob is malformed or matches nothing.
func Select(role Role, globs ...string) ([]Case, error) {
	var in, out []string
	for _, g := range globs {
		if rest, not := strings.CutPrefix(g, "-"); not {
			out = append(out, rest)
		} else {
			in = append(in, g)
		}
		if _, err := path.Match(g, ""); err != nil {
			return nil, fmt.Errorf("conformance: glob %q: %w", g, err)
		}
	}
	used := make(map[string]bool)
	match := func(globs []string, id string) bool {
		hit := false
		for _, g := range globs {
			if ok, _ := path.Match(g, id); ok {
				used[g], hit = true, true
			}
		}
		return hit
	}
	var chosen []Case
	for _, c := range allCases() {
		included, excluded := len(in) == 0 || match(in, c.ID), match(out, c.ID)
		if included && !excluded && c.Roles&role != 0 {
			chosen = append(chosen, c)
		}
	}
	for _, g := range append(in, out...) {
		if !used[g] {
			return nil, fmt.Errorf("conformance: no case matches %q", g)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("conformance: no case for a %v matches %q", role, globs)
	}
	return chosen, nil
}
