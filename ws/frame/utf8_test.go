package frame_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/ws/frame"
)

// edges holds both ends of every class of bytes that the table of well-formed
// sequences in RFC 3629 section 4 tells apart.
var edges = []byte{
	0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
	0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
}

// startable reports whether some text that begins with p is valid. Between them,
// the suffixes complete every sequence that can be completed.
func startable(p []byte) bool {
	var buf [64]byte
	for _, suffix := range []string{
		"", "\x80", "\x90", "\xa0", "\x80\x80", "\x90\x80", "\xa0\x80", "\x80\x80\x80", "\x90\x80\x80", "\xa0\x80\x80",
	} {
		if utf8.Valid(append(append(buf[:0], p...), suffix...)) {
			return true
		}
	}
	return false
}

// checkSplits writes p in pieces, in every way to cut it, and compares with
// unicode/utf8 after each piece.
func checkSplits(t *testing.T, p []byte) {
	var start, valid [8]bool // of p[:i]
	for i := range len(p) + 1 {
		start[i], valid[i] = startable(p[:i]), utf8.Valid(p[:i])
	}
	for cuts := range 1 << (len(p) - 1) {
		var u frame.UTF8
		from := 0
		for to := 1; to <= len(p); to++ {
			if to < len(p) && cuts>>(to-1)&1 == 0 {
				continue
			}
			if ok := u.Write(p[from:to]); ok != start[to] || u.Complete() != valid[to] {
				t.Fatalf("% x: after [%d:%d] Write gives %v, want %v, and Complete %v, want %v",
					p, from, to, ok, start[to], u.Complete(), valid[to])
			}
			from = to
		}
	}
}

// TestUTF8Sequences tries all sequences of one and two bytes, and of three and
// four every combination of the classes of bytes.
func TestUTF8Sequences(t *testing.T) {
	for a := range 256 {
		checkSplits(t, []byte{byte(a)})
		for b := range 256 {
			checkSplits(t, []byte{byte(a), byte(b)})
		}
	}
	p := make([]byte, 4)
	for _, p[0] = range edges {
		for _, p[1] = range edges {
			for _, p[2] = range edges {
				checkSplits(t, p[:3])
				for _, p[3] = range edges {
					checkSplits(t, p)
				}
			}
		}
	}
}

