package console

import (
	"context"
	"encoding/json"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// change makes a handler of what changes something: for who may, and logged with who did it.
func change[Req interface{ attributes() []any }](c *Console, what string, f func(*Console, context.Context, Req) error) func(context.Context, *live.Session, Req) (struct{}, error) {
	return func(ctx context.Context, s *live.Session, req Req) (struct{}, error) {
		v := viewerOf(s)
		about := append([]any{"by", v.name, "remote", s.Conn().RemoteAddr().String(), "address", s.Address()}, req.attributes()...)
		if v.readOnly {
			c.log.Info("console: a read key was refused a change", append(about, "change", what)...)
			return struct{}{}, protocol.Errorf(protocol.CodeForbidden, "this key is only for looking")
		}
		ctx, done := context.WithTimeout(ctx, patience)
		defer done()
		err := refusal(f(c, ctx, req))
		if err != nil {
			about = append(about, "error", err)
		}
		c.log.Info("console: "+what, about...)
		c.rooms.stale()
		c.sessions.stale()
		return struct{}{}, err
	}
}

type publishRequest struct {
	Room     string `json:"room"`
	Type     string `json:"type"`
	Data     string `json:"data"` // JSON, as text: numbers stay as they are written
	Volatile bool   `json:"volatile"`
}

func (r publishRequest) attributes() []any {
	return []any{"room", r.Room, "type", r.Type, "bytes", len(r.Data), "volatile", r.Volatile}
}

// publish publishes a message as the application does, past CanPublish and OnPublish.
func (c *Console) publish(ctx context.Context, r publishRequest) error {
	if !json.Valid([]byte(r.Data)) {
		return protocol.Errorf(protocol.CodeInvalid, "the data are no JSON")
	}
	var o []live.PublishOption
	if r.Volatile {
		o = append(o, live.Volatile())
	}
	_, err := c.shown.Room(r.Room).Publish(ctx, r.Type, json.RawMessage(r.Data), o...)
	return err
}

type disconnectRequest struct {
	Session string `json:"session"`
	User    string `json:"user"`
	Reason  string `json:"reason"`
}

func (r disconnectRequest) attributes() []any {
	return []any{"session", r.Session, "user", r.User, "reason", r.Reason}
}

// disconnect sends a session of this node away, or a user's on all nodes.
func (c *Console) disconnect(ctx context.Context, r disconnectRequest) error {
	if (r.Session == "") == (r.User == "") {
		return protocol.Errorf(protocol.CodeInvalid, "a session or a user is disconnected")
	}
	if len(r.Reason) > 123 {
		return protocol.Errorf(protocol.CodeTooLarge, "a reason has 123 bytes at most")
	}
	if r.User != "" {
		if err := protocol.CheckUser(r.User); err != nil {
			return err
		}
		return c.shown.User(r.User).Disconnect(ctx, r.Reason)
	}
	s, err := c.sessionBy(r.Session)
	if err != nil {
		return err
	}
	return s.Close(r.Reason)
}

type removeRequest struct {
	Room string `json:"room"`
	User string `json:"user"`
}

func (r removeRequest) attributes() []any { return []any{"room", r.Room, "user", r.User} }

// remove ends a user's membership of a room, on all nodes.
func (c *Console) remove(ctx context.Context, r removeRequest) error {
	if err := protocol.CheckRoom(r.Room); err != nil {
		return err
	}
	if err := protocol.CheckUser(r.User); err != nil {
		return err
	}
	return c.shown.Room(r.Room).Remove(ctx, r.User)
}
