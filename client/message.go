package client

import (
	"context"
	"slices"

	"github.com/tidewire/tidewire/live/protocol"
)

// Position is a place in a room's history. It may be kept, and given to [RoomOptions] later.
type Position = protocol.Position

// Meta is what is known of a message beside its data.
type Meta struct {
	Type     string
	Room     string   // also where a wildcard was joined: the room that it is from
	Position Position // zero in rooms without history, and of volatile messages; through a wildcard without its Epoch
	Mid      string   // its id, chosen by who published it
	Key      string   // which value it is, in rooms that keep the latest of each
	From     string   // the user who published it, "" for a stranger
	Volatile bool     // was not stored
}

// Message is a message whose data has not been decoded.
type Message struct {
	Meta
	id    uint64
	data  []byte
	codec Codec
}

// Decode decodes the data into v, as encoding/json would.
func (m *Message) Decode(v any) error {
	return wrap("decode "+m.Type, m.codec.Unmarshal(m.data, v))
}

// messageOf copies what was received.
func messageOf(m *protocol.Message) *Message {
	return &Message{
		Meta: Meta{
			Type: m.Type, Room: m.Room, Position: m.Pos, Mid: m.Mid, Key: m.Key, From: m.From, Volatile: m.Volatile,
		},
		id: m.ID, data: slices.Clone(m.Data), codec: m.Codec,
	}
}

// decoded is a function over messages that calls f with those that fit T.
func decoded[T any](c *Client, f func(context.Context, T, Meta)) func(context.Context, *Message) {
	return func(ctx context.Context, m *Message) {
		var v T
		if err := m.Decode(&v); err != nil {
			c.undecodable(m, err)
			return
		}
		f(ctx, v, m.Meta)
	}
}

// undecodable counts and logs a message whose data is not what was expected.
func (c *Client) undecodable(m *Message, err error) {
	c.mu.Lock()
	c.stats.Undecodable++
	c.mu.Unlock()
	c.o.Logger.Warn("client: message has unexpected data", "type", m.Type, "room", m.Room, "error", err)
}
