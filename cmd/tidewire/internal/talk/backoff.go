package talk

import (
	"math/rand/v2"
	"time"
)

// Backoff is a random wait that grows: up to Min at first, and up to Max at most.
type Backoff struct{ Min, Max time.Duration }

func (b Backoff) wait(attempt int) time.Duration {
	if b.Min <= 0 {
		return 0
	}
	most := b.Min
	for range min(attempt, 30) {
		most = min(2*most, b.Max)
	}
	return most/2 + rand.N(most/2+1)
}
