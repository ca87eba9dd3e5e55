package deflate_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

// farText repeats itself at all distances up to n bytes, and has noise between.
func farText(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+64)
	for len(b) < n {
		if len(b) > 64 && r.IntN(3) > 0 {
			from := r.IntN(len(b) - 32)
			b = append(b, b[from:from+5+r.IntN(27)]...)
		} else {
			for range 4 {
				b = append(b, byte(r.Uint32()))
			}
		}
	}
	return b[:n]
}

// No distance is larger than the window that was agreed on: the Decompressor of
// such a window refuses those. The standard library reads it all too.
func TestWindowIsHonoured(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		for _, level := range []int{0, 2, 3, 5, 7, 99} {
			p := params("", bits, 15)
			o := &deflate.Options{Level: level, History: 32 << 10, Threshold: -1}
			c := deflate.NewCompressor(o, p, false)
			if c.Window() != bits {
				t.Fatalf("window %d, want %d", c.Window(), bits)
			}
			d := deflate.NewDecompressor(p, true)
			text := farText(uint64(bits), 130_000)
			var past []byte
			for _, n := range []int{0, 1, 3, 13, 100, 129, 300, 500, 1000, 1024, 1025, 3000, 70_000, 200, 600} {
				msg := text[:n]
				text = append(text[n:], msg...)
				z, err := c.Append(nil, msg)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := d.Append(nil, z, int64(n)); err != nil || !bytes.Equal(got, msg) {
					t.Fatalf("bits %d, level %d, %d bytes: %d bytes, %v", bits, level, n, len(got), err)
				}
				got, err := stdInflate(z, past, "\x00\x00\xff\xff\x01\x00\x00\xff\xff")
				if err != nil || !bytes.Equal(got, msg) {
					t.Fatalf("bits %d, level %d, %d bytes: the standard library says %v", bits, level, n, err)
				}
				past = append(past, msg...)
			}
			for _, n := range []int{100, 1000, 40_000} {
				z, err := deflate.AppendStateless(nil, text[:n], level, bits)
				if err != nil {
					t.Fatal(err)
				}
				c.Observe(text[:n])
				if got, err := d.Append(nil, z, int64(n)); err != nil || !bytes.Equal(got, text[:n]) {
					t.Fatalf("bits %d, level %d, %d bytes stateless: %d bytes, %v", bits, level, n, len(got), err)
				}
			}
			c.Release()
			d.Release()
		}
	}
}

// A peer that refers further back than it agreed to is found out, also inside
// one message.
func TestWindowIsEnforced(t *testing.T) {
	msg := append(append([]byte("once upon a time"), make([]byte, 600)...), "once upon a time"...)
	for _, end := range [][]byte{nil, farText(12, 3000)} { // with and without more behind it
		z := append(append(stdDeflate(t, msg, nil, 9), "\x00\x00\xff\xff"...), stdDeflate(t, end, nil, 0)...)
		for bits, want := range map[int]error{9: deflate.ErrCorrupt, 10: nil} {
			d := deflate.NewDecompressor(params("", bits, 15), true)
			if _, err := d.Append(nil, z, 10_000); err != want {
				t.Errorf("%d bits, %d bytes behind: got %v, want %v", bits, len(end), err, want)
			}
		}
	}
}

// A message may refer to the first byte of the connection and to none before.
func TestWindowBegins(t *testing.T) {
	z := stdDeflate(t, []byte("?abcdefgh"), []byte("?abcdefgh"), 9)
	for _, tt := range []struct {
		past string
		err  error
	}{{"?abcdefgh", nil}, {"abcdefgh", deflate.ErrCorrupt}} {
		d := deflate.NewDecompressor(deflate.Params{}, true)
		if _, err := d.Append(nil, stdDeflate(t, []byte(tt.past), nil, 1), 100); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Append(nil, z, 100); err != tt.err || err == nil && string(got) != "?abcdefgh" {
			t.Errorf("after %q: got %q, %v, want %v", tt.past, got, err, tt.err)
		}
	}
}

func TestThreshold(t *testing.T) {
	tests := []struct {
		o    deflate.Options
		p    deflate.Params
		want int // the smallest that is compressed
	}{
		{deflate.Options{}, deflate.Params{}, 16},
		{deflate.Options{NoContextTakeover: true}, deflate.Params{}, 128},
		{deflate.Options{}, deflate.Params{ServerNoContextTakeover: true}, 128},
		{deflate.Options{}, deflate.Params{ClientNoContextTakeover: true}, 16},
		{deflate.Options{History: -1}, deflate.Params{}, 128},
		{deflate.Options{Threshold: 1000}, deflate.Params{}, 1000},
		{deflate.Options{Threshold: -1}, deflate.Params{}, 0},
	}
	for _, tt := range tests {
		c := deflate.NewCompressor(&tt.o, tt.p, false)
		if c.Wants(tt.want-1) && tt.want > 0 || !c.Wants(tt.want) {
			t.Errorf("%+v, %+v: the threshold is not %d", tt.o, tt.p, tt.want)
		}
	}
}

