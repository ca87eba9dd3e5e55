package protocol_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live/protocol"
)

var codecs = []protocol.Codec{protocol.JSON, protocol.CBOR}

// full is a message with every field.
func full(c protocol.Codec) protocol.Message {
	data, err := c.Marshal(map[string]any{"text": "hé\n", "n": []int{1, -2}})
	if err != nil {
		panic(err)
	}
	return protocol.Message{
		Type: "chat", ID: 4, Re: 5, Room: "room:7", Prev: 41, Pos: protocol.Position{Epoch: "k3", Seq: 44, Mid: "p1"},
		Mid: "c1", Key: "k", From: "ann b", Volatile: true, Data: data, Codec: c,
	}
}

func TestCodecOf(t *testing.T) {
	for _, c := range codecs {
		if got, ok := protocol.CodecOf(c.Subprotocol()); got != c || !ok {
			t.Errorf("%v comes back as %v, %v", c, got, ok)
		}
		if c.Subprotocol() != "tidewire.v1."+c.String() || protocol.Subprotocols[c] != c.Subprotocol() {
			t.Errorf("%v is called %q", c, c.Subprotocol())
		}
	}
	if c, ok := protocol.CodecOf(""); c != protocol.JSON || !ok {
		t.Errorf("no subprotocol is %v, %v", c, ok)
	}
	if c, ok := protocol.CodecOf("tidewire.v2.json"); c != protocol.JSON || ok {
		t.Errorf("an unknown subprotocol is %v, %v", c, ok)
	}
}

func TestAppend(t *testing.T) {
	m := full(protocol.JSON)
	got, err := protocol.JSON.Append([]byte("before"), &m)
	want := `before{"type":"chat","id":4,"re":5,"room":"room:7","prev":41,"pos":{"epoch":"k3","seq":44,"mid":"p1"},` +
		`"mid":"c1","key":"k","from":"ann b","volatile":true,"data":{"n":[1,-2],"text":"hé\n"}}`
	if string(got) != want || err != nil {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
	for _, from := range codecs {
		m := full(from)
		for _, to := range codecs {
			b, err := to.Append(nil, &m)
			if err != nil {
				t.Fatal(err)
			}
			back, err := to.Parse(b, 0)
			if want := full(to); !reflect.DeepEqual(back, want) || err != nil {
				t.Errorf("%v to %v comes back as\n%+v, %v\nwant %+v", from, to, back, err, want)
			}
		}
	}
	for _, c := range codecs {
		m := protocol.Message{Type: "a"}
		b, err := c.Append(nil, &m)
		if back, perr := c.Parse(b, 0); back.Type != "a" || back.Data != nil || err != nil || perr != nil {
			t.Errorf("%v: %x, %v, %+v, %v", c, b, err, back, perr)
		}
	}
}

func TestAppendEscapes(t *testing.T) {
	m := protocol.Message{Type: "a\"\\\b\f\n\r\t\x00\x1f\x7fé\u2028<&>"}
	got, err := protocol.JSON.Append(nil, &m)
	if want := `{"type":"a\"\\\u0008\u000c\n\r\t\u0000\u001f` + "\x7fé\u2028" + `<&>"}`; string(got) != want || err != nil {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func TestAppendRefuses(t *testing.T) {
	for name, m := range map[string]protocol.Message{
		"no type":      {ID: 1},
		"id":           {Type: "a", ID: 1 << 53},
		"re":           {Type: "a", Re: 1 << 53},
		"prev":         {Type: "a", Prev: math.MaxUint64},
		"seq":          {Type: "a", Pos: protocol.Position{Seq: 1 << 53}},
		"type's UTF-8": {Type: "a\xff"},
		"room's UTF-8": {Type: "a", Room: "\xc3"},
		"from's UTF-8": {Type: "a", From: "\xed\xa0\x80"},
	} {
		for _, c := range codecs {
			b, err := c.Append([]byte("before"), &m)
			if string(b) != "before" || code(err) != protocol.CodeInvalid {
				t.Errorf("%s in %v: %q, %v", name, c, b, err)
			}
		}
	}
	m := protocol.Message{Type: "a", Data: []byte{0xf7}, Codec: protocol.CBOR}
	if b, err := protocol.JSON.Append([]byte("before"), &m); string(b) != "before" || code(err) != protocol.CodeInvalid {
		t.Errorf("%q, %v", b, err)
	}
	m = protocol.Message{Type: "a", Data: []byte(`[1,`)}
	if b, err := protocol.CBOR.Append([]byte("before"), &m); string(b) != "before" || code(err) != protocol.CodeInvalid {
		t.Errorf("%q, %v", b, err)
	}
}

// code returns the code of an error that is an *Error, "" of nil, and otherwise the error.
func code(err error) string {
	var e *protocol.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return "another error: " + err.Error()
}

// TestParseAliases keeps the promise that Data is a part of what was parsed and that no
// string is.
func TestParseAliases(t *testing.T) {
	for _, c := range codecs {
		m := full(c)
		p, err := c.Append(nil, &m)
		if err != nil {
			t.Fatal(err)
		}
		p = append(p, "behind"...)
		p = p[:len(p)-len("behind")]
		got, err := c.Parse(p, 0)
		if err != nil {
			t.Fatal(err)
		}
		if cap(got.Data) != len(got.Data) {
			t.Errorf("%v: Data can be appended to: the capacity is %d", c, cap(got.Data))
		}
		clear(p)
		if string(got.Data) != strings.Repeat("\x00", len(m.Data)) {
			t.Errorf("%v: Data is a copy", c)
		}
		got.Data, m.Data = nil, nil
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%v: after the bytes were cleared: %+v", c, got)
		}
	}
}

// TestParseDepth opens as many levels as allowed, and one more, of each kind.
func TestParseDepth(t *testing.T) {
	head := "\xa2\x64type\x61a\x64data"
	for _, depth := range []int{0, 1, 2, 5, 32, 63, 64, 65, 66, 128, 129, 300} {
		allowed := depth
		if depth == 0 {
			allowed = protocol.DefaultDepth
		}
		for over := range 2 {
			n := allowed - 1 + over // the envelope is a level too
			for name, p := range map[string]string{
				"array":  `{"type":"a","data":` + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) + `}`,
				"object": `{"type":"a","data":` + strings.Repeat(`{"x":`, n) + "1" + strings.Repeat("}", n) + `}`,
				"mixed":  `{"type":"a","data":` + strings.Repeat(`{"x":[1,`, n/2) + strings.Repeat("[", n%2) + "1" + strings.Repeat("]", n%2) + strings.Repeat("]}", n/2) + `}`,
				"other":  `{"type":"a","other":` + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) + `}`,
			} {
				p = strings.TrimSuffix(p, "}") + `,"id":7}`
				m, err := protocol.JSON.Parse([]byte(p), depth)
				if (err != nil) != (over == 1) || over == 1 && code(err) != protocol.CodeInvalid || m.ID != 7 {
					t.Errorf("%d levels of %s within %d: id %d, %v", n+1, name, depth, m.ID, err)
				}
			}
			if n == 0 {
				continue
			}
			for name, p := range map[string]string{
				"array":         strings.Repeat("\x81", n-1) + "\x80",
				"map":           strings.Repeat("\xa1\x61x", n-1) + "\xa0",
				"endless array": strings.Repeat("\x9f", n) + strings.Repeat("\xff", n),
				"endless map":   strings.Repeat("\xbf\x61x", n-1) + "\xbf\xff" + strings.Repeat("\xff", n-1),
			} {
				p = "\xa3" + head[1:] + p + "\x62id\x07"
				m, err := protocol.CBOR.Parse([]byte(p), depth)
				if (err != nil) != (over == 1) || over == 1 && code(err) != protocol.CodeInvalid || m.ID != 7 {
					t.Errorf("CBOR: %d levels of %s within %d: id %d, %v", n+1, name, depth, m.ID, err)
				}
			}
		}
	}
}

