package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// message is one that is to be published.
type message struct {
	Room     string          `json:"room"`
	Type     string          `json:"type"`
	Data     json.RawMessage `json:"data"`
	Mid      string          `json:"mid"` // with one, a repetition is stored once
	Key      string          `json:"key"`
	From     string          `json:"from"`
	Volatile bool            `json:"volatile"`
}

// published is what became of it.
type published struct {
	Room  string          `json:"room,omitempty"`
	User  string          `json:"user,omitempty"`
	Pos   *live.Position  `json:"pos,omitempty"` // none where nothing is stored
	Error *protocol.Error `json:"error,omitempty"`
}

// publishOne publishes a message.
func (h *Handler) publishOne(ctx context.Context, m *message) (published, error) {
	p := published{Room: m.Room}
	var o []live.PublishOption
	if m.Mid != "" {
		o = append(o, live.WithID(m.Mid))
	}
	if m.Key != "" {
		o = append(o, live.WithKey(m.Key))
	}
	if m.From != "" {
		o = append(o, live.WithFrom(m.From))
	}
	if m.Volatile {
		o = append(o, live.Volatile())
	}
	pos, err := h.hub.Room(m.Room).Publish(ctx, m.Type, m.Data, o...)
	if err == nil && !pos.IsZero() {
		p.Pos = &pos
	}
	return p, err
}

// publish handles one message, or many. Of those to one room each is published when the one before it is stored, and when one fails those
// behind it are not published. What became of each is said in their order.
func (h *Handler) publish(r *http.Request) (any, error) {
	var body struct {
		message
		Messages []message `json:"messages"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	switch n := len(body.Messages); {
	case n > maxBatch:
		return nil, protocol.Errorf(protocol.CodeTooLarge, "there are %d messages; %d are the most", n, maxBatch)
	case n > 0 && (body.Room != "" || body.Type != "" || body.Data != nil):
		return nil, protocol.Errorf(protocol.CodeInvalid, "there is one message, and there are messages")
	case n == 0:
		return h.publishOne(r.Context(), &body.message)
	}
	byRoom := map[string][]int{}
	for i := range body.Messages {
		byRoom[body.Messages[i].Room] = append(byRoom[body.Messages[i].Room], i)
	}
	results := make([]published, len(body.Messages))
	var all sync.WaitGroup
	slots := make(chan struct{}, 64)
	for _, some := range byRoom {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			failed := false
			for _, i := range some {
				m := &body.Messages[i]
				if failed {
					results[i] = published{Room: m.Room, Error: protocol.Errorf(protocol.CodeAborted, "one before it to this room has failed")}
					continue
				}
				var err error
				if results[i], err = h.publishOne(r.Context(), m); err != nil {
					results[i].Error, failed = errorOf(err), true
				}
			}
		})
	}
	all.Wait()
	return struct {
		Results []published `json:"results"`
	}{results}, nil
}

// broadcast publishes the same to rooms, and sends it to users. To users it goes at most once, and to those who are there.
func (h *Handler) broadcast(r *http.Request) (any, error) {
	var body struct {
		Rooms []string `json:"rooms"`
		Users []string `json:"users"`
		message
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	switch n := len(body.Rooms) + len(body.Users); {
	case body.Room != "":
		return nil, protocol.Errorf(protocol.CodeInvalid, "a broadcast has rooms and users, and no room")
	case n == 0 || n > maxBatch:
		return nil, protocol.Errorf(protocol.CodeInvalid, "there are %d rooms and users; there must be 1 to %d", n, maxBatch)
	}
	results := make([]published, len(body.Rooms), len(body.Rooms)+len(body.Users))
	var all sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i, room := range body.Rooms {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			m := body.message
			m.Room = room
			var err error
			if results[i], err = h.publishOne(r.Context(), &m); err != nil {
				results[i].Error = errorOf(err)
			}
		})
	}
	all.Wait()
	for _, user := range body.Users {
		p := published{User: user}
		if err := h.hub.User(user).Send(r.Context(), body.Type, body.Data); err != nil {
			p.Error = errorOf(err)
		}
		results = append(results, p)
	}
	return struct {
		Results []published `json:"results"`
	}{slices.Clip(results)}, nil
}

// disconnect ends a user's sessions on all nodes, or their membership of a room.
func (h *Handler) disconnect(r *http.Request) (any, error) {
	var body struct {
		User   string `json:"user"`
		Room   string `json:"room"`
		Reason string `json:"reason"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if err := protocol.CheckUser(body.User); err != nil {
		return nil, protocol.Errorf(protocol.CodeInvalid, "user: %v", err)
	}
	if body.Room != "" {
		return struct{}{}, h.hub.Room(body.Room).Remove(r.Context(), body.User)
	}
	return struct{}{}, h.hub.User(body.User).Disconnect(r.Context(), body.Reason)
}
