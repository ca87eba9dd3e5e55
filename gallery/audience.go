package gallery

import (
	"context"
	"sync"
	"time"

	"github.com/tidewire/tidewire/live"
)

// An audience is who has come to a room, so that nothing is computed and published there while nobody looks.
type audience struct {
	mu   sync.Mutex
	here map[*live.Session]bool // from their join until their connection ends
	came chan struct{}
}

func newAudience() *audience {
	return &audience{here: map[*live.Session]bool{}, came: make(chan struct{}, 1)}
}

// enter is the room's CanJoin. It lets everybody in.
func (a *audience) enter(_ context.Context, s *live.Session, _, _ string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.here[s] {
		a.here[s] = true
		context.AfterFunc(s.Context(), func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.here, s)
		})
	}
	select {
	case a.came <- struct{}{}:
	default:
	}
	return nil
}

func (a *audience) empty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.here) == 0
}

// entertain calls step at once when somebody comes, and then each interval while somebody is there, until ctx ends.
func (a *audience) entertain(ctx context.Context, interval time.Duration, step func(now time.Time)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-a.came:
		case <-ctx.Done():
			return
		}
		ticker.Reset(interval)
		for !a.empty() {
			step(time.Now())
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}
}
