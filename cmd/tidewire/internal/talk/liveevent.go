package talk

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/client"
)

// event is what happens on a live connection, as a script has it: with the names of docs/protocol.md.
type event struct {
	Event    string           `json:"event"` // connected, lost, degraded, restored, message, stored, answer, sent, live, presence, who, page, gap or left
	Room     string           `json:"room,omitempty"`
	Type     string           `json:"type,omitempty"`
	Pos      *client.Position `json:"pos,omitempty"`
	Mid      string           `json:"mid,omitempty"`
	Key      string           `json:"key,omitempty"`
	From     string           `json:"from,omitempty"`
	Volatile bool             `json:"volatile,omitempty"`
	Data     json.RawMessage  `json:"data,omitempty"`

	User    string `json:"user,omitempty"` // who one is
	Session string `json:"session,omitempty"`
	Wait    int64  `json:"wait,omitempty"` // milliseconds until the next attempt

	Users    int             `json:"users,omitempty"` // who is in the room
	Sessions int             `json:"sessions,omitempty"`
	Members  []client.Member `json:"members,omitempty"`
	Join     []client.Member `json:"join,omitempty"`
	Leave    []client.Member `json:"leave,omitempty"`

	After  uint64 `json:"after,omitempty"`  // where a gap begins
	Reason string `json:"reason,omitempty"` // of it, of having left, or of a loss
	First  uint64 `json:"first,omitempty"`  // the oldest of a page
	More   bool   `json:"more,omitempty"`   // there are older ones

	again  bool   // live, and has been before
	first  bool   // presence, that was unknown before
	before uint64 // what page was asked for; 0: the newest
	quiet  bool   // a person need not be told
}

// position is pos, or nil where there is none.
func position(pos client.Position) *client.Position {
	if pos.IsZero() {
		return nil
	}
	return &pos
}

// messageEvent is the event of a message.
func messageEvent(kind string, m *client.Message) *event {
	var data json.RawMessage
	m.Decode(&data) // of JSON: it is
	return dataEvent(kind, data, m.Meta)
}

func dataEvent(kind string, data json.RawMessage, m client.Meta) *event {
	pos := m.Position
	pos.Mid = "" // stands beside it
	return &event{Event: kind, Room: m.Room, Type: m.Type, Pos: position(pos), Mid: m.Mid, Key: m.Key, From: m.From, Volatile: m.Volatile, Data: data}
}

// message is what a Peer receives, whose own session is self.
func (e *event) message(self string) Message {
	line, err := encodeJSON(e)
	if err != nil { // it came as JSON
		line = []byte(err.Error())
	}
	m := Message{Data: line, Person: &Telling{Text: e.text(self), Silent: e.quiet}}
	switch e.Event {
	case "message", "stored", "answer":
		m.Person.Data = e.Data
		if e.Data == nil {
			m.Person.Data = []byte{}
		}
	}
	return m
}

// text is what a person is told, apart from the data.
func (e *event) text(self string) string {
	switch e.Event {
	case "message", "stored":
		return strings.Join(e.words(), " ")
	case "connected":
		return "connected again" + as(e.User)
	case "lost":
		return fmt.Sprintf("%s; connecting again in %v", e.Reason, (time.Duration(e.Wait) * time.Millisecond).Round(10*time.Millisecond))
	case "degraded":
		return "the hub cannot reach what stores messages: what is sent waits"
	case "restored":
		return "the hub stores messages again"
	case "answer":
		return "the answer to " + e.Type + ":"
	case "sent":
		if e.Room == "" {
			return "the hub has taken " + e.Type
		}
		return e.Room + ": sent" + number(", stored as", e.Pos)
	case "live":
		again := ""
		if e.again {
			again = " again"
		}
		return e.Room + ": joined" + again + number(", at", e.Pos)
	case "left":
		if e.Reason != "" {
			return e.Room + ": left, by the hub: " + e.Reason
		}
		return e.Room + ": left"
	case "gap":
		return fmt.Sprintf("%s: messages behind #%d are missing (%s)%s", e.Room, e.After, e.Reason, number("; it goes on at", e.Pos))
	case "page":
		switch {
		case e.More:
			return fmt.Sprintf("%s: there are older ones: /history 50 %d", e.Room, e.First)
		case e.First == 0 && e.before > 0:
			return fmt.Sprintf("%s: nothing is stored before #%d", e.Room, e.before)
		case e.First == 0:
			return e.Room + ": nothing is stored"
		}
		return e.Room + ": that is all that is stored"
	case "who":
		return fmt.Sprintf("%s: %s%s", e.Room, e.crowd(), list(": ", e.Members, 1000, self))
	case "presence":
		if e.first {
			return fmt.Sprintf("%s: %s%s", e.Room, e.crowd(), list(": ", e.Join, 20, self))
		}
		return fmt.Sprintf("%s: %s%s%s", e.Room, e.crowd(), list("; came: ", e.Join, 5, self), list("; left: ", e.Leave, 5, self))
	}
	return e.Event
}

// words say what a message is.
func (e *event) words() (words []string) {
	if e.Room != "" {
		words = append(words, e.Room)
	}
	if e.Pos != nil {
		words = append(words, fmt.Sprintf("#%d", e.Pos.Seq))
	}
	if e.From != "" {
		words = append(words, e.From)
	}
	words = append(words, e.Type)
	if e.Key != "" {
		words = append(words, "["+e.Key+"]")
	}
	return words
}

func number(before string, pos *client.Position) string {
	if pos == nil {
		return ""
	}
	return fmt.Sprintf("%s #%d", before, pos.Seq)
}

// crowd says how many are there.
func (e *event) crowd() string {
	s := several(e.Sessions, "session")
	if e.Users != e.Sessions {
		s += " of " + several(e.Users, "user")
	}
	return s
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// list is up to most members by name.
func list(before string, all []client.Member, most int, self string) string {
	if len(all) == 0 {
		return ""
	}
	var names []string
	for _, m := range all[:min(len(all), most)] {
		name := m.User
		if name == "" {
			name = "session " + m.Session
		}
		if m.Session == self {
			name += " (you)"
		}
		if m.Info != nil {
			info, _ := encodeJSON(m.Info) // it came as JSON
			name += " " + string(info)
		}
		names = append(names, name)
	}
	if more := len(all) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return before + strings.Join(names, ", ")
}
