package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/tidewire/tidewire/live/protocol"
)

// A tagged is the envelope as somebody without this package would declare it.
type tagged struct {
	Type     string             `json:"type"`
	ID       uint64             `json:"id,omitempty"`
	Re       uint64             `json:"re,omitempty"`
	Room     string             `json:"room,omitempty"`
	Prev     uint64             `json:"prev,omitempty"`
	Pos      *protocol.Position `json:"pos,omitempty"`
	Mid      string             `json:"mid,omitempty"`
	Key      string             `json:"key,omitempty"`
	From     string             `json:"from,omitempty"`
	Volatile bool               `json:"volatile,omitempty"`
	Data     json.RawMessage    `json:"data,omitempty"`
}

// published is a message of a chat, with data of about size bytes.
func published(c protocol.Codec, size int) protocol.Message {
	data, err := c.Marshal(map[string]any{"text": strings.Repeat("Hello, world. ", max(1, size/14)), "at": int64(1760000000000)})
	if err != nil {
		panic(err)
	}
	return protocol.Message{
		Type: "chat", Room: "room:7", Prev: 41, Pos: protocol.Position{Seq: 44}, Mid: "c1a2b3c4", From: "ann", Data: data, Codec: c,
	}
}

var sizes = map[string]int{"64": 64, "4096": 4096}

func BenchmarkParse(b *testing.B) {
	for name, size := range sizes {
		for _, c := range codecs {
			m := published(c, size)
			p, err := c.Append(nil, &m)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(c.String()+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Parse(p, 0); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("library-"+c.String()+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					var m tagged
					var err error
					if c == protocol.JSON {
						err = json.Unmarshal(p, &m)
					} else {
						var m struct {
							tagged
							Data cbor.RawMessage `cbor:"data"`
						}
						err = cbor.Unmarshal(p, &m)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, size := range sizes {
		for _, c := range codecs {
			m := published(c, size)
			buffer, err := c.Append(nil, &m)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(c.String()+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(buffer)))
				b.ReportAllocs()
				for b.Loop() {
					if buffer, err = c.Append(buffer[:0], &m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		m := published(protocol.JSON, size)
		e := tagged{Type: m.Type, Room: m.Room, Prev: m.Prev, Pos: &m.Pos, Mid: m.Mid, From: m.From, Data: m.Data}
		b.Run("library-json/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := json.Marshal(&e)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(p)))
			}
		})
	}
}

func BenchmarkConvert(b *testing.B) {
	for name, size := range sizes {
		for _, from := range codecs {
			data := published(from, size).Data
			b.Run("from-"+from.String()+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := protocol.Convert(data, from, protocol.CBOR-from); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
