package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/tidewire/tidewire/ws/frame"
)

// readers are ways for bytes to arrive.
var readers = map[string]func(io.Reader) io.Reader{
	"at once":           func(r io.Reader) io.Reader { return r },
	"byte by byte":      iotest.OneByteReader,
	"by halves":         iotest.HalfReader,
	"EOF with the data": iotest.DataErrReader,
	"with empty reads":  func(r io.Reader) io.Reader { return &hesitant{r: r} },
}

// hesitant returns nothing on every second read.
type hesitant struct {
	r    io.Reader
	turn bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.turn = !h.turn; h.turn {
		return 0, nil
	}
	return h.r.Read(p[:1])
}

func TestReadHeader(t *testing.T) {
	for name, wrap := range readers {
		for _, tc := range headers {
			under := bytes.NewReader([]byte(tc.wire + "payload"))
			h, err := frame.ReadHeader(wrap(under), make([]byte, frame.MaxHeaderSize))
			if err != nil || h != tc.h {
				t.Errorf("%s, %s: %+v, %v; want %+v", tc.name, name, h, err, tc.h)
			}
			if name != "EOF with the data" && under.Len() != len("payload") { // that one reads ahead
				t.Errorf("%s, %s: %d bytes are left of %d", tc.name, name, under.Len(), len("payload"))
			}
			for n := range len(tc.wire) {
				want := io.ErrUnexpectedEOF
				if n == 0 {
					want = io.EOF
				}
				r := wrap(bytes.NewReader([]byte(tc.wire[:n])))
				if h, err := frame.ReadHeader(r, make([]byte, 20)); err != want || h != (frame.Header{}) {
					t.Errorf("%s, %s, cut at %d: %+v, %v; want %v", tc.name, name, n, h, err, want)
				}
			}
			r := wrap(bytes.NewReader([]byte(tc.wire)))
			if h, err := frame.ReadHeader(r, make([]byte, frame.MaxHeaderSize)); err != nil || h != tc.h {
				t.Errorf("%s, %s, nothing behind: %+v, %v", tc.name, name, h, err)
			}
		}
	}
}

// TestReadHeaderRefuses sees that what is refused is so at the byte that shows it,
// and that nothing more is asked for.
func TestReadHeaderRefuses(t *testing.T) {
	for wire, want := range map[string]error{
		"\x82\xfe\x00\x7d":                 frame.ErrNonMinimalLength,
		"\x82\xff\x00\x00\x00\x00\x00\x00": frame.ErrNonMinimalLength,
		"\x82\xff\x80":                     frame.ErrLengthOverflow,
	} {
		end := errors.New("read too far")
		r := io.MultiReader(iotest.OneByteReader(bytes.NewReader([]byte(wire))), iotest.ErrReader(end))
		if _, err := frame.ReadHeader(r, make([]byte, frame.MaxHeaderSize)); err != want {
			t.Errorf("%x: %v, want %v", wire, err, want)
		}
	}
}

func TestReadHeaderErrors(t *testing.T) {
	scratch := make([]byte, frame.MaxHeaderSize)
	if _, err := frame.ReadHeader(bytes.NewReader([]byte("\x81\x05")), scratch[:13]); err != io.ErrShortBuffer {
		t.Errorf("13 bytes of scratch: %v", err)
	}
	broken := errors.New("broken")
	for n := range 6 {
		r := io.MultiReader(bytes.NewReader([]byte("\x81\x85\x37\xfa\x21\x3d")[:n]), iotest.ErrReader(broken))
		if _, err := frame.ReadHeader(r, scratch); err != broken {
			t.Errorf("broken after %d bytes: %v", n, err)
		}
	}
	if _, err := frame.ReadHeader(stuck{}, scratch); err != io.ErrNoProgress {
		t.Errorf("a reader that returns nothing: %v", err)
	}
}

