package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

// The examples of RFC 6455 section 5.7, and the edges of section 5.2.
var headers = []struct {
	name string
	wire string
	h    frame.Header
}{
	{"5.7 unmasked text", "\x81\x05", frame.Header{Fin: true, Opcode: frame.Text, Length: 5}},
	{"5.7 masked text", "\x81\x85\x37\xfa\x21\x3d", frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: [4]byte{0x37, 0xfa, 0x21, 0x3d}, Length: 5}},
	{"5.7 first fragment", "\x01\x03", frame.Header{Opcode: frame.Text, Length: 3}},
	{"5.7 last fragment", "\x80\x02", frame.Header{Fin: true, Opcode: frame.Continuation, Length: 2}},
	{"5.7 ping", "\x89\x05", frame.Header{Fin: true, Opcode: frame.Ping, Length: 5}},
	{"5.7 masked pong", "\x8a\x85\x37\xfa\x21\x3d", frame.Header{Fin: true, Opcode: frame.Pong, Masked: true, Key: [4]byte{0x37, 0xfa, 0x21, 0x3d}, Length: 5}},
	{"5.7 256 bytes", "\x82\x7e\x01\x00", frame.Header{Fin: true, Opcode: frame.Binary, Length: 256}},
	{"5.7 64 KiB", "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", frame.Header{Fin: true, Opcode: frame.Binary, Length: 65536}},
	{"empty", "\x80\x00", frame.Header{Fin: true}},
	{"125", "\x82\x7d", frame.Header{Fin: true, Opcode: frame.Binary, Length: 125}},
	{"126", "\x82\x7e\x00\x7e", frame.Header{Fin: true, Opcode: frame.Binary, Length: 126}},
	{"65535", "\x82\x7e\xff\xff", frame.Header{Fin: true, Opcode: frame.Binary, Length: 65535}},
	{"65536 masked", "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04", frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 65536}},
	{"2 GiB", "\x82\x7f\x00\x00\x00\x00\x80\x00\x00\x00", frame.Header{Fin: true, Opcode: frame.Binary, Length: 1 << 31}},
	{"4 GiB", "\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", frame.Header{Fin: true, Opcode: frame.Binary, Length: 1 << 32}},
	{"longest", "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", frame.Header{Fin: true, Opcode: frame.Binary, Length: math.MaxInt64}},
	{"RSV1", "\xc1\x00", frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Text}},
	{"RSV2", "\xa1\x00", frame.Header{Fin: true, RSV: frame.RSV2, Opcode: frame.Text}},
	{"RSV3", "\x91\x00", frame.Header{Fin: true, RSV: frame.RSV3, Opcode: frame.Text}},
	{"all bits", "\xff\xfd\xff\xff\xff\xff", frame.Header{Fin: true, RSV: 7, Opcode: 15, Masked: true, Key: [4]byte{255, 255, 255, 255}, Length: 125}},
}

func TestHeader(t *testing.T) {
	for _, tc := range headers {
		for _, rest := range []string{"", "payload"} {
			h, n, err := frame.ParseHeader([]byte(tc.wire + rest))
			if err != nil || n != len(tc.wire) || h != tc.h {
				t.Errorf("%s: ParseHeader gives %+v, %d, %v; want %+v, %d", tc.name, h, n, err, tc.h, len(tc.wire))
			}
		}
		for n := range len(tc.wire) {
			if h, n, err := frame.ParseHeader([]byte(tc.wire[:n])); err != nil || n != 0 || h != (frame.Header{}) {
				t.Errorf("%s: ParseHeader(%x) gives %+v, %d, %v; want to be asked for more", tc.name, tc.wire[:n], h, n, err)
			}
		}
		if got := frame.AppendHeader([]byte("before"), tc.h); string(got) != "before"+tc.wire {
			t.Errorf("%s: AppendHeader gives %x, want %x", tc.name, got[6:], tc.wire)
		}
		if tc.h.Size() != len(tc.wire) {
			t.Errorf("%s: Size is %d, want %d", tc.name, tc.h.Size(), len(tc.wire))
		}
	}
}

func TestHeaderRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		wire string // up to the byte that must not be accepted
		want error
	}{
		{"0 in 16 bits", "\x82\x7e\x00\x00", frame.ErrNonMinimalLength},
		{"125 in 16 bits", "\x82\x7e\x00\x7d", frame.ErrNonMinimalLength},
		{"125 in 16 bits, masked", "\x82\xfe\x00\x7d", frame.ErrNonMinimalLength},
		{"0 in 64 bits", "\x82\x7f\x00\x00\x00\x00\x00\x00", frame.ErrNonMinimalLength},
		{"65535 in 64 bits", "\x82\xff\x00\x00\x00\x00\x00\x00", frame.ErrNonMinimalLength},
		{"top bit", "\x82\x7f\x80", frame.ErrLengthOverflow},
		{"top bit, masked", "\x82\xff\xff", frame.ErrLengthOverflow},
	} {
		b := []byte(tc.wire)
		if h, n, err := frame.ParseHeader(b[:len(b)-1]); err != nil || n != 0 {
			t.Errorf("%s: ParseHeader(%x) gives %+v, %d, %v before the last byte", tc.name, b[:len(b)-1], h, n, err)
		}
		for _, fill := range []byte{0, 0x7f, 0xff} {
			b := []byte(tc.wire)
			for len(b) < 20 {
				if h, n, err := frame.ParseHeader(b); !errors.Is(err, tc.want) || n != 0 || h != (frame.Header{}) {
					t.Errorf("%s: ParseHeader(%x) gives %+v, %d, %v; want %v", tc.name, b, h, n, err, tc.want)
				}
				b = append(b, fill)
			}
		}
	}
}

// TestHeaderAll tries every first pair of bytes with the edges of what may
// follow.
func TestHeaderAll(t *testing.T) {
	tails := []string{
		strings.Repeat("\x00", 12),
		strings.Repeat("\xff", 12),
		"\x00\x7d" + strings.Repeat("\xaa", 10),
		"\x00\x7e" + strings.Repeat("\xaa", 10),
		"\x00\x00\x00\x00\x00\x00\xff\xff\x01\x02\x03\x04",
		"\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04",
		"\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04",
		"\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04",
	}
	b := make([]byte, 14)
	for first := range 1 << 16 {
		b[0], b[1] = byte(first>>8), byte(first)
		for _, tail := range tails {
			copy(b[2:], tail)
			if !checkParse(t, b) {
				return
			}
		}
	}
}

// checkParse checks what must hold for ParseHeader on any bytes and each of their
// prefixes.
func checkParse(t *testing.T, b []byte) bool {
	h, size, err := frame.ParseHeader(b)
	if size > 0 {
		if again := frame.AppendHeader(nil, h); h.Size() != size || !bytes.Equal(again, b[:size]) {
			t.Errorf("%x was parsed as %+v, %d bytes, which is written as %x", b, h, size, again)
		}
	}
	for n := range b {
		ph, psize, perr := frame.ParseHeader(b[:n])
		switch {
		case perr != nil && (perr != err || psize != 0):
			t.Errorf("%x is refused with %d, %v, but the longer %x gives %d, %v", b[:n], psize, perr, b, size, err)
		case perr == nil && psize > 0 && (ph != h || psize != size):
			t.Errorf("%x gives %+v, %d, but the longer %x %+v, %d", b[:n], ph, psize, b, h, size)
		case perr == nil && psize == 0 && !mendable(b[:n]):
			t.Errorf("%x is not refused, but no continuation can mend it", b[:n])
		}
	}
	return !t.Failed()
}

// mendable reports whether b is the start of a header that can be accepted: with
// the greatest length that it leaves open, if not with an empty payload.
func mendable(b []byte) bool {
	if len(b) < 2 {
		return true
	}
	for _, rest := range []string{"\xff\xff", "\x7f\xff"} {
		whole := append(append(make([]byte, 0, 32), b...), rest...)
		for len(whole) < 16 {
			whole = append(whole, 0xff)
		}
		if _, n, err := frame.ParseHeader(whole); err == nil && n > 0 {
			return true
		}
	}
	return false
}

func TestAppendHeaderDrops(t *testing.T) {
	h := frame.Header{RSV: 0xff, Opcode: 0xff, Length: -1, Key: [4]byte{1, 2, 3, 4}}
	if got, want := frame.AppendHeader(nil, h), []byte{0x7f, 0x00}; !bytes.Equal(got, want) || h.Size() != len(want) {
		t.Errorf("AppendHeader(%+v) gives %x, Size %d; want %x", h, got, h.Size(), want)
	}
}

