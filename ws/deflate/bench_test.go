package deflate_test

import (
	"bytes"
	stdflate "compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	kflate "github.com/klauspost/compress/flate"

	"github.com/tidewire/tidewire/ws/deflate"
)

// messages returns n JSON messages of size bytes, such as a ticker or a chat
// sends: the same fields with other values.
func messages(n, size int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the tide comes in and goes out again while boats wait at anchor for wind and light to change before they sail north along the coast")
	out := make([][]byte, n)
	for i := range out {
		b := fmt.Appendf(nil, `{"type":"message","data":{"id":%d,"room":"harbour-%d","from":"user%04d","at":"2026-03-%02dT%02d:%02d:%02dZ","text":"`,
			100000+i, r.IntN(4), r.IntN(10000), 1+i/1000%28, r.IntN(24), r.IntN(60), r.IntN(60))
		for len(b) < size {
			b = append(append(b, words[r.IntN(len(words))]...), ' ')
		}
		out[i] = append(b[:size-3], `"}}`...)
	}
	return out
}

var sizes = []int{128, 1 << 10, 64 << 10}

func BenchmarkCompress(b *testing.B) {
	for _, level := range []int{1, 3, 6, 9} {
		for _, size := range sizes {
			for _, takeover := range []bool{false, true} {
				b.Run(fmt.Sprintf("level=%d/size=%d/takeover=%v", level, size, takeover), func(b *testing.B) {
					o := &deflate.Options{Level: level, NoContextTakeover: !takeover}
					c := deflate.NewCompressor(o, deflate.Params{}, false)
					defer c.Release()
					in := messages(64, size)
					buf := make([]byte, 0, 2*size)
					total := 0
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						z, err := c.Append(buf, in[i%len(in)])
						if err != nil {
							b.Fatal(err)
						}
						total += len(z)
					}
					b.ReportMetric(float64(total)/float64(b.N*size), "ratio")
				})
			}
		}
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, size := range sizes {
		for _, takeover := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/takeover=%v", size, takeover), func(b *testing.B) {
				o := &deflate.Options{NoContextTakeover: !takeover}
				p := deflate.Params{ServerNoContextTakeover: !takeover}
				c := deflate.NewCompressor(o, p, false)
				var in [][]byte
				for _, m := range messages(64, size) {
					z, err := c.Append(nil, m)
					if err != nil {
						b.Fatal(err)
					}
					in = append(in, z)
				}
				d := deflate.NewDecompressor(p, true)
				buf := make([]byte, 0, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if i%len(in) == 0 {
						d.Release()
						d = deflate.NewDecompressor(p, true)
					}
					if _, err := d.Append(buf, in[i%len(in)], int64(size)); err != nil {
						b.Fatal(err)
					}
				}
				d.Release()
			})
		}
	}
}

// BenchmarkInflateOthers is the yardstick: pooled readers of others on messages
// that stand alone.
func BenchmarkInflateOthers(b *testing.B) {
	for _, size := range sizes {
		var in [][]byte
		for _, m := range messages(64, size) {
			z, err := deflate.AppendStateless(nil, m, 1, 15)
			if err != nil {
				b.Fatal(err)
			}
			in = append(in, append(z, "\x00\x00\xff\xff\x01\x00\x00\xff\xff"...))
		}
		src := bytes.NewReader(nil)
		for name, r := range map[string]io.ReadCloser{"klauspost": kflate.NewReader(src), "std": stdflate.NewReader(src)} {
			b.Run(fmt.Sprintf("%s/size=%d", name, size), func(b *testing.B) {
				buf := make([]byte, size)
				b.SetBytes(int64(size))
				for i := 0; b.Loop(); i++ {
					src.Reset(in[i%len(in)])
					if err := r.(stdflate.Resetter).Reset(src, nil); err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(r, buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
