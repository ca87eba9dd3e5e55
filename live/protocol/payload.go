package protocol

import (
	"cmp"
	"sort"
	"strings"
)

// The payloads of the messages whose type begins with "$". All times are in
// milliseconds.

// Hello is the data of a $hello.
type Hello struct {
	Token  string `json:"token,omitempty"`
	Client string `json:"client,omitempty"` // a secret by which a stranger's mids are known again
	Ping   int64  `json:"ping,omitempty"`   // silence after which the server is to send $ping
	Join   []Join `json:"join,omitempty"`
}

// Join is one room of a Hello, and, without Room and Pos, the data of a $join, whose
// envelope has them.
type Join struct {
	Room     string    `json:"room,omitempty"`
	Pos      *Position `json:"pos,omitempty"`
	Last     int       `json:"last,omitempty"` // how many stored messages, without a usable Pos
	Token    string    `json:"token,omitempty"`
	Presence bool      `json:"presence,omitempty"`
}

// Welcome is the data of the reply to a $hello, and, without Session, Dedupe and
// Backoff, to a $refresh.
type Welcome struct {
	Session string    `json:"session,omitempty"`
	User    string    `json:"user,omitempty"`
	TTL     int64     `json:"ttl,omitempty"`    // until the identity expires
	Dedupe  int64     `json:"dedupe,omitempty"` // how long a mid is known again
	Backoff *[2]int64 `json:"backoff,omitempty"`
}

// Refresh is the data of a $refresh.
type Refresh struct {
	Token string `json:"token,omitempty"`
}

// Joined is the data of the reply to a join.
type Joined struct {
	Recovered bool   `json:"recovered"`
	Head      uint64 `json:"head"`
}

// Gap is the data of a $gap.
type Gap struct {
	After  uint64 `json:"after,omitempty"`
	Reason string `json:"reason"`
}

// The reasons of a Gap.
const (
	GapEvicted = "evicted"
	GapEpoch   = "epoch"
	GapRewound = "rewound"
	GapSlow    = "slow"
)

// Left is the data of a $left.
type Left struct {
	Reason string `json:"reason"`
}

// The reasons of a Left that are not the application's.
const (
	LeftForbidden = "forbidden"
	LeftRemoved   = "removed"
)

// HistoryQuery is the data of a $history.
type HistoryQuery struct {
	Before uint64 `json:"before,omitempty"`
	Limit  int    `json:"limit,omitempty"`
}

// Degraded is the data of a $degraded.
type Degraded struct {
	Rooms string `json:"rooms"` // "stored" or ""
}

// Drain is the data of a $drain.
type Drain struct {
	Backoff *[2]int64 `json:"backoff,omitempty"`
}

// Presence is the data of a $presence, and of the reply to one: a snapshot where
// Users is set, counts where Count is, and otherwise a difference to Version-1.
type Presence struct {
	Version uint64         `json:"version"`
	Users   *[]PresentUser `json:"users,omitempty"`
	Join    []Member       `json:"join,omitempty"`
	Leave   []Member       `json:"leave,omitempty"`
	Count   *PresenceCount `json:"count,omitempty"`
}

// PresentUser is one user of a snapshot.
type PresentUser struct {
	User     string           `json:"user"`
	Sessions []PresentSession `json:"sessions"`
}

// PresentSession is one session of a PresentUser.
type PresentSession struct {
	Session string `json:"session"`
	Info    any    `json:"info,omitempty"`
}

// Member is one session that is in a room, or came or went.
type Member struct {
	User    string `json:"user"` // "" for a stranger
	Session string `json:"session"`
	Info    any    `json:"info,omitempty"` // what the application says of it, as decoded into an interface
}

// SortMembers orders members by user, then by session.
func SortMembers(all []Member) { sort.Sort(byUser(all)) }

type byUser []Member

func (a byUser) Len() int      { return len(a) }
func (a byUser) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a byUser) Less(i, j int) bool {
	return cmp.Or(strings.Compare(a[i].User, a[j].User), strings.Compare(a[i].Session, a[j].Session)) < 0
}

// PresenceCount is how many are in a room.
type PresenceCount struct {
	Users    int `json:"users"`
	Sessions int `json:"sessions"`
}