// TestUTF8Runes tries every character there is, and every surrogate, in each way
// to cut it in two.
func TestUTF8Runes(t *testing.T) {
	var buf [4]byte
	for r := rune(0); r <= utf8.MaxRune; r++ {
		p := buf[:utf8.EncodeRune(buf[:], r)]
		valid := utf8.ValidRune(r)
		if !valid { // EncodeRune replaces surrogates
			p = append(buf[:0], 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
		}
		for i := range len(p) + 1 {
			var u frame.UTF8
			ok := u.Write(p[:i]) && u.Write(p[i:]) && u.Complete()
			if ok != valid {
				t.Fatalf("%U as % x | % x: %v, want %v", r, p[:i], p[i:], ok, valid)
			}
		}
	}
}

// TestUTF8FailFast looks at the byte with which text fails: RFC 6455 section 8.1
// and RFC 3629 section 3.
func TestUTF8FailFast(t *testing.T) {
	for _, tc := range []struct {
		name string
		text string // up to the byte that fails
	}{
		{"lone continuation", "\x80"},
		{"overlong slash", "\xc0"},
		{"overlong of two", "\xc1"},
		{"overlong of three", "\xe0\x9f"},
		{"overlong of four", "\xf0\x8f"},
		{"first surrogate", "\xed\xa0"},
		{"last surrogate", "\xed\xbf"},
		{"past U+10FFFF", "\xf4\x90"},
		{"five bytes", "\xf8"},
		{"no such byte", "\xff"},
		{"ASCII in a sequence of two", "\xc3a"},
		{"ASCII in a sequence of three", "\xe2\x82a"},
		{"ASCII in a sequence of four", "\xf0\x9f\x98a"},
		{"a new sequence in another", "\xe2\x82\xe2"},
		// Autobahn 6.4.1: the fragment ends behind the byte.
		{"\u03ba\u1f79\u03c3\u03bc\u03b5 then past U+10FFFF", "\u03ba\u1f79\u03c3\u03bc\u03b5\xf4\x90"},
	} {
		for _, before := range []string{"", "x", "\u00fc", strings.Repeat("abc", 40), strings.Repeat("\U0001f600", 9)} {
			text := []byte(before + tc.text)
			var u frame.UTF8
			if n := len(text) - 1; !u.Write(text[:n]) {
				t.Errorf("%s behind %d bytes: refused too early", tc.name, len(before))
			} else if u.Write(text[n:]) {
				t.Errorf("%s behind %d bytes: not refused", tc.name, len(before))
			}
			if u.Complete() || u.Write(nil) || u.Write([]byte("x")) || u.Complete() {
				t.Errorf("%s behind %d bytes: forgotten", tc.name, len(before))
			}
			var whole frame.UTF8
			if whole.Write(text) {
				t.Errorf("%s behind %d bytes, in one piece: not refused", tc.name, len(before))
			}
			whole.Reset()
			if whole != (frame.UTF8{}) || !whole.Write([]byte("x")) || !whole.Complete() {
				t.Errorf("%s: Reset does not forget", tc.name)
			}
		}
	}
}

func TestUTF8Empty(t *testing.T) {
	var u frame.UTF8
	if !u.Complete() || !u.Write(nil) || !u.Complete() {
		t.Error("the empty text is not valid")
	}
	if !u.Write([]byte("\xe2")) || u.Complete() || !u.Write(nil) || u.Complete() {
		t.Error("an empty piece completes a character")
	}
}

// TestUTF8Text cuts a longer text at every place, and breaks it at every place.
func TestUTF8Text(t *testing.T) {
	text := []byte("Stra\u00dfe, \u65e5\u672c\u8a9e \U0001f600 ascii ascii ascii ascii ascii ascii \u20ac")
	for i := range len(text) + 1 {
		var u frame.UTF8
		if !u.Write(text[:i]) || u.Complete() != utf8.Valid(text[:i]) || !u.Write(text[i:]) || !u.Complete() {
			t.Fatalf("cut at %d: refused", i)
		}
		for j := range text {
			broken := bytes.Clone(text)
			broken[j] = 0xff
			u.Reset()
			if u.Write(broken[:i]) != (i <= j) || u.Write(broken[i:]) || u.Complete() {
				t.Fatalf("broken at %d, cut at %d: not refused where it should be", j, i)
			}
		}
	}
}

func TestUTF8Allocations(t *testing.T) {
	text := []byte("Stra\u00dfe, \u65e5\u672c\u8a9e \U0001f600")
	if n := testing.AllocsPerRun(100, func() {
		var u frame.UTF8
		for i := range text {
			if !u.Write(text[i : i+1]) {
				t.Fatal("refused")
			}
		}
		u.Write(text)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("\u03ba\u1f79\u03c3\u03bc\u03b5"), uint64(0b1011))
	f.Add([]byte("\u03ba\u1f79\u03c3\u03bc\u03b5\xf4\x90\x80\x80edited"), uint64(1<<11))
	f.Add([]byte("\xed\xa0\x80"), uint64(3))
	f.Add([]byte("plain ASCII text that is longer than a word"), uint64(1<<40|1))
	f.Add([]byte("\U0001f600\U0001f600"), ^uint64(0))
	f.Add([]byte(""), uint64(0))
	f.Fuzz(func(t *testing.T, p []byte, cuts uint64) {
		var u frame.UTF8
		from, ok := 0, true
		for to := 1; to <= len(p); to++ {
			if to < len(p) && cuts>>(to%64)&1 == 0 {
				continue
			}
			ok = u.Write(p[from:to])
			if want := startable(p[:to]); ok != want || u.Complete() != utf8.Valid(p[:to]) {
				t.Fatalf("% x, cut at %d and %d: Write gives %v, want %v; Complete %v", p, from, to, ok, want, u.Complete())
			}
			from = to
		}
		if ok && u.Complete() != utf8.Valid(p) {
			t.Fatalf("% x: Complete gives %v", p, u.Complete())
		}
	})
}

func BenchmarkUTF8(b *testing.B) {
	for _, text := range []struct{ name, unit string }{
		{"ascii", "The quick brown fox jumps over the lazy dog. "},
		{"latin", "Zw\u00f6lf Boxk\u00e4mpfer jagen Viktor \u00fcber den Sylter Deich. "},
		{"japanese", "\u3044\u308d\u306f\u306b\u307b\u3078\u3068\u3061\u308a\u306c\u308b\u3092"},
	} {
		for _, size := range []struct {
			name string
			n    int
		}{{"16", 16}, {"125", 125}, {"1Ki", 1 << 10}, {"64Ki", 64 << 10}} {
			p := []byte(strings.Repeat(text.unit, 1+size.n/len(text.unit)))[:size.n]
			for !utf8.Valid(p) {
				p = p[:len(p)-1]
			}
			b.Run(fmt.Sprintf("%s/%s/Valid", text.name, size.name), func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					if !utf8.Valid(p) {
						b.Fatal("refused")
					}
				}
			})
			b.Run(fmt.Sprintf("%s/%s/UTF8", text.name, size.name), func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					var u frame.UTF8
					if !u.Write(p) || !u.Complete() {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
