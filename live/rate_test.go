package live

import (
	"testing"
	"time"
)

// Sessions of one address read the clock before they take from its bucket, so that who read it
// first may come last. That takes a token, and not those of all the time between.
func TestBucketOutOfOrder(t *testing.T) {
	var b bucket
	start := time.Unix(1000, 0)
	if !b.take(start.Add(time.Millisecond), 1<<30, 200) || !b.take(start, 1<<30, 200) || !b.take(start.Add(time.Millisecond), 1<<30, 200) {
		t.Error("a clock that goes back emptied the bucket")
	}
	if b.tokens != 197 || b.at != start.Add(time.Millisecond) {
		t.Errorf("%f tokens at %v", b.tokens, b.at)
	}
}
