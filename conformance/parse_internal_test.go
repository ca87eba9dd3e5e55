package conformance

import (
	"bufio"
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The runner's own tools are tested from inside: a fault in one of them would be
// blamed on the peers.

func TestReadFrameReadsWhatWasWritten(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 200000} {
		for _, masked := range []bool{false, true} {
			f := frame{fin: true, rsv: 5, op: opBinary, payload: pattern(n), key: [4]byte{1, 2, 3, 4}}
			b := f.appendHeader(nil, masked)
			at := len(b)
			b = append(b, f.payload...)
			if masked {
				xor(b[at:], f.key, 0)
			}
			var wire []byte
			got, err := readFrame(bytes.NewReader(b), func(uint64) bool { return true }, &wire)
			if err != nil || !got.fin || got.rsv != 5 || got.op != opBinary || got.masked != masked || !got.lean ||
				got.size != uint64(n) || !bytes.Equal(got.payload, f.payload) || !bytes.HasPrefix(b, wire) {
				t.Errorf("%d bytes, masked %v: %v, %v", n, masked, got, err)
			}
		}
	}
}

func TestXorAtAnyOffset(t *testing.T) {
	key := [4]byte{0x11, 0x22, 0x33, 0x44}
	for n := range 40 {
		for pos := range 9 {
			p := pattern(n)
			want := bytes.Clone(p)
			for i := range want {
				want[i] ^= key[(pos+i)&3]
			}
			if xor(p, key, pos); !bytes.Equal(p, want) {
				t.Fatalf("%d bytes at %d: %x, expected %x", n, pos, p, want)
			}
		}
	}
}

