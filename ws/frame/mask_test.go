package frame_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

// naive is RFC 6455 section 5.3 to the letter.
func naive(p []byte, key [4]byte, pos int) {
	for i := range p {
		p[i] ^= key[(pos+i)%4]
	}
}

var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// TestMask compares with the naive loop: every length up to 300, every
// misalignment of a word, every offset of the key; and looks at the bytes around.
func TestMask(t *testing.T) {
	const guard = 16
	for n := range 301 {
		for shift := range 8 {
			for pos := range 4 {
				checkMask(t, n, shift, shift, pos, guard)
			}
		}
		// Source and destination that are misaligned differently.
		for shift := range 8 {
			checkMask(t, n, shift, (shift*3+1)%8, n%4, guard)
		}
		if t.Failed() {
			return
		}
	}
	for _, n := range []int{1023, 1024, 1025, 4095, 4096, 4097, 65535, 65536, 65600} {
		for shift := range 8 {
			checkMask(t, n, shift, 7-shift, shift+1<<20, guard)
		}
	}
}

// checkMask masks n bytes by each function. from and to are how far source and
// destination are misaligned.
func checkMask(t *testing.T, n, from, to, pos, guard int) {
	t.Helper()
	all := pattern(guard + from + n + guard)
	want := bytes.Clone(all)
	naive(want[guard+from:guard+from+n], maskKey, pos)

	got := bytes.Clone(all)
	frame.Mask(got[guard+from:guard+from+n], maskKey, pos)
	if !bytes.Equal(got, want) {
		t.Errorf("Mask of %d bytes at %d, offset %d, is wrong", n, from, pos)
	}

	src := bytes.Clone(all)
	dst := make([]byte, guard+to+n+guard)
	frame.MaskCopy(dst[guard+to:], src[guard+from:guard+from+n], maskKey, pos)
	if !bytes.Equal(dst[guard+to:guard+to+n], want[guard+from:guard+from+n]) {
		t.Errorf("MaskCopy of %d bytes from %d to %d, offset %d, is wrong", n, from, to, pos)
	}
	if len(bytes.Trim(dst[:guard+to], "\x00"))+len(bytes.Trim(dst[guard+to+n:], "\x00")) != 0 {
		t.Errorf("MaskCopy of %d bytes from %d to %d writes outside of them", n, from, to)
	}
	if !bytes.Equal(src, all) {
		t.Errorf("MaskCopy of %d bytes from %d to %d changes its source", n, from, to)
	}

	same := bytes.Clone(all)
	frame.MaskCopy(same[guard+from:], same[guard+from:guard+from+n], maskKey, pos)
	if !bytes.Equal(same, want) {
		t.Errorf("MaskCopy of %d bytes onto themselves, offset %d, is wrong", n, pos)
	}
}

// TestMaskPieces unmasks a payload in two and three pieces.
func TestMaskPieces(t *testing.T) {
	want := pattern(150)
	naive(want, maskKey, 0)
	for i := range len(want) + 1 {
		for j := i; j <= len(want); j += 13 {
			got := pattern(150)
			frame.Mask(got[:i], maskKey, 0)
			frame.Mask(got[i:j], maskKey, i)
			frame.MaskCopy(got[j:], got[j:], maskKey, j)
			if !bytes.Equal(got, want) {
				t.Fatalf("pieces that meet at %d and %d are masked wrongly", i, j)
			}
		}
	}
}

func TestMaskCopyShort(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("MaskCopy accepts a destination that is too short")
		}
	}()
	frame.MaskCopy(make([]byte, 9), make([]byte, 10), maskKey, 0)
}

func TestNewKey(t *testing.T) {
	const n = 10_000
	seen := make(map[[4]byte]bool, n)
	var ones [32]int
	for range n {
		key := frame.NewKey()
		seen[key] = true
		for i := range ones {
			ones[i] += int(key[i/8] >> (i % 8) & 1)
		}
	}
	// Of 10,000 keys about 0.01 pairs are equal. A bit is set 5,000 times, with
	// a deviation of 50.
	if len(seen) < n-5 {
		t.Errorf("only %d of %d keys differ", len(seen), n)
	}
	for i, k := range ones {
		if k < 4500 || k > 5500 {
			t.Errorf("bit %d of a key is set in %d of %d", i, k, n)
		}
	}
}

func TestMaskAllocations(t *testing.T) {
	p, q := pattern(1000), pattern(1000)
	var key [4]byte
	for name, f := range map[string]func(){
		"Mask":     func() { frame.Mask(p, maskKey, 1) },
		"MaskCopy": func() { frame.MaskCopy(p, q, maskKey, 1) },
		"NewKey":   func() { key = frame.NewKey() },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	_ = key
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("Hello"), uint32(0x37fa213d), 0, 0)
	f.Add([]byte(""), uint32(0), 3, 1)
	f.Add(pattern(63), uint32(0x01020304), 1, 7)
	f.Add(pattern(64), uint32(0x01020304), 2, 8)
	f.Add(pattern(129), uint32(0xffffffff), 3, 65)
	f.Add(pattern(300), uint32(0x80000001), 1<<31-1, 200)
	f.Fuzz(func(t *testing.T, p []byte, k uint32, pos, cut int) {
		key := [4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}
		pos &= 1<<30 - 1
		want := bytes.Clone(p)
		naive(want, key, pos)

		got := make([]byte, len(p))
		frame.MaskCopy(got, p, key, pos)
		if !bytes.Equal(got, want) {
			t.Fatalf("MaskCopy(%x, %x, %d) gives %x, want %x", p, key, pos, got, want)
		}
		if cut < 0 || cut > len(p) {
			cut = len(p) / 2
		}
		frame.Mask(p[:cut], key, pos)
		frame.Mask(p[cut:], key, pos+cut)
		if !bytes.Equal(p, want) {
			t.Fatalf("Mask in pieces of %d and %d bytes gives %x, want %x", cut, len(p)-cut, p, want)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"16", 16}, {"125", 125}, {"1Ki", 1 << 10}, {"64Ki", 64 << 10}} {
		p, q := pattern(size.n), pattern(size.n)
		for _, tc := range []struct {
			name string
			f    func()
		}{
			{"copy", func() { copy(q, p) }},
			{"Mask", func() { frame.Mask(p, maskKey, 0) }},
			{"MaskCopy", func() { frame.MaskCopy(q, p, maskKey, 0) }},
			{"naive", func() { naive(p, maskKey, 0) }},
		} {
			b.Run(fmt.Sprintf("%s/%s", size.name, tc.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size.n))
				for b.Loop() {
					tc.f()
				}
			})
		}
	}
}

func BenchmarkNewKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		frame.NewKey()
	}
}
