package client

import (
	"testing"
	"time"
)

// SetPingEvery makes the client behave as in a browser until the test ends.
func SetPingEvery(t *testing.T, d time.Duration) {
	before := pingEvery
	pingEvery = d
	t.Cleanup(func() { pingEvery = before })
}
