package exportfile

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// small is an export of two streams.
func small(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	x, err := NewWriter(&out, Head{Name: "n", Made: time.Unix(1, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"a", "bc"} {
		err := x.Stream(Stream{Epoch: "e", Config: []byte(`{"name":"n"}`), State: []byte("{}")})
		for i := range data {
			if err == nil {
				err = x.Data([]byte(data[i : i+1]))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := x.End(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// No part of an export is one, and none with a byte that is another one.
func TestWhole(t *testing.T) {
	p := small(t)
	c, err := Read(bytes.NewReader(p))
	if err != nil || c.Name != "n" || len(c.Streams) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, i := range []int{1, 0} { // in any order
		var got []byte
		err := c.Streams[i].Data(bytes.NewReader(p), func(part []byte) error { got = append(got, part...); return nil })
		if err != nil || string(got) != []string{"a", "bc"}[i] || c.Streams[i].Epoch != "e" {
			t.Errorf("stream %d: %q, %v", i, got, err)
		}
	}
	for n := range p {
		want := ErrTruncated.Error()
		if n < len(magic)+2 { // not even the line
			want = ErrNone.Error()
		}
		if _, err := Read(bytes.NewReader(p[:n])); err == nil || err.Error() != want {
			t.Errorf("of %d of %d bytes: %v, want %s", n, len(p), err, want)
		}
		other := bytes.Clone(p)
		other[n] ^= 0x20
		if _, err := Read(bytes.NewReader(other)); err == nil {
			t.Errorf("byte %d is another one, and nobody saw it", n)
		}
	}
	for says, p := range map[string][]byte{
		`version "2", and version 1`: []byte(magic + "2\n..."),
		"behind its end":             append(bytes.Clone(p), 'x'),
		ErrNone.Error():              []byte(strings.Repeat("x", 200)),
	} {
		if _, err := Read(bytes.NewReader(p)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

func FuzzRead(f *testing.F) {
	p := small(f)
	for _, seed := range [][]byte{p, p[:len(p)-1], p[:40], []byte(magic + "2\n"), {}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		c, err := Read(bytes.NewReader(p))
		if err != nil {
			return
		}
		for i := range c.Streams {
			n := 0
			if err := c.Streams[i].Data(bytes.NewReader(p), func(part []byte) error { n += len(part); return nil }); err != nil || n > len(p) {
				t.Errorf("%d bytes of a stream, %v", n, err)
			}
		}
		if _, err := Read(bytes.NewReader(p[:len(p)-1])); err == nil {
			t.Error("without its last byte it is still whole")
		}
	})
}
