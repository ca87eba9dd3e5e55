package live

import "time"

// bucket holds tokens that come back with time.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a token, if there is one. An untouched bucket is full.
func (b *bucket) take(now time.Time, rate, burst int) bool {
	switch since := now.Sub(b.at); {
	case b.at.IsZero():
		b.tokens, b.at = float64(burst), now
	case since > 0: // who read the clock first may come last
		b.tokens, b.at = min(float64(burst), b.tokens+since.Seconds()*float64(rate)), now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// full reports whether all tokens are back.
func (b *bucket) full(now time.Time, rate, burst int) bool {
	return b.tokens+now.Sub(b.at).Seconds()*float64(rate) >= float64(burst)
}

// wait returns after how long there will be a token, in milliseconds.
func (b *bucket) wait(rate int) int64 {
	return max(1, int64((1-b.tokens)/float64(rate)*1000)+1)
}