// An end may stay below what was agreed on.
func TestOwnWindow(t *testing.T) {
	c := deflate.NewCompressor(&deflate.Options{WindowBits: 10, History: 1 << 15}, deflate.Params{}, true)
	defer c.Release()
	if _, err := c.Append(nil, farText(1, 5000)); err != nil || c.Window() != 10 || c.Held() != 1<<10 {
		t.Errorf("window %d, %d bytes held, %v", c.Window(), c.Held(), err)
	}
}

// Each setting decides about the side that it names.
func TestSides(t *testing.T) {
	for _, client := range []bool{false, true} {
		for _, flags := range []string{"", "s", "c", "sc"} {
			p := params(flags, 10, 12)
			ownAlone, peerAlone, own, peer := p.ServerNoContextTakeover, p.ClientNoContextTakeover, 10, 12
			if client {
				ownAlone, peerAlone, own, peer = peerAlone, ownAlone, peer, own
			}
			c := deflate.NewCompressor(&deflate.Options{History: 1 << 20}, p, client)
			d := deflate.NewDecompressor(p, client)
			if c.Window() != own {
				t.Errorf("client %v: window %d, want %d", client, c.Window(), own)
			}
			text := farText(1, 10_000)
			if _, err := c.Append(nil, text); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Append(nil, stdDeflate(t, text, nil, 0), 1<<20); err != nil {
				t.Fatal(err)
			}
			for side, s := range map[string]struct {
				alone bool
				bits  int
				held  int
			}{"compressor": {ownAlone, own, c.Held()}, "decompressor": {peerAlone, peer, d.Held()}} {
				want := 1 << s.bits
				if s.alone {
					want = 0
				}
				if s.held != want {
					t.Errorf("client %v, %q: the %s holds %d bytes, want %d", client, flags, side, s.held, want)
				}
			}
			c.Release()
			d.Release()
		}
	}
}

func TestHeld(t *testing.T) {
	c := deflate.NewCompressor(&deflate.Options{}, deflate.Params{}, false)
	d := deflate.NewDecompressor(deflate.Params{}, true)
	if c.Held() != 0 || d.Held() != 0 {
		t.Fatalf("%d and %d bytes are held before the first message", c.Held(), d.Held())
	}
	text := farText(1, 100_000)
	for _, step := range []struct{ n, sent, received int }{
		{0, 0, 0}, {100, 512, 512}, {412, 512, 512}, {1, 1024, 1024}, {3000, 4096, 4096}, {583, 4096, 4096}, {1, 4096, 8192}, {40_000, 4096, 32 << 10}, {10, 4096, 32 << 10},
	} {
		z, err := c.Append(nil, text[:step.n])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Append(nil, z, 1<<20); err != nil {
			t.Fatal(err)
		}
		if c.Held() != step.sent || d.Held() != step.received {
			t.Errorf("after %d bytes more: %d and %d held, want %d and %d", step.n, c.Held(), d.Held(), step.sent, step.received)
		}
	}
	for range 2 {
		c.Release()
		d.Release()
		if c.Held() != 0 || d.Held() != 0 {
			t.Errorf("%d and %d bytes are held after Release", c.Held(), d.Held())
		}
	}
}

// What was observed is in the context; what went out uncompressed is not.
func TestPreparedInterleaved(t *testing.T) {
	p := deflate.Params{}
	c := deflate.NewCompressor(&deflate.Options{}, p, false)
	d := deflate.NewDecompressor(p, true)
	defer c.Release()
	defer d.Release()
	for i, m := range messages(60, 200) {
		var z []byte
		var err error
		switch i % 3 {
		case 0:
			z, err = c.Append(nil, m)
		case 1:
			z, err = deflate.AppendStateless(nil, m, 1, c.Window())
			c.Observe(m)
		case 2:
			continue // plain: neither end puts it into its window
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Append(nil, z, 200); err != nil || !bytes.Equal(got, m) {
			t.Fatalf("message %d: %q, %v", i, got, err)
		}
	}
	z, err := deflate.AppendStateless(nil, farText(9, 3000), 1, 15)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Append(nil, z, 3000); err != nil {
		t.Fatal(err)
	}
	c.Observe(farText(9, 3000))
	if z, err = c.Append(nil, farText(9, 3000)); err != nil || len(z) > 100 {
		t.Errorf("what was observed takes %d bytes again, %v", len(z), err)
	}
}

// The parts of a fragmented message: each but the last goes with the tail that
// Append left off.
func TestFragments(t *testing.T) {
	for _, o := range []deflate.Options{{}, {NoContextTakeover: true}, {Level: 9}, {WindowBits: 9}} {
		p := params("", 15, 15)
		c := deflate.NewCompressor(&o, p, false)
		d := deflate.NewDecompressor(p, true)
		for round := range 3 {
			var payload, want []byte
			for i, m := range append(messages(20, 150), farText(3, 5000), nil) {
				if i > 0 {
					payload = append(payload, "\x00\x00\xff\xff"...)
				}
				var err error
				if payload, err = c.Append(payload, m); err != nil {
					t.Fatal(err)
				}
				want = append(want, m...)
			}
			if got, err := d.Append(nil, payload, int64(len(want))); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%+v, round %d: %d bytes, %v, want %d", o, round, len(got), err, len(want))
			}
		}
		c.Release()
		d.Release()
	}
}

