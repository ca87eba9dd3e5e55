package deflate_test

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

// bomb is the payload of a message of n zeros.
func bomb(t testing.TB, n int) []byte { return stdDeflate(t, make([]byte, n), nil, 1) }

func TestLimit(t *testing.T) {
	inputs := map[string]func(n int) []byte{
		"zeros":       func(n int) []byte { return make([]byte, n) },
		"text":        func(n int) []byte { return farText(7, n) },
		"stored text": func(n int) []byte { return farText(8, n) },
	}
	for name, input := range inputs {
		level := 9
		if name == "stored text" {
			level = 0
		}
		for _, n := range []int{1, 2, 257, 258, 259, 511, 513, 5000, 65_535, 65_536, 65_537, 400_000} {
			msg := input(n)
			z := stdDeflate(t, msg, nil, level)
			for _, before := range [][]byte{nil, []byte("head"), make([]byte, 100, 1000), make([]byte, 10, 2<<20)} {
				d := deflate.NewDecompressor(deflate.Params{}, true)
				got, err := d.Append(before, z, int64(n-1))
				if !errors.Is(err, deflate.ErrTooLarge) || len(got) != len(before) {
					t.Fatalf("%s: %d bytes with the limit one less: %d bytes, %v", name, n, len(got), err)
				}
				d.Release()
				for _, limit := range []int64{int64(n), int64(n) + 1, math.MaxInt64} {
					got, err := d.Append(before, z, limit)
					d.Release()
					if err != nil || !bytes.Equal(got[len(before):], msg) {
						t.Fatalf("%s: %d bytes with the limit %d: %d bytes, %v", name, n, limit, len(got), err)
					}
					if ahead := cap(got) - max(len(got), cap(before)); ahead > max(64<<10, n/4) || limit < math.MaxInt64 && ahead > 64<<10 {
						t.Errorf("%s: %d bytes with the limit %d: the memory is %d bytes ahead", name, n, limit, ahead)
					}
				}
			}
		}
	}
	d := deflate.NewDecompressor(deflate.Params{}, true)
	for _, limit := range []int64{0, -1, math.MinInt64} {
		if _, err := d.Append(make([]byte, 0, 10), bomb(t, 1), limit); !errors.Is(err, deflate.ErrTooLarge) {
			t.Errorf("limit %d: %v", limit, err)
		}
		if got, err := d.Append(nil, []byte{0}, limit); err != nil || len(got) != 0 {
			t.Errorf("an empty message with the limit %d: %q, %v", limit, got, err)
		}
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A bomb of 16 MiB costs no more than the limit allows.
func TestBomb(t *testing.T) {
	z := bomb(t, 16<<20)
	d := deflate.NewDecompressor(deflate.Params{}, true)
	defer d.Release()
	if _, err := d.Append(nil, bomb(t, 1), 1); err != nil { // fill the pools
		t.Fatal(err)
	}
	for _, tt := range []struct {
		limit int64
		most  uint64 // every step of the growth counts
	}{{0, 64 << 10}, {100, 64 << 10}, {100_000, 400 << 10}, {1 << 20, 6 << 20}} {
		var err error
		if n := allocated(func() { _, err = d.Append(nil, z, tt.limit) }); n > tt.most || !errors.Is(err, deflate.ErrTooLarge) {
			t.Errorf("limit %d: %d bytes allocated, more than %d; %v", tt.limit, n, tt.most, err)
		}
		if d.Held() > 512 {
			t.Errorf("limit %d: %d bytes held", tt.limit, d.Held())
		}
	}
}

// Blocks that hold nothing cost no memory, whatever their number.
func TestEmptyBlocks(t *testing.T) {
	stored := append(bytes.Repeat(unhex(t, "00 00 00 ff ff"), 100_000), 0)
	streams := append(bytes.Repeat(unhex(t, "03 00"), 100_000), 0)
	for name, z := range map[string][]byte{"stored": stored, "whole streams": streams} {
		d := deflate.NewDecompressor(deflate.Params{}, true)
		if got, err := d.Append(nil, z, 0); err != nil || len(got) != 0 || d.Held() != 0 {
			t.Errorf("%s: %d bytes, %v, %d held", name, len(got), err, d.Held())
		}
	}
}

// A message cut anywhere is corrupt, and so is one with a byte more.
func TestTruncated(t *testing.T) {
	for level := -2; level <= 9; level++ {
		msg := farText(11, 3000)
		z := stdDeflate(t, msg, nil, level)
		d := deflate.NewDecompressor(deflate.Params{}, true)
		for n := 1; n < len(z); n++ {
			_, err := d.Append(nil, z[:n], 1<<20)
			if n == 1 && z[0] == 0 {
				// All but the header of a stored block is gone: an empty message.
				if err != nil {
					t.Fatalf("level %d: a byte 0: %v", level, err)
				}
				continue
			}
			if !errors.Is(err, deflate.ErrCorrupt) {
				t.Fatalf("level %d: %d of %d bytes: %v", level, n, len(z), err)
			}
		}
		for b := range 256 {
			if _, err := d.Append(nil, append(z[:len(z):len(z)], byte(b)), 1<<20); !errors.Is(err, deflate.ErrCorrupt) {
				t.Fatalf("level %d: %#x behind the end: %v", level, b, err)
			}
		}
	}
}
