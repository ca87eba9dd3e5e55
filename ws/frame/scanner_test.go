package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/tidewire/tidewire/ws/frame"
)

// scanned returns what a Scanner says of a stream in pieces.
func scanned(pieces ...[]byte) (said []string, err error) {
	var s frame.Scanner
	for _, p := range pieces {
		err = s.Scan(p, func(h frame.Header, raw []byte) { said = append(said, fmt.Sprintf("%v %x", h, raw)) })
	}
	return said, err
}

// scannable is frames of every form, and what a Scanner is to say of them.
func scannable() (stream []byte, want []string) {
	key := [4]byte{1, 2, 3, 4}
	for _, f := range []struct {
		h frame.Header
		n int
	}{
		{frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: key}, 2},
		{frame.Header{Fin: true, Opcode: frame.Binary}, 0},
		{frame.Header{Opcode: frame.Text, RSV: frame.RSV1}, 125},
		{frame.Header{Fin: true, Opcode: frame.Ping, Masked: true, Key: key}, 4},
		{frame.Header{Opcode: frame.Continuation}, 126},
		{frame.Header{Fin: true, Opcode: frame.Continuation}, 0},
		{frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: key}, 65536},
		{frame.Header{Fin: true, Opcode: frame.Close}, 2},
	} {
		f.h.Length = int64(f.n)
		want = append(want, fmt.Sprintf("%v %x", f.h, frame.AppendHeader(nil, f.h)))
		stream = frame.Append(stream, f.h, bytes.Repeat([]byte{0x81}, f.n)) // a payload that looks like headers
	}
	return stream, want
}

func TestScannerHoweverTheStreamIsCut(t *testing.T) {
	stream, want := scannable()
	for size := 1; size < 300; size++ {
		var pieces [][]byte
		for rest := stream; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			pieces = append(pieces, rest[:min(size, len(rest))])
		}
		if got, err := scanned(pieces...); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("in pieces of %d: %q, %v", size, got, err)
		}
	}
	if got, err := scanned(stream); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("whole: %q, %v", got, err)
	}
}

// What is no frame ends the scanning for good.
func TestScannerOfWhatIsNoFrame(t *testing.T) {
	good := []byte{0x81, 2, 'h', 'i'}
	got, err := scanned(good, []byte{0x82, 126, 0, 1}, good)
	if len(got) != 1 || !errors.Is(err, frame.ErrNonMinimalLength) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestScannerAllocations(t *testing.T) {
	stream, _ := scannable()
	var s frame.Scanner
	seen := 0
	count := func(frame.Header, []byte) { seen++ }
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Scan(stream, count); err != nil {
			t.Fatal(err)
		}
	}); n != 0 || seen == 0 {
		t.Errorf("%v allocations", n)
	}
}

// Wherever a stream is cut, the same is said of it.
func FuzzScanner(f *testing.F) {
	stream, _ := scannable()
	f.Add(stream[:600], uint(3), uint(90))
	f.Add([]byte{0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0, 1}, uint(2), uint(4))
	f.Add([]byte{0x82, 126, 0, 1}, uint(3), uint(1))
	f.Fuzz(func(t *testing.T, p []byte, a, b uint) {
		i := int(a % uint(len(p)+1))
		j := i + int(b%uint(len(p)-i+1))
		whole, err := scanned(p)
		cut, cutErr := scanned(p[:i], p[i:j], p[j:])
		if !reflect.DeepEqual(whole, cut) || len(p) > 0 && err != cutErr {
			t.Fatalf("whole %q, %v; cut %q, %v", whole, err, cut, cutErr)
		}
	})
}