func TestAppend(t *testing.T) {
	// RFC 6455 section 5.7.
	h := frame.Header{Fin: true, Opcode: frame.Text}
	if got, want := frame.Append(nil, h, []byte("Hello")), "\x81\x05Hello"; string(got) != want {
		t.Errorf("unmasked: %x, want %x", got, want)
	}
	h.Masked, h.Key = true, [4]byte{0x37, 0xfa, 0x21, 0x3d}
	if got, want := frame.Append([]byte("<"), h, []byte("Hello")), "<\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; string(got) != want {
		t.Errorf("masked: %x, want %x", got, want)
	}
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		for _, masked := range []bool{false, true} {
			h := frame.Header{Fin: true, Opcode: frame.Binary, Masked: masked, Length: 42}
			if masked {
				h.Key = [4]byte{9, 8, 7, 6}
			}
			p := pattern(n)
			b := frame.Append(nil, h, p)
			if !bytes.Equal(p, pattern(n)) {
				t.Fatalf("Append has changed a payload of %d bytes", n)
			}
			got, size, err := frame.ParseHeader(b)
			h.Length = int64(n)
			if err != nil || got != h || len(b) != size+n {
				t.Fatalf("a frame of %d bytes: %+v, %d of %d, %v", n, got, size, len(b), err)
			}
			if !masked && !bytes.Equal(frame.AppendMessage([]byte("<"), frame.Binary, p)[1:], b) {
				t.Fatalf("AppendMessage makes another frame of %d bytes", n)
			}
			naive(b[size:], got.Key, 0)
			if !bytes.Equal(b[size:], p) {
				t.Fatalf("payload of %d bytes is lost", n)
			}
		}
	}
}

func TestHeaderAllocations(t *testing.T) {
	wire := []byte(headers[12].wire)
	h := headers[12].h
	b := make([]byte, 0, 2048)
	p := pattern(1024)
	for name, f := range map[string]func(){
		"ParseHeader":  func() { _, _, _ = frame.ParseHeader(wire) },
		"refused":      func() { _, _, _ = frame.ParseHeader([]byte{0x82, 0x7e, 0, 0}) },
		"AppendHeader": func() { b = frame.AppendHeader(b[:0], h) },
		"Append":       func() { b = frame.Append(b[:0], h, p) },
		"broadcast":    func() { b = frame.Append(b[:0], frame.Header{Fin: true, Opcode: frame.Text}, p) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	// Without a buffer: the frame and nothing else.
	if n := testing.AllocsPerRun(100, func() { sink = frame.Append(nil, h, p) }); n != 1 {
		t.Errorf("Append to nil: %v allocations, want 1", n)
	}
}

func FuzzHeader(f *testing.F) {
	for _, tc := range headers {
		f.Add([]byte(tc.wire))
	}
	f.Add([]byte("\x82\x7e\x00\x7d"))
	f.Add([]byte("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"))
	f.Add([]byte("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 20 {
			b = b[:20]
		}
		checkParse(t, b)
	})
}

// sink keeps what a benchmark or an allocation test makes on the heap.
var sink []byte

// pattern returns n bytes that do not repeat with a period of a power of two.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i/251)
	}
	return p
}

func BenchmarkParseHeader(b *testing.B) {
	for _, n := range []int64{125, 1024, 65536} {
		for _, masked := range []bool{false, true} {
			wire := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: masked, Length: n})
			b.Run(fmt.Sprintf("length=%d/masked=%v", n, masked), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if h, _, err := frame.ParseHeader(wire); err != nil || h.Length != n {
						b.Fatal(h, err)
					}
				}
			})
		}
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	for _, n := range []int64{125, 1024, 65536} {
		for _, masked := range []bool{false, true} {
			h := frame.Header{Fin: true, Opcode: frame.Binary, Masked: masked, Length: n}
			buf := make([]byte, 0, frame.MaxHeaderSize)
			b.Run(fmt.Sprintf("length=%d/masked=%v", n, masked), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					buf = frame.AppendHeader(buf[:0], h)
				}
			})
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{16, 125, 1024, 65536} {
		p := pattern(n)
		buf := make([]byte, 0, n+frame.MaxHeaderSize)
		for _, masked := range []bool{false, true} {
			b.Run(fmt.Sprintf("length=%d/masked=%v", n, masked), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n))
				h := frame.Header{Fin: true, Opcode: frame.Binary, Masked: masked, Key: frame.NewKey()}
				for b.Loop() {
					buf = frame.Append(buf[:0], h, p)
				}
			})
		}
	}
}
