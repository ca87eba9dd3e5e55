package console

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// shownRoom is a room by itself.
type shownRoom struct {
	roomRow
	Feed     string        `json:"feed,omitempty"` // the console's room where its messages come; none without a Meter, and for wildcards
	Presence *presence     `json:"presence,omitempty"`
	Messages []shownStored `json:"messages"` // the newest that are stored, oldest first
}

// presence is who is in a room, on all nodes.
type presence struct {
	Users    int           `json:"users"`
	Sessions int           `json:"sessions"`
	Members  []shownMember `json:"members"` // the first of them
}

type shownMember struct {
	User    string `json:"user,omitempty"`
	Session string `json:"session"`
	Info    string `json:"info,omitempty"` // as JSON, cut
}

// shownStored is a message of a room, with its data as JSON.
type shownStored struct {
	Seq      uint64 `json:"seq,omitempty"`
	Mid      string `json:"mid,omitempty"` // a feed may bring what was stored before it was opened: by this it is known
	Type     string `json:"type"`
	From     string `json:"from,omitempty"`
	Key      string `json:"key,omitempty"`
	Volatile bool   `json:"volatile,omitempty"`
	Data     string `json:"data"`
	Size     int    `json:"size"` // of the data, of which the first maxData bytes are shown
}

func showMessage(m *live.Message) shownStored {
	data, err := protocol.Convert(m.Data, m.Codec, protocol.JSON)
	if err != nil {
		data = []byte("data that JSON cannot say")
	}
	return shownStored{m.Pos.Seq, m.Mid, m.Type, m.From, m.Key, m.Volatile, cut(string(data)), len(m.Data)}
}

func cut(s string) string {
	if len(s) > maxData {
		return strings.ToValidUTF8(s[:maxData], "")
	}
	return s
}

// room returns a room, and opens its feed.
func (c *Console) room(ctx context.Context, _ *live.Session, q struct {
	Room string `json:"room"`
}) (shownRoom, error) {
	if err := protocol.CheckRoom(q.Room); err != nil {
		return shownRoom{}, err
	}
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	shown := shownRoom{roomRow: roomRow{Name: q.Room}, Messages: []shownStored{}}
	states := c.shown.States()
	if i, ok := slices.BinarySearchFunc(states, q.Room, func(s live.RoomState, name string) int { return strings.Compare(s.Name, name) }); ok {
		shown.roomRow = showRoom(&states[i])
	}
	if protocol.IsWildcard(q.Room) {
		return shown, nil
	}
	past, err := c.shown.Room(q.Room).History(ctx, 0, maxMessages)
	if err != nil && !unsupported(err) {
		return shownRoom{}, refusal(err)
	}
	for _, m := range past.Messages {
		shown.Messages = append(shown.Messages, showMessage(m))
	}
	if shown.Presence, err = c.present(ctx, q.Room); err != nil {
		return shownRoom{}, refusal(err)
	}
	if c.set.Meter != nil {
		if shown.Feed, err = c.feeds.open(q.Room); err != nil {
			return shownRoom{}, err
		}
		select {
		case c.opened <- struct{}{}:
		default:
		}
	}
	return shown, nil
}

// present returns who is in a room, or nil where nobody says.
func (c *Console) present(ctx context.Context, room string) (*presence, error) {
	crowd, err := c.shown.Room(room).Present(ctx)
	if err != nil {
		if unsupported(err) {
			err = nil
		}
		return nil, err
	}
	p := &presence{Users: crowd.Users, Sessions: crowd.Sessions, Members: []shownMember{}}
	for _, m := range crowd.Members[:min(len(crowd.Members), maxListed)] {
		one := shownMember{User: m.User, Session: m.Session}
		if m.Info != nil {
			if info, err := protocol.JSON.Marshal(m.Info); err == nil {
				one.Info = strings.ToValidUTF8(string(info[:min(len(info), 200)]), "")
			}
		}
		p.Members = append(p.Members, one)
	}
	return p, nil
}

// unsupported reports whether a room has not got what was asked of it.
func unsupported(err error) bool {
	var e *live.Error
	return errors.As(err, &e) && e.Code == protocol.CodeUnsupported
}

// refusal is an error as a viewer is told it.
func refusal(err error) error {
	var e *live.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, live.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.CodeUnavailable, "what stores messages does not answer")
	}
	return protocol.Errorf(protocol.CodeInvalid, "%v", err)
}
