package client

import (
	"math/rand/v2"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// Waits that a server asks for are kept within these.
const (
	leastWait    = 10 * time.Millisecond
	greatestWait = time.Hour
)

// span is the least and the greatest wait.
type span struct{ min, max time.Duration }

// spanOf is what a server said, in milliseconds. ok is false if it said nothing.
func spanOf(b *[2]int64) (s span, ok bool) {
	if b == nil {
		return s, false
	}
	s.min, s.max = millis(b[0]), millis(b[1])
	s.max = max(s.min, s.max)
	return s, true
}

// millis is a wait of so many milliseconds, within bounds.
func millis(ms int64) time.Duration {
	return time.Duration(min(max(ms, leastWait.Milliseconds()), greatestWait.Milliseconds())) * time.Millisecond
}

// wait is a random time for the n-th attempt, the first being 1 (full jitter).
func (s span) wait(n int) time.Duration {
	top := s.min
	for ; n > 0 && top < s.max; n-- {
		top *= 2
	}
	return span{s.min, min(top, s.max)}.any()
}

// any is a random time within the whole span.
func (s span) any() time.Duration {
	if s.max <= s.min {
		return s.min
	}
	return s.min + rand.N(s.max-s.min+1)
}

// retryWait is how long to wait before the n-th repetition of what was refused with e.
func (c *Client) retryWait(e *protocol.Error, n int) time.Duration {
	if e.RetryAfter > 0 {
		return millis(e.RetryAfter)
	}
	return c.span.wait(n)
}