// TestParsePosDepth is the bound for what is no data: a position is a level too.
func TestParsePosDepth(t *testing.T) {
	p := []byte(`{"type":"a","pos":{"seq":1}}`)
	if _, err := protocol.JSON.Parse(p, 1); code(err) != protocol.CodeInvalid {
		t.Errorf("%v", err)
	}
	if _, err := protocol.JSON.Parse(p, 2); err != nil {
		t.Error(err)
	}
	p = []byte("\xa2\x64type\x61a\x63pos\xa1\x63seq\x01")
	if _, err := protocol.CBOR.Parse(p, 1); code(err) != protocol.CodeInvalid {
		t.Errorf("%v", err)
	}
	if _, err := protocol.CBOR.Parse(p, 2); err != nil {
		t.Error(err)
	}
}

// TestParseCut cuts messages everywhere: each is refused, none is read past its end, and
// what came before is kept.
func TestParseCut(t *testing.T) {
	for _, c := range codecs {
		m := full(c)
		p, err := c.Append(nil, &m)
		if err != nil {
			t.Fatal(err)
		}
		for n := range p {
			got, err := c.Parse(p[:n:n], 0)
			if code(err) != protocol.CodeInvalid {
				t.Errorf("%v cut to %d bytes: %v", c, n, err)
			}
			if n >= len(p)-2 && (got.ID != 4 || got.Re != 5 || got.Room != "room:7" || got.Mid != "c1") {
				t.Errorf("%v cut to %d bytes holds %+v", c, n, got)
			}
			if got.Type != "" || got.Data != nil || got.Codec != c {
				t.Errorf("%v cut to %d bytes holds too much: %+v", c, n, got)
			}
		}
		if got, err := c.Parse(append(p, 0), 0); code(err) != protocol.CodeInvalid || got.ID != 4 {
			t.Errorf("%v with a byte behind it: %+v, %v", c, got, err)
		}
	}
}

func TestCodecAllocations(t *testing.T) {
	for _, c := range codecs {
		m := full(c)
		b, err := c.Append(nil, &m)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if b, err = c.Append(b[:0], &m); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v: Append: %v allocations", c, n)
		}
		// Type, room, epoch, pos.mid, mid and from. A string of one byte needs none.
		if n := testing.AllocsPerRun(100, func() {
			if _, err = c.Parse(b, 0); err != nil {
				t.Fatal(err)
			}
		}); n != 6 {
			t.Errorf("%v: Parse: %v allocations, want those of 6 strings", c, n)
		}
		m = protocol.Message{Type: "$ping", ID: 9, Data: m.Data, Codec: c}
		if b, err = c.Append(b[:0], &m); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err = c.Parse(b, 0); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v: Parse of a $ type: %v allocations", c, n)
		}
	}
}