// stuck returns nothing for ever.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestReadPayload(t *testing.T) {
	for name, wrap := range readers {
		for _, n := range []int{0, 1, 5, 125, 126, 4096, 65535, 65536, 65537, 200_000} {
			for _, masked := range []bool{false, true} {
				for _, buf := range [][]byte{nil, []byte("before"), make([]byte, 6, 100), make([]byte, 6, 66_000), make([]byte, 6, 200_006)} {
					copy(buf, "before")
					h := frame.Header{Fin: true, Opcode: frame.Binary, Masked: masked, Key: maskKey, Length: int64(n)}
					wire := pattern(n)
					if masked {
						naive(wire, h.Key, 0)
					}
					want := append(bytes.Clone(buf), pattern(n)...)
					under := bytes.NewReader(append(wire, "next frame"...))
					got, err := frame.ReadPayload(wrap(under), h, buf, int64(n))
					if err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%s, %d bytes, masked %v, capacity %d: %d bytes, %v", name, n, masked, cap(buf), len(got), err)
					}
					if name != "EOF with the data" && under.Len() != len("next frame") {
						t.Fatalf("%s, %d bytes: %d bytes are left of %d", name, n, under.Len(), len("next frame"))
					}
					if cap(buf) >= len(want) && n > 0 && &got[0] != &buf[:1][0] {
						t.Fatalf("%s, %d bytes: a buffer of %d was not used", name, n, cap(buf))
					}
				}
			}
		}
	}
}

func TestReadPayloadErrors(t *testing.T) {
	buf := []byte("before")
	r := stuck{} // would fail with another error if it were read
	for _, tc := range []struct {
		name   string
		length int64
		max    int64
		want   error
	}{
		{"one too many", 101, 100, frame.ErrTooBig},
		{"nothing allowed", 1, 0, frame.ErrTooBig},
		{"more than memory", math.MaxInt64, -1, frame.ErrTooBig},
		{"more than memory with the buffer", math.MaxInt - 5, -1, frame.ErrTooBig},
		{"negative", -1, 100, frame.ErrLengthOverflow},
	} {
		if got, err := frame.ReadPayload(r, frame.Header{Length: tc.length}, buf, tc.max); err != tc.want || string(got) != "before" {
			t.Errorf("%s: %q, %v; want %v", tc.name, got, err, tc.want)
		}
	}
	if got, err := frame.ReadPayload(r, frame.Header{}, buf, 0); err != nil || string(got) != "before" {
		t.Errorf("empty: %q, %v", got, err)
	}

	broken := errors.New("broken")
	for _, length := range []int64{10, 70_000, 1 << 30} {
		for _, n := range []int{0, 1, 9} {
			h := frame.Header{Masked: true, Length: length}
			for name, wrap := range readers {
				got, err := frame.ReadPayload(wrap(bytes.NewReader(pattern(n))), h, buf, -1)
				if err != io.ErrUnexpectedEOF || string(got) != "before" {
					t.Errorf("%d of %d bytes, %s: %q, %v", n, length, name, got, err)
				}
			}
			got, err := frame.ReadPayload(io.MultiReader(bytes.NewReader(pattern(n)), iotest.ErrReader(broken)), h, buf, -1)
			if err != broken || string(got) != "before" {
				t.Errorf("%d of %d bytes and an error: %q, %v", n, length, got, err)
			}
			got, err = frame.ReadPayload(io.MultiReader(bytes.NewReader(pattern(n)), stuck{}), h, buf, -1)
			if err != io.ErrNoProgress || string(got) != "before" {
				t.Errorf("%d of %d bytes and then nothing: %q, %v", n, length, got, err)
			}
		}
	}
}

// miser counts what it has given and how far the space that it was offered
// went beyond that.
type miser struct {
	left, step, given, ahead int
}

func (m *miser) Read(p []byte) (int, error) {
	m.ahead = max(m.ahead, len(p))
	n := min(len(p), m.step, m.left)
	if n == 0 {
		return 0, io.EOF
	}
	m.left -= n
	m.given += n
	return n, nil
}

