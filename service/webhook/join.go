package webhook

import (
	"context"

	"github.com/tidewire/tidewire/live"
)

// CanJoin is for live.RoomOptions: the application is asked (Join), and decides in place of the claims. These decide where Join
// is not among Options.Events, and under Allow while the application is down. The error is an *live.Error of the application's,
// "unavailable", or Verifier.CanJoin's.
func (w *Webhook) CanJoin(ctx context.Context, s *live.Session, room, token string) error {
	if !w.has(Join) {
		return w.verifier.CanJoin(ctx, s, room, token)
	}
	a, err := w.ask(ctx, &joinQuestion{head: newHead(Join), User: s.User(), Session: s.ID(), Room: room, Token: token})
	switch {
	case err != nil && w.allows(err):
		return w.verifier.CanJoin(ctx, s, room, token)
	case err != nil:
		return told(err)
	case a.refusal != nil:
		return a.refusal
	}
	return nil
}

// joinQuestion asks whether a session may be in a room.
type joinQuestion struct {
	head
	User    string `json:"user"` // "" is a stranger
	Session string `json:"session"`
	Room    string `json:"room"`
	Token   string `json:"token,omitempty"` // of the $join
}
