package frame_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/ws/frame"
)

func TestParseClose(t *testing.T) {
	long := strings.Repeat("r", 123)
	for _, tc := range []struct {
		section string
		payload string
		code    frame.StatusCode
		reason  string
		err     error
	}{
		{"7.1.5 no status", "", frame.StatusNoStatusRcvd, "", nil},
		{"5.5.1 one byte", "\x03", 0, "", frame.ErrClosePayload},
		{"5.5.1 code alone", "\x03\xe8", 1000, "", nil},
		{"5.5.1 code and reason", "\x03\xe9bye", 1001, "bye", nil},
		{"5.5.1 reason in UTF-8", "\x03\xe8gr\u00fc\u00df \U0001f44b", 1000, "gr\u00fc\u00df \U0001f44b", nil},
		{"5.5 123 bytes", "\x03\xe8" + long, 1000, long, nil},
		{"5.5 124 bytes", "\x03\xe8" + long + "r", 0, "", frame.ErrControlTooLong},
		{"7.4.1 1004", "\x03\xec", 1004, "", frame.ErrCloseCode},
		{"7.4.1 1005", "\x03\xed", 1005, "", frame.ErrCloseCode},
		{"7.4.1 1006", "\x03\xeebye", 1006, "", frame.ErrCloseCode},
		{"7.4.1 1015", "\x03\xf7", 1015, "", frame.ErrCloseCode},
		{"7.4.2 0", "\x00\x00", 0, "", frame.ErrCloseCode},
		{"7.4.2 999", "\x03\xe7", 999, "", frame.ErrCloseCode},
		{"7.4.2 2999", "\x0b\xb7", 2999, "", frame.ErrCloseCode},
		{"7.4.2 3000", "\x0b\xb8", 3000, "", nil},
		{"7.4.2 4999", "\x13\x87", 4999, "", nil},
		{"7.4.2 5000", "\x13\x88", 5000, "", frame.ErrCloseCode},
		{"7.4.2 65535", "\xff\xff", 65535, "", frame.ErrCloseCode},
		{"8.1 not UTF-8", "\x03\xe8a\xff", 1000, "", frame.ErrInvalidUTF8},
		{"8.1 UTF-8 cut short", "\x03\xe8\xe2\x82", 1000, "", frame.ErrInvalidUTF8},
		{"8.1 surrogate", "\x03\xe8\xed\xa0\x80", 1000, "", frame.ErrInvalidUTF8},
	} {
		p := []byte(tc.payload)
		code, reason, err := frame.ParseClose(p)
		if code != tc.code || string(reason) != tc.reason || err != tc.err || err != nil && reason != nil {
			t.Errorf("%s: %d, %q, %v; want %d, %q, %v", tc.section, code, reason, err, tc.code, tc.reason, tc.err)
		}
		if len(reason) > 0 && &reason[0] != &p[2] {
			t.Errorf("%s: the reason is a copy", tc.section)
		}
	}
}

func TestAppendClose(t *testing.T) {
	long := strings.Repeat("r", frame.MaxCloseReason)
	for _, tc := range []struct {
		code   frame.StatusCode
		reason string
		err    error
	}{
		{1000, "", nil},
		{1001, "bye", nil},
		{4000, "gr\u00fc\u00df", nil},
		{1000, long, nil},
		{1000, long + "r", frame.ErrCloseReason},
		{1000, "\xff", frame.ErrInvalidUTF8},
		{1004, "", frame.ErrCloseCode},
		{1005, "", frame.ErrCloseCode},
		{1006, "", frame.ErrCloseCode},
		{1015, "", frame.ErrCloseCode},
		{0, "", frame.ErrCloseCode},
		{5000, "", frame.ErrCloseCode},
	} {
		got, err := frame.AppendClose([]byte("before"), tc.code, tc.reason)
		want := "before"
		if tc.err == nil {
			want += string([]byte{byte(tc.code >> 8), byte(tc.code)}) + tc.reason
		}
		if string(got) != want || err != tc.err {
			t.Errorf("AppendClose(%d, %q) gives %q, %v; want %q, %v", tc.code, tc.reason, got, err, want, tc.err)
		}
		if err := frame.CheckClose(tc.code, tc.reason); err != tc.err {
			t.Errorf("CheckClose(%d, %q) gives %v, want %v", tc.code, tc.reason, err, tc.err)
		}
	}
}

// TestCloseCodes sends every code there is.
func TestCloseCodes(t *testing.T) {
	valid := 0
	for c := range 1 << 16 {
		code := frame.StatusCode(c)
		b, err := frame.AppendClose(nil, code, "r")
		if (err == nil) != code.Valid() {
			t.Fatalf("AppendClose of %d gives %v", c, err)
		}
		got, _, perr := frame.ParseClose([]byte{byte(c >> 8), byte(c), 'r'})
		if got != code || (perr == nil) != code.Valid() {
			t.Fatalf("ParseClose of %d gives %d, %v", c, got, perr)
		}
		if err == nil {
			valid++
			if back, reason, err := frame.ParseClose(b); back != code || string(reason) != "r" || err != nil {
				t.Fatalf("%d comes back as %d, %q, %v", c, back, reason, err)
			}
		}
	}
	if want := 4 + 8 + 2000; valid != want {
		t.Errorf("%d codes are valid, want %d", valid, want)
	}
}

func TestCloseAllocations(t *testing.T) {
	b := make([]byte, 0, frame.MaxControlPayload)
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if b, err = frame.AppendClose(b[:0], frame.StatusGoingAway, "bye"); err != nil {
			t.Fatal(err)
		}
		if _, _, err = frame.ParseClose(b); err != nil {
			t.Fatal(err)
		}
		if _, err = frame.AppendClose(b[:0], 0, ""); err == nil {
			t.Fatal("not refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzClose(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x03"))
	f.Add([]byte("\x03\xe8bye"))
	f.Add([]byte("\x03\xed"))
	f.Add([]byte("\x0b\xb8\xe2\x82"))
	f.Add([]byte("\x03\xe8" + strings.Repeat("r", 124)))
	f.Fuzz(func(t *testing.T, p []byte) {
		code, reason, err := frame.ParseClose(p)
		if err != nil {
			var fe *frame.Error
			if !errors.As(err, &fe) || !fe.Code.Valid() || reason != nil {
				t.Fatalf("%d, %q, %#v", code, reason, err)
			}
			if len(p) >= 2 && len(p) <= frame.MaxControlPayload && code.Valid() && utf8.Valid(p[2:]) {
				t.Fatalf("%x is refused: %v", p, err)
			}
			return
		}
		if len(p) == 0 {
			if code != frame.StatusNoStatusRcvd {
				t.Fatalf("an empty payload gives %d", code)
			}
			return
		}
		b, err := frame.AppendClose(nil, code, string(reason))
		if err != nil || string(b) != string(p) {
			t.Fatalf("%x is accepted, but written as %x, %v", p, b, err)
		}
	})
}

func BenchmarkClose(b *testing.B) {
	buf := make([]byte, 0, frame.MaxControlPayload)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = frame.AppendClose(buf[:0], frame.StatusGoingAway, "server shuts down"); err != nil {
			b.Fatal(err)
		}
		if _, _, err = frame.ParseClose(buf); err != nil {
			b.Fatal(err)
		}
	}
}
