package deflate_test

import (
	"bytes"
	stdflate "compress/flate"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws/deflate"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInflateExamples(t *testing.T) {
	tests := []struct {
		name     string
		payloads []string // in hexadecimal, on one connection
		want     []string // "-" is corrupt, and the last
	}{
		{"RFC 7692 7.2.3.1, one block", []string{"f2 48 cd c9 c9 07 00"}, []string{"Hello"}},
		{"RFC 7692 7.2.3.2, sharing the window", []string{"f2 48 cd c9 c9 07 00", "f2 00 11 00 00"}, []string{"Hello", "Hello"}},
		{"RFC 7692 7.2.3.3, stored", []string{"00 05 00 fa ff 48 65 6c 6c 6f 00"}, []string{"Hello"}},
		{"RFC 7692 7.2.3.4, BFINAL", []string{"f3 48 cd c9 c9 07 00 00"}, []string{"Hello"}},
		{"BFINAL and nothing behind it", []string{"f3 48 cd c9 c9 07 00"}, []string{"Hello"}},
		{"BFINAL keeps the window", []string{"f3 48 cd c9 c9 07 00 00", "f2 00 11 00 00"}, []string{"Hello", "Hello"}},
		{"BFINAL and another stream", []string{"f3 48 cd c9 c9 07 00 f2 48 cd c9 c9 07 00"}, []string{"HelloHello"}},
		{"BFINAL and a stream that refers to the first", []string{"f3 48 cd c9 c9 07 00 f2 00 11 00 00"}, []string{"HelloHello"}},
		{"BFINAL on the last, empty block", []string{"f2 48 cd c9 c9 07 01"}, []string{"-"}}, // bits 000 end the fixed block
		{"stored, BFINAL on the empty block", []string{"00 05 00 fa ff 48 65 6c 6c 6f 01"}, []string{"Hello"}},
		{"RFC 7692 7.2.3.5, two blocks", []string{"f2 48 05 00 00 00 ff ff ca c9 c9 07 00"}, []string{"Hello"}},
		{"RFC 7692 7.2.3.6, empty", []string{"00", "00"}, []string{"", ""}},
		{"empty, as zlib flushes", []string{"", "02 00"}, []string{"", ""}},
		{"many empty blocks", []string{"00 00 00 ff ff 00 00 00 ff ff 00 00 00 ff ff 00"}, []string{""}},
		{"empty fixed blocks", []string{"02 08 20 00 00"}, []string{""}},
		{"tail not removed", []string{"f2 48 cd c9 c9 07 00 00 00 ff ff"}, []string{"-"}},
		{"garbage behind BFINAL", []string{"f3 48 cd c9 c9 07 00 ff"}, []string{"-"}},
		{"garbage behind the last block", []string{"f2 48 cd c9 c9 07 00 01"}, []string{"-"}},
		{"reserved block type", []string{"06"}, []string{"-"}},
		{"cut in a word", []string{"f2 48 cd c9"}, []string{"-"}},
		{"cut before the header of the empty block", []string{"00 05 00 fa ff 48 65 6c 6c 6f"}, []string{"-"}},
		{"cut in stored data, four short", []string{"00 05 00 fa ff 48"}, []string{"-"}},
		{"cut in stored lengths", []string{"00 05 00 fa"}, []string{"-"}},
		{"stored lengths differ", []string{"00 05 00 fb ff 48 65 6c 6c 6f 00"}, []string{"-"}},
		{"refers to before the first message", []string{"f2 00 11 00 00"}, []string{"-"}},
		{"cut in the codes", []string{"04"}, []string{"-"}},
		{"dynamic block whose codes are empty", []string{"04 00 00 00 00 00 00 00 00 00 00 00 00"}, []string{"-"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := deflate.NewDecompressor(deflate.Params{}, false)
			defer d.Release()
			for i, s := range tt.payloads {
				got, err := d.Append([]byte("> "), unhex(t, s), 100)
				if tt.want[i] == "-" {
					if !errors.Is(err, deflate.ErrCorrupt) || string(got) != "> " {
						t.Errorf("message %d: got %q, %v, want ErrCorrupt", i, got, err)
					}
					continue
				}
				if err != nil || string(got) != "> "+tt.want[i] {
					t.Errorf("message %d: got %q, %v, want %q", i, got, err, tt.want[i])
				}
			}
		})
	}
}