// What cannot be made smaller hardly grows.
func TestNoise(t *testing.T) {
	noise := make([]byte, 200_000)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, takeover := range []bool{false, true} {
		for level := 1; level <= 9; level++ {
			c := deflate.NewCompressor(&deflate.Options{Level: level, NoContextTakeover: !takeover}, deflate.Params{}, false)
			for _, n := range []int{1, 16, 100, 500, 1000, 5000, 70_000} {
				at := r.IntN(len(noise) - n)
				z, err := c.Append(nil, noise[at:at+n])
				if most := n + 16 + n/1000; err != nil || len(z) > most {
					t.Errorf("level %d, takeover %v: %d bytes of noise take %d, more than %d; %v", level, takeover, n, len(z), most, err)
				}
			}
			c.Release()
		}
	}
}

// What the design counts on: JSON of 128 bytes shrinks to about a third.
func TestRatio(t *testing.T) {
	for _, tt := range []struct {
		size     int
		takeover bool
		most     float64
	}{{128, true, 0.34}, {60, true, 0.34}, {1024, true, 0.36}, {1024, false, 0.5}, {64 << 10, false, 0.3}} {
		t.Run(fmt.Sprintf("%d bytes, takeover %v", tt.size, tt.takeover), func(t *testing.T) {
			c := deflate.NewCompressor(&deflate.Options{NoContextTakeover: !tt.takeover}, deflate.Params{}, false)
			defer c.Release()
			total := 0
			for _, m := range messages(100, tt.size) {
				z, err := c.Append(nil, m)
				if err != nil {
					t.Fatal(err)
				}
				total += len(z)
			}
			if ratio := float64(total) / float64(100*tt.size); ratio > tt.most {
				t.Errorf("shrinks to %.3f, want at most %.2f", ratio, tt.most)
			}
		})
	}
}

// Append leaves alone what stands before, and does not write into p.
func TestAppendKeepsWhatIsThere(t *testing.T) {
	c := deflate.NewCompressor(&deflate.Options{}, deflate.Params{}, false)
	d := deflate.NewDecompressor(deflate.Params{}, true)
	defer c.Release()
	defer d.Release()
	for _, n := range []int{0, 20, 500, 5000} {
		msg := farText(5, n)
		z, err := c.Append([]byte("head"), msg)
		if err != nil || !bytes.HasPrefix(z, []byte("head")) || !bytes.Equal(msg, farText(5, n)) {
			t.Fatalf("%d bytes: %.8q, %v", n, z, err)
		}
		before := bytes.Clone(z)
		got, err := d.Append([]byte("head"), z[4:], int64(n))
		if err != nil || string(got) != "head"+string(msg) || !bytes.Equal(z, before) {
			t.Fatalf("%d bytes: %.8q, %v", n, got, err)
		}
	}
}

// Connections share the pools and nothing else.
func TestConnectionsTogether(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			bits := 8 + i
			p := params("", bits, 15)
			for round := range 3 {
				c := deflate.NewCompressor(&deflate.Options{Level: 1 + i}, p, false)
				d := deflate.NewDecompressor(p, true)
				for _, n := range []int{30, 300, 3000, 300, 30, 20_000} {
					m := farText(uint64(i*10+round), n)
					z, err := c.Append(nil, m)
					if err != nil {
						t.Error(err)
						return
					}
					if got, err := d.Append(nil, z, int64(n)); err != nil || !bytes.Equal(got, m) {
						t.Errorf("connection %d: %d bytes became %d, %v", i, n, len(got), err)
						return
					}
				}
				c.Release()
				d.Release()
			}
		})
	}
	wg.Wait()
}
