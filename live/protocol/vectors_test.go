package protocol_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/tidewire/tidewire/live/protocol"
)

// An envelope is a message as the vectors write it.
type envelope struct {
	Type     string             `json:"type"`
	ID       uint64             `json:"id"`
	Re       uint64             `json:"re"`
	Room     string             `json:"room"`
	Pos      *protocol.Position `json:"pos"`
	Prev     uint64             `json:"prev"`
	Mid      string             `json:"mid"`
	Key      string             `json:"key"`
	From     string             `json:"from"`
	Volatile bool               `json:"volatile"`
	Data     any                `json:"data"`
}

// envelopeOf decodes the data of m by way of JSON.
func envelopeOf(t *testing.T, m protocol.Message) envelope {
	t.Helper()
	e := envelope{
		Type: m.Type, ID: m.ID, Re: m.Re, Room: m.Room, Prev: m.Prev, Mid: m.Mid, Key: m.Key, From: m.From, Volatile: m.Volatile,
	}
	if !m.Pos.IsZero() {
		e.Pos = &m.Pos
	}
	data, err := protocol.Convert(m.Data, m.Codec, protocol.JSON)
	if err != nil {
		t.Fatal(err)
	}
	if data != nil {
		if err := json.Unmarshal(data, &e.Data); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// readVectors reads a file of testdata/protocol, which may have no members that the test
// does not know.
func readVectors[vector any](t testing.TB, name string) []vector {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "protocol", name))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var vectors []vector
	if err := d.Decode(&vectors); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return vectors
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type validVector struct {
	Name    string   `json:"name"`
	JSON    string   `json:"json"`
	CBOR    string   `json:"cbor"`
	Message envelope `json:"message"`
}

func TestValidVectors(t *testing.T) {
	for _, v := range readVectors[validVector](t, "valid.json") {
		for c, p := range map[protocol.Codec][]byte{protocol.JSON: []byte(v.JSON), protocol.CBOR: unhex(t, v.CBOR)} {
			m, err := c.Parse(p, 0)
			if err != nil {
				t.Errorf("%s in %v: %v", v.Name, c, err)
				continue
			}
			if got := envelopeOf(t, m); !reflect.DeepEqual(got, v.Message) {
				t.Errorf("%s in %v:\n%+v\nwant %+v", v.Name, c, got, v.Message)
			}
			// What is written is read alike, by both codecs.
			for _, to := range codecs {
				b, err := to.Append(nil, &m)
				if err != nil {
					t.Errorf("%s from %v to %v: %v", v.Name, c, to, err)
					continue
				}
				back, err := to.Parse(b, 0)
				if got := envelopeOf(t, back); err != nil || !reflect.DeepEqual(got, v.Message) {
					t.Errorf("%s from %v to %v: %s\n%+v, %v\nwant %+v", v.Name, c, to, b, got, err, v.Message)
				}
				if to == protocol.CBOR {
					if err := cbor.Wellformed(b); err != nil {
						t.Errorf("%s from %v to CBOR: %x: %v", v.Name, c, b, err)
					}
				}
			}
		}
	}
}

type invalidVector struct {
	Name  string  `json:"name"`
	Codec string  `json:"codec"`
	Text  *string `json:"text"`
	Hex   *string `json:"hex"`
	Code  string  `json:"code"`
	ID    uint64  `json:"id"`
	Re    uint64  `json:"re"`
	Room  string  `json:"room"`
	Mid   string  `json:"mid"`
}

func TestInvalidVectors(t *testing.T) {
	for _, v := range readVectors[invalidVector](t, "invalid.json") {
		c, p := v.message(t)
		m, err := c.Parse(p, 0)
		if code(err) != v.Code {
			t.Errorf("%s in %v: %v, want %s", v.Name, c, err, v.Code)
		}
		if want := (protocol.Message{ID: v.ID, Re: v.Re, Room: v.Room, Mid: v.Mid, Codec: c}); !reflect.DeepEqual(m, want) {
			t.Errorf("%s in %v: holds %+v, want %+v", v.Name, c, m, want)
		}
	}
}

func (v *invalidVector) message(t testing.TB) (protocol.Codec, []byte) {
	switch {
	case v.Codec == "json" && v.Text != nil && v.Hex == nil:
		return protocol.JSON, []byte(*v.Text)
	case v.Codec == "cbor" && v.Hex != nil && v.Text == nil:
		return protocol.CBOR, unhex(t, *v.Hex)
	}
	t.Fatalf("%s is neither JSON text nor CBOR in hex", v.Name)
	return 0, nil
}

type convertVector struct {
	Name string `json:"name"`
	JSON string `json:"json"`
	CBOR string `json:"cbor"`
	Only string `json:"only"`
	Code string `json:"code"`
}

func TestConvertVectors(t *testing.T) {
	for _, v := range readVectors[convertVector](t, "convert.json") {
		text, binary := []byte(v.JSON), unhex(t, v.CBOR)
		if v.Only != "json" {
			got, err := protocol.Convert(text, protocol.JSON, protocol.CBOR)
			if code(err) != v.Code || !bytes.Equal(got, binary) {
				t.Errorf("%s: %s becomes %x, %v; want %x, %s", v.Name, text, got, err, binary, v.Code)
			}
		}
		if v.Only != "cbor" {
			got, err := protocol.Convert(binary, protocol.CBOR, protocol.JSON)
			if code(err) != v.Code || !bytes.Equal(got, text) {
				t.Errorf("%s: %x becomes %s, %v; want %s, %s", v.Name, binary, got, err, text, v.Code)
			}
		}
	}
}