func TestInflateWithoutContext(t *testing.T) {
	d := deflate.NewDecompressor(deflate.Params{ClientNoContextTakeover: true}, false)
	if _, err := d.Append(nil, unhex(t, "f2 48 cd c9 c9 07 00"), 5); err != nil {
		t.Fatal(err)
	}
	if n := d.Held(); n != 0 {
		t.Errorf("%d bytes are held without context takeover", n)
	}
	if _, err := d.Append(nil, unhex(t, "f2 00 11 00 00"), 5); !errors.Is(err, deflate.ErrCorrupt) {
		t.Errorf("a message that refers to the one before: got %v, want ErrCorrupt", err)
	}
}

// stdDeflate compresses with the standard library and returns the payload.
func stdDeflate(t testing.TB, p, dict []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := stdflate.NewWriterDict(&b, level, dict)
	if err == nil {
		_, err = w.Write(p)
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// stdInflate is what the standard library makes of payload+end: the output up
// to the end, or to where the input was wrong.
func stdInflate(payload, past []byte, end string) (out []byte, err error) {
	in := bytes.NewReader(append(bytes.Clone(payload), end...))
	for {
		window := append(bytes.Clone(past), out...)
		r := stdflate.NewReaderDict(in, window[max(0, len(window)-32<<10):])
		more, err := io.ReadAll(r)
		out = append(out, more...)
		if err != nil || in.Len() == 0 {
			return out, err
		}
	}
}

func FuzzInflate(f *testing.F) {
	for _, s := range []string{"f2 48 cd c9 c9 07 00", "00 05 00 fa ff 48 65 6c 6c 6f 00", "f3 48 cd c9 c9 07 00 00",
		"f2 48 05 00 00 00 ff ff ca c9 c9 07 00", "", "00", "f2 00 11 00 00"} {
		f.Add(unhex(f, s), []byte("Hello"))
	}
	text := []byte(strings.Repeat("It is a period of civil war. Rebel spaceships, striking from a hidden base, ", 9))
	for level := -2; level <= 9; level++ {
		f.Add(stdDeflate(f, text, nil, level), []byte(nil))
		f.Add(stdDeflate(f, text[:200], text[100:], level), text[100:])
	}
	const limit = 1 << 20
	f.Fuzz(func(t *testing.T, payload, past []byte) {
		d := deflate.NewDecompressor(deflate.Params{}, true)
		defer d.Release()
		if _, err := d.Append(nil, stdDeflate(t, past, nil, 1), math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(payload)
		got, err := d.Append(nil, payload, limit)
		if !bytes.Equal(before, payload) {
			t.Fatal("the payload was changed")
		}
		if cap(got) > limit+64<<10 || d.Held() > 32<<10 {
			t.Fatalf("%d bytes allocated, %d held", cap(got), d.Held())
		}
		// The empty stored block that the payload begins, and then an empty last one.
		const end = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
		want, wantErr := stdInflate(payload, past, end)
		switch {
		case errors.Is(err, deflate.ErrTooLarge):
			if len(want) <= limit && wantErr == nil {
				t.Fatalf("ErrTooLarge, but it is %d bytes", len(want))
			}
		case err == nil && wantErr != nil:
			if len(payload) == 0 {
				return
			}
			// Without an empty block behind BFINAL.
			if want, wantErr = stdInflate(payload, past, ""); wantErr != nil {
				t.Fatalf("accepted %x, the standard library says %v", payload, wantErr)
			}
			fallthrough
		case err == nil:
			if !bytes.Equal(got, want) {
				t.Fatalf("%x inflates to %x, the standard library says %x", payload, got, want)
			}
		case wantErr == nil:
			// The standard library may have read the end as the message.
			if short, _ := stdInflate(payload, past, ""); bytes.Equal(short, want) {
				t.Fatalf("refused %x, the standard library says %x", payload, want)
			}
		}
	})
}
