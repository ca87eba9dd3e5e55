//go:build !race

// The race detector makes pools forget at random.

package deflate_test

import (
	"runtime/debug"
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

// keepPools stops the collector, which empties the pools, for the test.
func keepPools(t *testing.T) {
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
}

func TestAllocations(t *testing.T) {
	keepPools(t)
	for _, size := range []int{20, 128, 1024, 16 << 10} {
		msgs := messages(8, max(size, 110))
		for i := range msgs {
			msgs[i] = msgs[i][:size]
		}
		for _, level := range []int{1, 6, 9} {
			for _, takeover := range []bool{false, true} {
				for _, bits := range []int{9, 15} {
					p := deflate.Params{ServerNoContextTakeover: !takeover, ServerMaxWindowBits: bits}
					c := deflate.NewCompressor(&deflate.Options{Level: level}, p, false)
					d := deflate.NewDecompressor(p, true)
					z, plain := make([]byte, 0, 2*size+100), make([]byte, 0, size)
					for range 2 { // the history and the window grow to what they will be
						z, _ = c.Append(z[:0], farText(1, 33_000))
						plain, _ = d.Append(plain[:0], z, 33_000)
					}
					i := 0
					if n := testing.AllocsPerRun(20, func() {
						i++
						z, _ = c.Append(z[:0], msgs[i%len(msgs)])
						plain, _ = d.Append(plain[:0], z, int64(size))
					}); n != 0 || len(plain) != size {
						t.Errorf("level %d, %d bits, takeover %v: %v allocations for %d bytes", level, bits, takeover, n, size)
					}
					if n := testing.AllocsPerRun(20, func() {
						z, _ = deflate.AppendStateless(z[:0], msgs[0], level, bits)
						c.Observe(msgs[0])
					}); n != 0 {
						t.Errorf("level %d, %d bits: %v allocations for a prepared message of %d bytes", level, bits, n, size)
					}
					c.Release()
					d.Release()
				}
			}
		}
	}
}

// A connection that comes, talks and goes finds its memory in the pools: the
// two structs are all that it allocates.
func TestAllocationsPerConnection(t *testing.T) {
	keepPools(t)
	o := &deflate.Options{}
	msgs := messages(4, 3000)
	z, plain := make([]byte, 0, 6000), make([]byte, 0, 6000)
	if n := testing.AllocsPerRun(50, func() {
		c := deflate.NewCompressor(o, deflate.Params{}, false)
		d := deflate.NewDecompressor(deflate.Params{}, true)
		for _, m := range msgs {
			z, _ = c.Append(z[:0], m)
			plain, _ = d.Append(plain[:0], z, 6000)
		}
		c.Release()
		d.Release()
	}); n > 2 || len(plain) != 3000 {
		t.Errorf("%v allocations for a connection, want 2", n)
	}
}

// The handshake: what is answered, offered and confirmed.
func TestAllocationsOfNegotiation(t *testing.T) {
	o := &deflate.Options{}
	offers := []string{"permessage-deflate; client_max_window_bits"}
	response := []string{"permessage-deflate; server_max_window_bits=10"}
	for name, tt := range map[string]struct {
		most float64
		f    func() bool
	}{
		"Negotiate": {1, func() bool { _, _, ok := o.Negotiate(offers); return ok }},
		"Offer":     {1, func() bool { return o.Offer() != "" }},
		"Confirm":   {0, func() bool { _, ok, _ := o.Confirm(response); return ok }},
	} {
		ok := true
		if n := testing.AllocsPerRun(50, func() { ok = ok && tt.f() }); n > tt.most || !ok {
			t.Errorf("%s: %v allocations, want %v; %v", name, n, tt.most, ok)
		}
	}
}
