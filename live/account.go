package live

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// account is a user who has sessions on this node.
type account struct {
	user     string
	sessions map[*Session]struct{} // guarded by Hub.mu

	mu     sync.Mutex
	bucket bucket
}

// take reports whether one of the user's sessions may send another message. A stranger has no account and no such limit.
func (a *account) take(now time.Time, l *Limits) bool {
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bucket.take(now, l.UserRate, l.UserBurst)
}

// credit notes whose session that is, unless the user has too many.
func (h *Hub) credit(s *Session, user string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.sessions[s]; !ok || user == "" || s.account.Load() != nil {
		return nil
	}
	a := h.users[user]
	if a == nil {
		a = &account{user: user, sessions: map[*Session]struct{}{}}
		h.users[user] = a
	}
	if len(a.sessions) >= h.set.Limits.UserSessions {
		e := protocol.Errorf(protocol.CodeLimit, "a user may have %d sessions (live.Limits.UserSessions)", h.set.Limits.UserSessions)
		e.Retryable, e.RetryAfter = true, 5000 // one that was lost may not have ended yet
		return e
	}
	a.sessions[s] = struct{}{}
	s.account.Store(a)
	return nil
}

// discredit undoes credit. Called with mu held.
func (h *Hub) discredit(s *Session) {
	a := s.account.Load()
	if a == nil {
		return
	}
	if delete(a.sessions, s); len(a.sessions) == 0 {
		delete(h.users, a.user)
	}
}

func (h *Hub) sessionsOf(user string) []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a := h.users[user]; a != nil {
		return slices.Collect(maps.Keys(a.sessions))
	}
	return nil
}