// TestReadPayloadAhead sees that an announced length does not claim memory before
// the bytes are there.
func TestReadPayloadAhead(t *testing.T) {
	for _, length := range []int64{65_536, 65_537, 1 << 20, math.MaxInt32, 1 << 50} {
		if length > math.MaxInt {
			continue // refused on this machine: TestReadPayloadErrors
		}
		for _, sent := range []int{0, 1000, 300_000} {
			m := &miser{left: sent, step: 1000}
			if int64(sent) >= length {
				m.left = int(length)
			}
			got, err := frame.ReadPayload(m, frame.Header{Length: length}, nil, -1)
			if m.ahead > 64<<10 {
				t.Errorf("length %d, %d sent: %d bytes were claimed at once", length, sent, m.ahead)
			}
			if int64(m.given) == length {
				if err != nil || len(got) != m.given {
					t.Errorf("length %d: %d bytes, %v", length, len(got), err)
				}
			} else if err != io.ErrUnexpectedEOF {
				t.Errorf("length %d, %d sent: %v", length, sent, err)
			}
		}
	}
	// The whole of what is allocated for peers that only announce.
	const peers = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range peers {
		if _, err := frame.ReadPayload(&miser{}, frame.Header{Length: math.MaxInt32 - 1}, nil, -1); err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / peers; n > 80<<10 {
		t.Errorf("an announced payload of 2 GiB costs %d bytes", n)
	}
}

func TestReadAllocations(t *testing.T) {
	wire := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: maskKey}, pattern(100_000))
	var r bytes.Reader
	scratch := make([]byte, frame.MaxHeaderSize)
	buf := make([]byte, 0, 100_000)
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(wire)
		h, err := frame.ReadHeader(&r, scratch)
		if err != nil {
			t.Fatal(err)
		}
		if buf, err = frame.ReadPayload(&r, h, buf[:0], 100_000); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if !bytes.Equal(buf, pattern(100_000)) {
		t.Error("the payload is lost")
	}
}

// FuzzRead reads any bytes as frames, by both ways, which must agree.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), 3)
	f.Add([]byte("\x01\x03Hel\x80\x02lo\x89\x00"), 1)
	f.Add(frame.Append(nil, frame.Header{Opcode: frame.Binary, Masked: true, Key: maskKey}, pattern(70_000)), 1000)
	f.Add([]byte("\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00short"), 100)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		const limit = 1 << 20
		r := &stepper{b: b, step: max(step, 1)}
		scratch := make([]byte, frame.MaxHeaderSize)
		var payload []byte
		for {
			want, n, refused := frame.ParseHeader(b)
			h, err := frame.ReadHeader(r, scratch)
			switch {
			case refused != nil:
				if err != refused {
					t.Fatalf("ReadHeader gives %v, ParseHeader %v", err, refused)
				}
				return
			case n == 0:
				if len(b) == 0 && err != io.EOF || len(b) > 0 && err != io.ErrUnexpectedEOF {
					t.Fatalf("ReadHeader gives %v with %d bytes", err, len(b))
				}
				return
			case err != nil || h != want:
				t.Fatalf("ReadHeader gives %+v, %v; ParseHeader %+v", h, err, want)
			}
			b = b[n:]
			payload, err = frame.ReadPayload(r, h, payload[:0], limit)
			switch {
			case h.Length > limit:
				if err != frame.ErrTooBig {
					t.Fatalf("ReadPayload of %d bytes gives %v", h.Length, err)
				}
				return
			case h.Length > int64(len(b)):
				if err != io.ErrUnexpectedEOF {
					t.Fatalf("ReadPayload of %d bytes gives %v with %d", h.Length, err, len(b))
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			p := bytes.Clone(b[:h.Length])
			naive(p, h.Key, 0) // a key of zero where there is none
			if !bytes.Equal(p, payload) {
				t.Fatalf("ReadPayload gives %x, want %x", payload, p)
			}
			b = b[h.Length:]
		}
	})
}

// stepper gives at most step bytes at a time.
type stepper struct {
	b    []byte
	step int
}

func (s *stepper) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.b)
	s.b = s.b[n:]
	return n, nil
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{125, 1024, 65536, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			wire := frame.Append(nil, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: maskKey}, pattern(n))
			var r bytes.Reader
			scratch := make([]byte, frame.MaxHeaderSize)
			buf := make([]byte, 0, n)
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				r.Reset(wire)
				h, err := frame.ReadHeader(&r, scratch)
				if err != nil {
					b.Fatal(err)
				}
				if buf, err = frame.ReadPayload(&r, h, buf[:0], -1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
