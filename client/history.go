package client

import (
	"context"

	"github.com/tidewire/tidewire/live/protocol"
)

// Page is a part of a room's history.
type Page struct {
	Messages []*Message // the oldest first
	More     bool       // there are still older ones
	Head     Position   // the newest message of the room
}

// History returns at most limit stored messages with a sequence number below before, the newest of them. before 0
// means the newest of all; limit 0 means 50, and 200 is the most. It does not move the room's position, and
// the room need not be joined. Without a connection it waits for one, see [Queue]; it is repeated when the connection is lost.
func (r *Room) History(ctx context.Context, before uint64, limit int) (Page, error) {
	page, err := r.history(ctx, protocol.HistoryQuery{Before: before, Limit: min(max(limit, 0), protocol.MaxPage)})
	return page, wrap("history of "+r.name, err)
}

func (r *Room) history(ctx context.Context, q protocol.HistoryQuery) (page Page, err error) {
	data, err := r.c.o.Codec.Marshal(q)
	if err != nil {
		return page, err
	}
	m, err := r.c.request(ctx, &outgoing{m: protocol.Message{Type: protocol.TypeHistory, Room: r.name, Data: data}, read: true})
	if err != nil {
		return page, err
	}
	stored, err := m.Codec.ParsePage(m.Data, 0)
	if err != nil {
		return page, err
	}
	page.Head, page.More = m.Pos, stored.More
	for _, s := range stored.Messages {
		s.Room, s.Pos.Epoch, s.Codec = r.name, m.Pos.Epoch, m.Codec
		s.Pos.Mid = s.Mid
		page.Messages = append(page.Messages, messageOf(&s))
	}
	return page, nil
}
