package api

import (
	"context"

	"github.com/tidewire/tidewire/live/protocol"
)

// maxReason is what a close frame can hold, in bytes.
const maxReason = 123

// disconnect ends a user's sessions on all nodes, or their membership of a room.
func (h *Handler) disconnect(ctx context.Context, in input) (any, error) {
	o, err := parseObject(in.body, "user", "room", "reason")
	if err != nil {
		return nil, err
	}
	user, err := o.text("user")
	if err != nil {
		return nil, err
	}
	room, err := o.text("room")
	if err != nil {
		return nil, err
	}
	reason, err := o.text("reason")
	if err != nil {
		return nil, err
	}
	if e := protocol.CheckUser(user); e != nil {
		return nil, e
	}
	if !printable(reason, maxReason) {
		return nil, invalid("reason must be of printable characters, %d bytes at most", maxReason)
	}
	if room == "" {
		return struct{}{}, h.hub.User(user).Disconnect(ctx, reason)
	}
	if reason != "" {
		return nil, invalid("a reason is for ending sessions; who is removed from a room is told that")
	}
	if e := protocol.CheckRoom(room); e != nil {
		return nil, e
	}
	return struct{}{}, h.hub.Room(room).Remove(ctx, user)
}
