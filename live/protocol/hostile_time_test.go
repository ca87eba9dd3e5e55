//go:build !race

package protocol_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
)

// cost parses p, and converts its data if there are any.
func cost(name string, p []byte) time.Duration {
	c, other := protocol.JSON, protocol.CBOR
	if strings.HasPrefix(name, "cbor") {
		c, other = other, c
	}
	begun := time.Now()
	m, _ := c.Parse(p, 0)
	if m.Data == nil {
		// Refused; Convert has no bound for the depth.
		if _, data, ok := bytes.Cut(p, []byte("data")); ok {
			m.Data = bytes.TrimSuffix(bytes.TrimPrefix(data, []byte(`":`)), []byte("}"))
		}
	}
	_, _ = protocol.Convert(m.Data, c, other)
	return time.Since(begun)
}

// TestHostile asks that eight times as much never takes much more than eight times as
// long: what is quadratic takes 64 times.
func TestHostile(t *testing.T) {
	const n = 64 << 10
	small, large := hostile(n), hostile(8*n)
	for name := range small {
		// A noisy machine may be slow for a while: the best of several counts.
		var a, b time.Duration
		for try := range 10 {
			x, y := cost(name, small[name]), cost(name, large[name])
			if try == 0 || x < a {
				a = x
			}
			if try == 0 || y < b {
				b = y
			}
			if b < 20*a && try > 0 {
				break
			}
		}
		if b > 32*a && b > 20*time.Millisecond {
			t.Errorf("%s: %v for %d bytes, %v for %d", name, a, n, b, 8*n)
		}
		t.Logf("%-26s %9v for 64 KiB, %9v for 512 KiB", name, a, b)
	}
}
