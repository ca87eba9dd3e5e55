package deflate_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

func TestRoundTrip(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		for bits := 8; bits <= 15; bits++ {
			p := deflate.Params{ServerNoContextTakeover: !takeover, ServerMaxWindowBits: bits, ClientMaxWindowBits: 15}
			c := deflate.NewCompressor(&deflate.Options{}, p, false)
			d := deflate.NewDecompressor(p, true)
			for i, n := range []int{0, 1, 20, 128, 128, 1000, 70000, 300, 0, 128} {
				msg := bytes.Repeat(fmt.Appendf(nil, `{"type":"tick","n":%d}`, i), n)[:n]
				z, err := c.Append(nil, msg)
				if err != nil {
					t.Fatal(err)
				}
				got, err := d.Append([]byte("x"), z, int64(n))
				if err != nil || string(got) != "x"+string(msg) {
					t.Fatalf("takeover %v, bits %d, message %d: %d bytes, %v", takeover, bits, i, len(got), err)
				}
			}
			c.Release()
			d.Release()
		}
	}
}
