package webhook

import (
	"log/slog"
	"sync"
	"time"
)

// complaints logs each reason once in a while, however often there is one.
type complaints struct {
	log  *slog.Logger
	mu   sync.Mutex
	last map[string]*complaint // by event and reason, which are few
}

type complaint struct {
	at   time.Time
	held int
}

const complaintGap = 10 * time.Second

// warn logs a reason, unless it did a moment ago.
func (c *complaints) warn(message string, e Event, why *failure) {
	c.mu.Lock()
	if c.last == nil {
		c.last = map[string]*complaint{}
	}
	key := string(e) + " " + why.reason
	one := c.last[key]
	if one == nil {
		one = &complaint{}
		c.last[key] = one
	}
	if !one.at.IsZero() && time.Since(one.at) < complaintGap {
		one.held++
		c.mu.Unlock()
		return
	}
	held := one.held
	one.at, one.held = time.Now(), 0
	c.mu.Unlock()
	c.log.Warn(message, "event", string(e), "reason", why.reason, "detail", why.detail, "more", held)
}
