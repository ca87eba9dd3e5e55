package protocol_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/tidewire/tidewire/live/protocol"
)

// deep is a depth that no input of the fuzzer reaches.
const deep = 1 << 30

// seed adds the messages of the vectors in one codec.
func seed(f *testing.F, c protocol.Codec) {
	for _, v := range readVectors[validVector](f, "valid.json") {
		if c == protocol.JSON {
			f.Add([]byte(v.JSON))
		} else {
			f.Add(unhex(f, v.CBOR))
		}
	}
	for _, v := range readVectors[invalidVector](f, "invalid.json") {
		if codec, p := v.message(f); codec == c {
			f.Add(p)
		}
	}
}

// stable checks what holds of every message that Parse accepts: it is written, read again
// as the same, and written again alike.
func stable(t *testing.T, m protocol.Message) {
	t.Helper()
	b, err := m.Codec.Append(nil, &m)
	if err != nil {
		t.Fatalf("%+v is not written: %v", m, err)
	}
	back, err := m.Codec.Parse(b, deep)
	if err != nil || !reflect.DeepEqual(back, m) {
		t.Fatalf("%+v is written as %q and read as %+v, %v", m, b, back, err)
	}
	again, err := m.Codec.Append(nil, &back)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("%q is written again as %q, %v", b, again, err)
	}
	for _, e := range []*protocol.Error{check(protocol.CheckType, m.Type), check(protocol.CheckRoom, m.Room), check(protocol.CheckMid, m.Mid), check(protocol.CheckKey, m.Key), check(protocol.CheckUser, m.From)} {
		if e != nil {
			t.Fatalf("%+v: %v", m, e)
		}
	}
}

func check(by func(string) *protocol.Error, name string) *protocol.Error {
	if name == "" {
		return nil
	}
	return by(name)
}

// refused checks what holds of every message that Parse refuses.
func refused(t *testing.T, m protocol.Message, err error) {
	t.Helper()
	if c := code(err); c != protocol.CodeInvalid && c != protocol.CodeTooLarge {
		t.Fatalf("%v", err)
	}
	if want := (protocol.Message{ID: m.ID, Re: m.Re, Room: m.Room, Mid: m.Mid, Codec: m.Codec}); !reflect.DeepEqual(m, want) {
		t.Fatalf("with %v holds %+v", err, m)
	}
	if e := check(protocol.CheckRoom, m.Room); e != nil {
		t.Fatal(e)
	}
	if e := check(protocol.CheckMid, m.Mid); e != nil {
		t.Fatal(e)
	}
}

func FuzzParseJSON(f *testing.F) {
	seed(f, protocol.JSON)
	f.Fuzz(func(t *testing.T, p []byte) {
		// Anything at all, as data: JSON is what encoding/json says, if it is UTF-8, within
		// the range of its numbers. (Some input is not JSON but makes the message more than
		// one field: that says nothing.)
		message := append(append([]byte(`{"type":"a","data":`), p...), '}')
		valid := json.Valid(p) && utf8.Valid(p) && json.Unmarshal(p, new(any)) == nil
		if valid || !json.Valid(message) || !utf8.Valid(p) {
			if m, err := protocol.JSON.Parse(message, deep); valid != (err == nil) {
				t.Fatalf("%q as data: %+v, %v", p, m, err)
			}
		}

		m, err := protocol.JSON.Parse(p, deep)
		if err != nil {
			refused(t, m, err)
			return
		}
		if !json.Valid(p) || !utf8.Valid(p) {
			t.Fatalf("%q is accepted: %+v", p, m)
		}
		stable(t, m)
		var e map[string]json.RawMessage
		if err := json.Unmarshal(p, &e); err != nil {
			t.Fatal(err)
		}
		var name string
		if json.Unmarshal(e["type"], &name) != nil || name != m.Type {
			t.Fatalf("the type of %q is %q", p, m.Type)
		}
		if data := bytes.Trim(e["data"], " \t\r\n"); string(data) != string(m.Data) && string(data) != "null" {
			t.Fatalf("the data of %q are %q", p, m.Data)
		}
	})
}

func FuzzParseCBOR(f *testing.F) {
	seed(f, protocol.CBOR)
	mode, err := cbor.DecOptions{
		MaxNestedLevels: math.MaxUint16, MaxArrayElements: math.MaxInt32, MaxMapPairs: math.MaxInt32, TagsMd: cbor.TagsForbidden,
		NaN: cbor.NaNDecodeForbidden, Inf: cbor.InfDecodeForbidden, DefaultMapType: reflect.TypeFor[map[string]any](),
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		m, err := protocol.CBOR.Parse(p, deep)
		if err != nil {
			refused(t, m, err)
			return
		}
		var e struct {
			Type string          `cbor:"type"`
			Data cbor.RawMessage `cbor:"data"`
		}
		if err := mode.Unmarshal(p, &e); err != nil {
			t.Fatalf("%x is accepted, but not by fxamacker/cbor: %v", p, err)
		}
		if e.Type != m.Type || string(e.Data) != string(m.Data) && string(e.Data) != "\xf6" {
			t.Fatalf("%x is read as %+v", p, m)
		}
		stable(t, m)
	})
}

func FuzzConvert(f *testing.F) {
	for _, v := range readVectors[convertVector](f, "convert.json") {
		f.Add([]byte(v.JSON))
		f.Add(unhex(f, v.CBOR))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		for _, from := range codecs {
			to := protocol.CBOR - from
			once, err := protocol.Convert(data, from, to)
			if err != nil {
				if code(err) != protocol.CodeInvalid || once != nil {
					t.Fatalf("%x, %v", once, err)
				}
				continue
			}
			back, err := protocol.Convert(once, to, from)
			if err != nil {
				t.Fatalf("%q becomes %q, which is refused: %v", data, once, err)
			}
			again, err := protocol.Convert(back, from, to)
			if err != nil {
				t.Fatalf("%q becomes %q, then %q, which is refused: %v", data, once, back, err)
			}
			// A whole float is an integer in JSON: from the second time on, nothing changes.
			last, err := protocol.Convert(again, to, from)
			if err != nil || string(last) != string(back) {
				t.Fatalf("%q, then %q, then %q, then %q, then %q, %v", data, once, back, again, last, err)
			}
			text, binary := once, data
			if from == protocol.JSON {
				text, binary = data, once
			}
			// The two say the same to others.
			var a, b any
			if err := json.Unmarshal(text, &a); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if err := protocol.CBOR.Unmarshal(binary, &b); err != nil {
				t.Fatalf("%x: %v", binary, err)
			}
			encoded, err := protocol.CBOR.Marshal(b)
			if err != nil {
				t.Fatalf("%x: %v", binary, err)
			}
			encoded, err = protocol.Convert(encoded, protocol.CBOR, protocol.JSON)
			if err != nil {
				t.Fatal(err)
			}
			var c any
			if err := json.Unmarshal(encoded, &c); err != nil || !reflect.DeepEqual(a, c) {
				t.Fatalf("%q is %#v and %x is %#v, %v", text, a, binary, c, err)
			}
		}
	})
}
