package callback

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff says how long to wait before the next attempt to connect: a random time
// up to Min doubled with each failure in a row, and never more than Max. That
// spreads the clients of a server that comes back.
type Backoff struct {
	Min time.Duration // 0 means 500 ms
	Max time.Duration // 0 means 20 s
}

// limit is the longest wait before the attempt that follows n failures in a row.
func (b *Backoff) limit(n int) time.Duration {
	lo, hi := b.Min, b.Max
	if lo <= 0 {
		lo = 500 * time.Millisecond
	}
	if hi <= 0 {
		hi = 20 * time.Second
	}
	for ; n > 0 && lo < hi; n-- {
		lo *= 2
	}
	return min(lo, hi)
}

// wait waits, and reports false if ctx ended first.
func (b *Backoff) wait(ctx context.Context, n int) bool {
	t := time.NewTimer(rand.N(b.limit(n)) + 1)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
