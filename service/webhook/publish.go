package webhook

import (
	"context"
	"encoding/json"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/internal/object"
)

// publishQuestion asks what becomes of a message.
type publishQuestion struct {
	head
	User    string          `json:"user"` // "" is a stranger
	Session string          `json:"session"`
	Room    string          `json:"room"`
	Type    string          `json:"type"`
	Data    json.RawMessage `json:"data"`
	Mid     string          `json:"mid"`
	Key     string          `json:"key,omitempty"`
}

// Publish is for live.OnPublish, for each pattern whose messages the application wants to see (Publish): it lets a message pass, refuses it, or
// gives other data in its place. It comes behind RoomOptions.CanPublish. While the application is down, the claims decide under Allow. Data with
// a name twice in one object is refused as "invalid": the application could see another message in it than other clients.
func (w *Webhook) Publish(ctx context.Context, p *live.Publication[Data]) error {
	if !w.has(Publish) {
		return nil
	}
	data, err := p.Data.json()
	if err != nil {
		return err
	}
	a, err := w.ask(ctx, &publishQuestion{
		head: newHead(Publish), User: p.Session.User(), Session: p.Session.ID(), Room: p.Room, Type: p.Type, Data: data, Mid: p.Mid, Key: p.Key,
	})
	switch {
	case err != nil && w.allows(err):
		if w.verifier.CanPublish(ctx, p.Session, p.Room, p.Type) != nil {
			return protocol.Errorf(protocol.CodeForbidden, "not allowed to publish %s to %s", p.Type, p.Room)
		}
	case err != nil:
		return told(err)
	case a.refusal != nil:
		return a.refusal
	case a.data != nil:
		p.Data = Data{a.data, protocol.JSON}
	}
	return nil
}

// Data is the data of a message as a client has sent it, JSON or CBOR. What the application lets pass stays as it was, to the byte: also what
// JSON cannot say, as byte strings. The zero value is null.
type Data struct {
	raw   []byte
	codec protocol.Codec
}

// UnmarshalJSON keeps a copy of data.
func (d *Data) UnmarshalJSON(data []byte) error {
	*d = Data{append([]byte(nil), data...), protocol.JSON}
	return nil
}

// UnmarshalCBOR keeps a copy of data.
func (d *Data) UnmarshalCBOR(data []byte) error {
	*d = Data{append([]byte(nil), data...), protocol.CBOR}
	return nil
}

// MarshalJSON returns the data as JSON.
func (d Data) MarshalJSON() ([]byte, error) {
	if d.raw == nil {
		return []byte("null"), nil
	}
	return protocol.Convert(d.raw, d.codec, protocol.JSON)
}

// MarshalCBOR returns the data as CBOR.
func (d Data) MarshalCBOR() ([]byte, error) {
	if d.raw == nil {
		return protocol.Convert([]byte("null"), protocol.JSON, protocol.CBOR)
	}
	return protocol.Convert(d.raw, d.codec, protocol.CBOR)
}

// json returns the data as the application gets it.
func (d Data) json() (json.RawMessage, error) {
	raw, err := d.MarshalJSON()
	if err == nil && object.CheckNames(raw, 1<<10) != nil { // live has bounded the depth
		err = protocol.Errorf(protocol.CodeInvalid, "data has a name twice in one object")
	}
	return raw, err
}
