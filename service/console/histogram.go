package console

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets, of which eight lie between a power of two and the next. It takes no lock, as all
// sessions of a hub add to one.
type histogram struct{ buckets [64 * 8]atomic.Uint32 }

func (h *histogram) add(d time.Duration) {
	v := uint64(max(d, 8))
	top := bits.Len64(v)
	h.buckets[top*8+int(v>>(top-4))&7].Add(1)
}

// take empties it, and returns the durations, in milliseconds, below which so many of those were that were added since the last
// time: within 6 %. nil: there were none.
func (h *histogram) take(quantiles ...float64) []float64 {
	var counts [len(h.buckets)]uint32
	var all float64
	for i := range h.buckets {
		counts[i] = h.buckets[i].Swap(0)
		all += float64(counts[i])
	}
	if all == 0 {
		return nil
	}
	values := make([]float64, len(quantiles))
	for k, q := range quantiles {
		below := 0.0
		for i, n := range counts {
			if below += float64(n); n > 0 && below >= q*all {
				middle := (float64(8+i%8) + 0.5) * float64(uint64(1)<<(i/8-4))
				values[k] = middle / float64(time.Millisecond)
				break
			}
		}
	}
	return values
}
