package api

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// maxData is how many bytes the data of one message has at most: every member's client has to take it, and reads no more
// than 1 MiB at once.
const maxData = 512 << 10

// message is one that is to be published.
type message struct {
	room, typ string
	data      json.RawMessage // nil: none
	mid       string          // with one, a repetition is stored once
	key, from string
	volatile  bool
}

var messageNames = []string{"room", "type", "data", "mid", "key", "from", "volatile"}

// isMessage reports whether an object has a part of a message.
func (o object) isMessage() bool {
	return slices.ContainsFunc(messageNames, func(name string) bool { return o[name] != nil })
}

// message reads a message, of which no more is wrong than what check says.
func (o object) message() (message, error) {
	m := message{data: o["data"]}
	var errs [6]error
	m.room, errs[0] = o.text("room")
	m.typ, errs[1] = o.text("type")
	m.mid, errs[2] = o.text("mid")
	m.key, errs[3] = o.text("key")
	m.from, errs[4] = o.text("from")
	m.volatile, errs[5] = o.boolean("volatile")
	for _, err := range errs {
		if err != nil {
			return message{}, err
		}
	}
	return m, nil
}

// check says what is wrong with a message but for its room.
func (m *message) check() error {
	if e := protocol.CheckType(m.typ); e != nil {
		return e
	}
	if m.typ[0] == '$' {
		return invalid("a type that begins with $ belongs to the protocol")
	}
	for _, one := range []struct {
		text  string
		check func(string) *protocol.Error
	}{{m.mid, protocol.CheckMid}, {m.key, protocol.CheckKey}, {m.from, protocol.CheckUser}} {
		if one.text == "" {
			continue
		}
		if e := one.check(one.text); e != nil {
			return e
		}
	}
	if len(m.data) == 0 {
		return nil
	}
	if len(m.data) > maxData {
		return protocol.Errorf(protocol.CodeTooLarge, "data has %d bytes; %d are the most", len(m.data), maxData)
	}
	// What a client would not be let publish, other clients cannot read: too deep a nesting, and numbers too large.
	envelope := append([]byte(`{"type":"n","data":`), m.data...)
	if _, err := protocol.JSON.Parse(append(envelope, '}'), protocol.DefaultDepth); err != nil {
		var e *protocol.Error
		if errors.As(err, &e) {
			return invalid("data: %s", e.Message)
		}
		return err
	}
	return nil
}

// published is what became of a message.
type published struct {
	Room  string          `json:"room,omitempty"`
	User  string          `json:"user,omitempty"`
	Pos   *live.Position  `json:"pos,omitempty"` // none where nothing is stored
	Error *protocol.Error `json:"error,omitempty"`
}

// publishOne publishes a message that was checked.
func (h *Handler) publishOne(ctx context.Context, m *message) (published, error) {
	p := published{Room: m.room}
	if e := protocol.CheckRoom(m.room); e != nil {
		return p, e
	}
	if protocol.IsWildcard(m.room) {
		return p, invalid("nothing is published to a wildcard")
	}
	var o []live.PublishOption
	if m.mid != "" {
		o = append(o, live.WithID(m.mid))
	}
	if m.key != "" {
		o = append(o, live.WithKey(m.key))
	}
	if m.from != "" {
		o = append(o, live.WithFrom(m.from))
	}
	if m.volatile {
		o = append(o, live.Volatile())
	}
	pos, err := h.hub.Room(m.room).Publish(ctx, m.typ, m.data, o...)
	if err == nil && !pos.IsZero() {
		p.Pos = &pos
	}
	return p, err
}