func inflateAll(t *testing.T, streams ...[]byte) []byte {
	t.Helper()
	in := append(bytes.Join(streams, []byte{0, 0, 0xff, 0xff}), tail...)
	out, err := io.ReadAll(flate.NewReader(bytes.NewReader(in)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPackerKeepsItsWindow(t *testing.T) {
	p := jsonContent()[:60000]
	for _, bits := range []int{8, 9, 12, 15} {
		k := packer{window: 1 << bits}
		var streams [][]byte
		for i := 0; i < len(p); i += 1500 {
			stream := k.pack(p[i : i+1500])
			if far, err := reach(stream); err != nil || far > 1<<bits {
				t.Fatalf("%d bits: reaches back by %d, %v", bits, far, err)
			}
			streams = append(streams, stream)
		}
		if got := inflateAll(t, streams...); !bytes.Equal(got, p) {
			t.Errorf("%d bits: %d bytes come out of %d", bits, len(got), len(p))
		}
		if n := len(bytes.Join(streams, nil)); n > len(p)*3/4 {
			t.Errorf("%d bits: %d bytes are packed into %d", bits, len(p), n)
		}
	}
}

func TestReachFindsTheLongestReference(t *testing.T) {
	for _, distance := range []int{1, 2, 4, 5, 255, 256, 257, 511, 512, 513, 4096, 24577, 32767, 32768} {
		var w bitWriter
		w.stored(false, pattern(32768))
		w.begin(false, 1)
		w.match(3, 1)
		w.match(258, distance)
		w.endBlock()
		stream := w.message()
		if got, err := reach(stream); got != distance || err != nil {
			t.Errorf("distance %d: %d, %v", distance, got, err)
		}
		if distance > 1 {
			inflateAll(t, stream)
		}
	}
	// Dynamic blocks, as a real compressor makes them: a text that repeats at one distance.
	for _, distance := range []int{300, 5000} {
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, 9)
		unique := make([]byte, 0, distance)
		for i := range distance {
			unique = append(unique, byte('a'+pattern(distance)[i]%16))
		}
		w.Write(unique)
		w.Write(unique)
		w.Flush()
		if got, err := reach(bytes.TrimSuffix(packed.Bytes(), []byte{0, 0, 0xff, 0xff})); err != nil || got < distance {
			t.Errorf("a compressor's distance of at least %d: %d, %v", distance, got, err)
		}
	}
}

func TestExchange(t *testing.T) {
	texts := [][]byte{[]byte("Hello"), {}, asciiText(70000), []byte("Hello"), pattern(50000), jsonContent()[:9000]}
	for _, st := range []stream{{15, false}, {15, true}, {9, false}, {9, true}, {8, false}} {
		x := &exchange{to: st, from: st}
		for i, p := range texts {
			got, err := x.inflate(x.compress(p), 1<<20)
			if err != nil || !bytes.Equal(got, p) {
				t.Fatalf("%+v, message %d: %d bytes of %d, %v", st, i, len(got), len(p), err)
			}
		}
		x.release()
	}
	wide, narrow := &exchange{to: stream{15, false}}, &exchange{from: stream{9, false}}
	defer wide.release()
	if _, err := narrow.inflate(wide.compress(append(pattern(2000), pattern(2000)...)), 1<<20); err == nil || !strings.Contains(err.Error(), "window is 512") {
		t.Error("a reference beyond the window was taken:", err)
	}
	if _, err := (&exchange{from: stream{15, false}}).inflate(wide.compress(make([]byte, 2000)), 1000); err == nil || !strings.Contains(err.Error(), "more than 1000") {
		t.Error("the limit was not kept:", err)
	}
}

// Blocks of no content cost next to nothing, and no peer may keep the runner busy with them.
func TestEmptyBlocks(t *testing.T) {
	window := make([]byte, 1<<15-1)
	message := func(n int) []byte {
		var w bitWriter
		w.stored(false, window)
		return append(append(w.out, bytes.Repeat([]byte{0x03, 0x00}, n)...), 0x00) // final, fixed codes, no symbol
	}
	x := &exchange{from: stream{bits: 15}}
	if p, err := x.inflate(message(100), 1<<20); err != nil || !bytes.Equal(p, window) {
		t.Errorf("100 final blocks: %d bytes, %v", len(p), err)
	}
	if _, err := x.inflate(message(mostFinals), 1<<20); err == nil || !strings.Contains(err.Error(), "final blocks") {
		t.Errorf("too many final blocks: %v", err)
	}
	empty := message(0)
	empty = append(empty[:len(empty)-1], bytes.Repeat([]byte{0x02, 0x08, 0x20, 0x80, 0x00}, 1000)...) // four fixed blocks in five bytes
	if n := testing.AllocsPerRun(5, func() {
		if _, err := reach(empty); err != nil {
			t.Fatal(err)
		}
	}); n > 10 {
		t.Errorf("%v allocations for 4000 empty blocks", n)
	}
}

func TestParseOffers(t *testing.T) {
	got, err := parseOffers([]string{`permessage-deflate; client_max_window_bits; server_max_window_bits="10" , x ;y = z`, "w"})
	if err != nil || len(got) != 3 || got[0].bitsOf("server_max_window_bits") != 10 || !got[0].has("client_max_window_bits") ||
		got[1].name != "x" || got[1].params[0] != (param{"y", "z", true}) || got[2].name != "w" {
		t.Error(got, err)
	}
	for _, bad := range []string{"", ";", "a;", "a,", "a; =1", "a; b=", `a; b="`, "a b", "a; b=c d", "a, ,b"} {
		if got, err := parseOffers([]string{bad}); err == nil && bad != "a," {
			t.Errorf("%q was taken as %v", bad, got)
		}
	}
}

func FuzzReadHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte("\n\n"))
	f.Add([]byte("a\r\n b\r\n:\r\n\r\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		h, err := readHead(bufio.NewReaderSize(bytes.NewReader(p), 16))
		if !bytes.HasPrefix(p, h.raw) || len(h.raw) > maxHead+16 {
			t.Fatal("raw is not what was read")
		}
		if err == nil {
			for _, fl := range h.fields {
				if fl.name == "" || strings.ContainsAny(fl.name, " :\t") || len(h.values(fl.name)) == 0 {
					t.Fatalf("field %q", fl)
				}
			}
			h.status()
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0x81, 5, 'H', 'e', 'l', 'l', 'o'})
	f.Add([]byte{0x82, 0xfe, 0, 3, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, p []byte) {
		left := uint64(1 << 20)
		allow := func(n uint64) bool {
			if n > left {
				return false
			}
			left -= n
			return true
		}
		var wire []byte
		got, err := readFrame(bytes.NewReader(p), allow, &wire)
		_ = got.String()
		if !bytes.HasPrefix(p, wire) && err == nil {
			t.Fatal("wire is not what was read")
		}
		if err == nil && uint64(len(got.payload)) != got.size {
			t.Fatalf("%d bytes of %d", len(got.payload), got.size)
		}
		if len(got.payload) > len(p)+64<<10 && err != nil {
			t.Fatalf("%d bytes allocated for %d", len(got.payload), len(p))
		}
	})
}

func FuzzParseOffers(f *testing.F) {
	for _, s := range []string{"permessage-deflate; client_max_window_bits", `a; b="c", d`, ";=", `a;b="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := parseOffers([]string{s})
		if err != nil {
			return
		}
		for _, e := range all {
			if e.name == "" || slices.ContainsFunc(e.params, func(p param) bool { return p.name == "" }) {
				t.Fatalf("%q gives %v", s, all)
			}
			if checkParams(e, true) == nil && e.has("client_max_window_bits") && e.bitsOf("client_max_window_bits") < 8 {
				t.Fatalf("%q passes", s)
			}
		}
	})
}

// FuzzInflate: whatever comes, reach does not hang or panic, nor find a distance that DEFLATE
// cannot express, and inflate keeps its limit.
func FuzzInflate(f *testing.F) {
	f.Add([]byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00})
	f.Add([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00})
	f.Add(run258())
	f.Add([]byte{0x04, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, p []byte) {
		if far, _ := reach(p); far > 32768 {
			t.Fatal(far)
		}
		x := exchange{from: stream{9, false}}
		for range 2 {
			if out, err := x.inflate(p, 4096); err == nil && len(out) > 4096 {
				t.Fatal(len(out))
			}
		}
		k := packer{window: 256}
		y := exchange{from: stream{8, false}}
		for range 2 {
			if out, err := y.inflate(k.pack(p), 1<<20); err != nil || !bytes.Equal(out, p) {
				t.Fatal(err)
			}
		}
	})
}

// A client that comes over and over does not fill the runner's memory.
func TestNoncesAreBounded(t *testing.T) {
	run := new(Runner).newRun()
	for i := range 2 * mostNonces {
		run.keep(strconv.Itoa(i), "1.1.1")
	}
	run.keep(strings.Repeat("x", 60<<10), "1.1.1")
	if n := len(run.nonces); n != mostNonces {
		t.Errorf("%d keys are kept", n)
	}
	if other := run.keep("0", "1.1.2"); other != "1.1.1" || run.twins != "1.1.1 and 1.1.2" {
		t.Errorf("the same key: %q, %q", other, run.twins)
	}
}
