package api

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// parameters reads a request's parameters, of which these may be there, once each.
func (in input) parameters(names ...string) (url.Values, error) {
	q, err := url.ParseQuery(in.query)
	if err != nil {
		return nil, invalid("the query cannot be read")
	}
	for name, values := range q {
		if !slices.Contains(names, name) || len(values) > 1 {
			return nil, invalid("the parameters are these, once each: %s", strings.Join(names, ", "))
		}
	}
	return q, nil
}

// number reads one of them.
func number(q url.Values, name string, missing, least, most uint64) (uint64, error) {
	if !q.Has(name) {
		return missing, nil
	}
	n, err := strconv.ParseUint(q.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, invalid("%s must be a number, %d to %d", name, least, most)
	}
	return n, nil
}

const maxRooms = 1000

// rooms says which rooms have members on this node: the first by name, behind after.
func (h *Handler) rooms(_ context.Context, in input) (any, error) {
	q, err := in.parameters("prefix", "after", "limit")
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", 100, 1, maxRooms)
	if err != nil {
		return nil, err
	}
	prefix, after := q.Get("prefix"), q.Get("after")
	if !printable(prefix, protocol.MaxRoom) || !printable(after, protocol.MaxRoom) {
		return nil, invalid("prefix and after are of printable characters, %d bytes at most", protocol.MaxRoom)
	}
	type room struct {
		Name    string         `json:"name"`
		Members int            `json:"members"`
		Pos     *live.Position `json:"pos,omitempty"`
	}
	var answer struct {
		Rooms []room `json:"rooms"`
		More  bool   `json:"more"`
	}
	answer.Rooms = []room{}
	page, more := h.hub.StatesAfter(prefix, after, int(limit))
	answer.More = more
	for _, s := range page {
		one := room{Name: s.Name, Members: s.Members}
		if !s.Position.IsZero() {
			one.Pos = &s.Position
		}
		answer.Rooms = append(answer.Rooms, one)
	}
	return answer, nil
}

// presence says who is in a room, on all nodes.
func (h *Handler) presence(ctx context.Context, in input) (any, error) {
	q, err := in.parameters("room")
	if err != nil {
		return nil, err
	}
	crowd, err := h.hub.Room(q.Get("room")).Present(ctx)
	if err != nil {
		return nil, err
	}
	type member struct {
		User    string `json:"user,omitempty"`
		Session string `json:"session"`
		Info    any    `json:"info,omitempty"`
	}
	answer := struct {
		Users    int      `json:"users"`
		Sessions int      `json:"sessions"`
		Members  []member `json:"members,omitempty"` // none where there are too many to list
	}{Users: crowd.Users, Sessions: crowd.Sessions}
	for _, m := range crowd.Members {
		answer.Members = append(answer.Members, member(m))
	}
	return answer, nil
}

// maxHistory bounds the bytes of an answer's messages: many who ask at once would otherwise have 100 MiB each.
const maxHistory = 4 << 20

// history returns the newest messages of a room, or those before one: as many as fit, and one at least.
func (h *Handler) history(ctx context.Context, in input) (any, error) {
	q, err := in.parameters("room", "before", "limit")
	if err != nil {
		return nil, err
	}
	before, err := number(q, "before", 0, 0, protocol.MaxInteger)
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", protocol.DefaultPage, 0, protocol.MaxPage)
	if err != nil {
		return nil, err
	}
	page, err := h.hub.Room(q.Get("room")).History(ctx, before, int(limit))
	if err != nil {
		return nil, err
	}
	type message struct {
		Pos  live.Position   `json:"pos"`
		Type string          `json:"type"`
		From string          `json:"from,omitempty"`
		Data json.RawMessage `json:"data,omitempty"`
	}
	answer := struct {
		Messages []message     `json:"messages"` // oldest first
		More     bool          `json:"more"`     // there are some before them
		Head     live.Position `json:"head"`     // where the room stands
	}{Messages: []message{}, More: page.More, Head: page.Head}
	size := 0
	for _, m := range slices.Backward(page.Messages) {
		if size += len(m.Data); size > maxHistory && len(answer.Messages) > 0 {
			answer.More = true
			break
		}
		data := m.Data
		if m.Codec != protocol.JSON {
			if data, err = protocol.Convert(data, m.Codec, protocol.JSON); err != nil {
				return nil, protocol.Errorf(protocol.CodeInternal, "message %d cannot be said in JSON", m.Pos.Seq)
			}
		}
		answer.Messages = append(answer.Messages, message{m.Pos, m.Type, m.From, json.RawMessage(data)})
	}
	slices.Reverse(answer.Messages)
	return answer, nil
}
