package protocol_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/live/protocol"
)

func TestPage(t *testing.T) {
	for _, from := range codecs {
		for _, to := range codecs {
			for _, p := range []protocol.HistoryPage{
				{},
				{More: true},
				{Messages: []protocol.Message{full(from)}},
				{Messages: []protocol.Message{full(from), {Type: "a", Codec: from}, full(from)}, More: true},
			} {
				data, err := to.AppendPage([]byte("before"), &p)
				if err != nil {
					t.Fatal(err)
				}
				data = data[len("before"):]
				want := protocol.HistoryPage{More: p.More}
				for _, m := range p.Messages {
					if m.Codec = to; m.Data != nil {
						m.Data = full(to).Data
					}
					want.Messages = append(want.Messages, m)
				}
				got, err := to.ParsePage(data, 0)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%v to %v: %s\n%+v, %v\nwant %+v", from, to, data, got, err, want)
				}
				m := protocol.Message{Type: protocol.TypeOK, Re: 3, Data: data, Codec: to}
				b, err := to.Append(nil, &m)
				if err != nil {
					t.Fatal(err)
				}
				if back, err := to.Parse(b, 0); string(back.Data) != string(data) || err != nil {
					t.Errorf("%v: %v", to, err)
				}
			}
		}
	}
}

func TestPageRefuses(t *testing.T) {
	for _, data := range []string{
		`[]`, `null`, `{"messages":{}}`, `{"messages":[1]}`, `{"messages":[{}]}`, `{"messages":[{"type":"a"},]}`, `{"messages":[{"type":"a"}`,
		`{"messages":[{"type":"a"} {"type":"b"}]}`, `{"messages":[],"messages":[]}`, `{"more":1}`, `{"more":true,"more":true}`, `{"messages":[{"type":"a","id":"x"}]}`,
		`{} {}`, `{"x":[}`, "{\"x\":\"\xff\"}",
	} {
		p, err := protocol.JSON.ParsePage([]byte(data), 0)
		if code(err) != protocol.CodeInvalid || !reflect.DeepEqual(p, protocol.HistoryPage{}) {
			t.Errorf("%s: %+v, %v", data, p, err)
		}
		if !utf8.ValidString(data) || code(err) == "" {
			continue
		}
		binary, err := protocol.Convert([]byte(data), protocol.JSON, protocol.CBOR)
		if err != nil {
			continue
		}
		if p, err := protocol.CBOR.ParsePage(binary, 0); code(err) != protocol.CodeInvalid || !reflect.DeepEqual(p, protocol.HistoryPage{}) {
			t.Errorf("%s in CBOR: %+v, %v", data, p, err)
		}
	}
	bad := protocol.HistoryPage{Messages: []protocol.Message{{Type: "a"}, {}}}
	for _, c := range codecs {
		for _, data := range []string{"", `{"messages":null,"more":null,"x":[1]}`} {
			data, err := protocol.Convert([]byte(data), protocol.JSON, c)
			if err != nil {
				t.Fatal(err)
			}
			if p, err := c.ParsePage(data, 0); err != nil || !reflect.DeepEqual(p, protocol.HistoryPage{}) {
				t.Errorf("%v: %s: %+v, %v", c, data, p, err)
			}
		}
		if b, err := c.AppendPage([]byte("before"), &bad); string(b) != "before" || code(err) != protocol.CodeInvalid {
			t.Errorf("%v: %q, %v", c, b, err)
		}
	}
}

// TestPageDepth puts a message that is as deep as allowed into a page.
func TestPageDepth(t *testing.T) {
	for _, c := range codecs {
		for over := range 2 {
			n := protocol.DefaultDepth - 1 + over
			data, err := protocol.Convert([]byte(strings.Repeat("[", n)+strings.Repeat("]", n)), protocol.JSON, c)
			if err != nil {
				t.Fatal(err)
			}
			p := protocol.HistoryPage{Messages: []protocol.Message{{Type: "a", Data: data, Codec: c}}}
			page, err := c.AppendPage(nil, &p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.ParsePage(page, 0); (err == nil) != (over == 0) {
				t.Errorf("%v, %d too deep: %v", c, over, err)
			}
			b, err := c.Append(nil, &protocol.Message{Type: "$ok", Data: page, Codec: c})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Parse(b, protocol.DefaultDepth+protocol.PageDepth); (err == nil) != (over == 0) {
				t.Errorf("%v, %d too deep, around the page: %v", c, over, err)
			}
		}
	}
}
