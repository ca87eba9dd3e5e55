package protocol_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tidewire/tidewire/live/protocol"
)

// A payload has what encoding/json treats in ways of its own.
type payload struct {
	Text   string          `json:"text"`
	Empty  []int           `json:"empty,omitempty"`
	Zero   int             `json:"zero,omitempty"`
	Time   time.Time       `json:"time"`
	Raw    json.RawMessage `json:"raw"`
	Array  [3]byte         `json:"array"`
	Any    any             `json:"any"`
	Map    map[string]int  `json:"map"`
	Nil    []string        `json:"nil"`
	Level  level           `json:"level"`
	Ptr    *int            `json:"ptr"`
	hidden int
	Left   int `json:"-"`
}

// A level is text.
type level int

func (l level) MarshalText() ([]byte, error) {
	return []byte(strings.Repeat("+", int(l))), nil
}

func (l *level) UnmarshalText(b []byte) error {
	*l = level(len(b))
	return nil
}

func TestMarshal(t *testing.T) {
	n := 7
	v := payload{
		Text: "hé <&>", Time: time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC), Raw: json.RawMessage(`{"a":[1,"x"]}`),
		Array: [3]byte{1, 2, 255}, Any: map[string]any{"x": []any{"y", nil, true}}, Map: map[string]int{"b": 1, "a": 2}, Level: 3, Ptr: &n, hidden: 1, Left: 1,
	}
	const want = `{"text":"hé <&>","time":"2026-02-03T04:05:06.000007Z","raw":{"a":[1,"x"]},"array":[1,2,255],` +
		`"any":{"x":["y",null,true]},"map":{"a":2,"b":1},"nil":null,"level":"+++","ptr":7}`
	for _, c := range codecs {
		b, err := c.Marshal(v)
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		text, err := protocol.Convert(b, c, protocol.JSON)
		if c == protocol.JSON && string(text) != want {
			t.Errorf("%s\nwant %s", text, want)
		}
		var got, wanted any
		if json.Unmarshal(text, &got) != nil || json.Unmarshal([]byte(want), &wanted) != nil || !reflect.DeepEqual(got, wanted) {
			t.Errorf("%v: %s, %v\nwant %s", c, text, err, want)
		}
		var back payload
		if err := c.Unmarshal(b, &back); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		// Raw may be spaced otherwise.
		v := v
		v.hidden, v.Left = 0, 0
		if !reflect.DeepEqual(back, v) {
			t.Errorf("%v: comes back as\n%+v\nwant %+v", c, back, v)
		}
	}
}

// TestMarshalBytes is the one difference between the codecs.
func TestMarshalBytes(t *testing.T) {
	v := []byte{0xfb, 0xff}
	if b, err := protocol.JSON.Marshal(v); string(b) != `"+/8="` || err != nil {
		t.Errorf("%s, %v", b, err)
	}
	b, err := protocol.CBOR.Marshal(v)
	if string(b) != "\x42\xfb\xff" || err != nil {
		t.Errorf("%x, %v", b, err)
	}
	if b, err = protocol.Convert(b, protocol.CBOR, protocol.JSON); string(b) != `"-_8"` || err != nil {
		t.Errorf("%s, %v", b, err)
	}
}

// badJSON implements json.Marshaler with what the value says.
type badJSON string

func (b badJSON) MarshalJSON() ([]byte, error) { return []byte(b), nil }

func TestMarshalRefuses(t *testing.T) {
	for name, v := range map[string]any{
		"NaN": math.NaN(), "infinity": []any{math.Inf(-1)}, "channel": make(chan int), "1e999": json.RawMessage("1e999"),
		"broken": badJSON("[1,"), "not UTF-8": badJSON("\"\xff\""),
	} {
		for _, c := range codecs {
			if b, err := c.Marshal(v); err == nil || !strings.HasPrefix(err.Error(), "protocol: ") || b != nil {
				t.Errorf("%s in %v: %q, %v", name, c, b, err)
			}
		}
	}
	for name, v := range map[string]any{
		"2^53": uint64(1 << 53), "-2^53": int64(-1 << 53), "big": new(big.Int).Lsh(big.NewInt(1), 80), "key": map[int]string{1: "a"},
		"tag": cbor.Tag{Number: 1, Content: 1}, "UTF-8": "\xff", "raw": cbor.RawMessage{0xf7},
	} {
		if b, err := protocol.CBOR.Marshal(v); err == nil || !strings.HasPrefix(err.Error(), "protocol: ") || b != nil {
			t.Errorf("%s: %x, %v", name, b, err)
		}
	}
}

func TestUnmarshalAbsent(t *testing.T) {
	for _, c := range codecs {
		null, err := c.Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{nil, null} {
			number, text, v, slice, pointer := 1, "x", payload{Text: "x"}, []int{1}, new(int)
			var anything any = 1
			for _, to := range []any{&number, &text, &v, &slice, &pointer, &anything} {
				if err := c.Unmarshal(data, to); err != nil {
					t.Errorf("%v: %T: %v", c, to, err)
				}
			}
			if number != 1 || text != "x" || v.Text != "x" || slice != nil || pointer != nil || anything != nil {
				t.Errorf("%v: %v, %v, %v, %v, %v, %v", c, number, text, v, slice, pointer, anything)
			}
		}
	}
}

func TestUnmarshalAny(t *testing.T) {
	for _, c := range codecs {
		b, err := c.Marshal(map[string]any{"n": 1, "f": 1.5, "a": []any{map[string]any{}}})
		if err != nil {
			t.Fatal(err)
		}
		var number any = float64(1)
		if c == protocol.CBOR {
			number = int64(1)
		}
		var v any
		if err := c.Unmarshal(b, &v); err != nil || !reflect.DeepEqual(v, map[string]any{"n": number, "f": 1.5, "a": []any{map[string]any{}}}) {
			t.Errorf("%v: %#v, %v", c, v, err)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, c := range codecs {
		b, err := c.Marshal(map[string]any{"text": 5})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Unmarshal(b, new(payload)); code(err) != protocol.CodeInvalid || !strings.Contains(err.Error(), "text") {
			t.Errorf("%v: %v", c, err)
		}
		if err := c.Unmarshal(b[:3], new(payload)); code(err) != protocol.CodeInvalid {
			t.Errorf("%v: %v", c, err)
		}
		for _, v := range []any{nil, payload{}, (*payload)(nil)} {
			if err := c.Unmarshal(b, v); err == nil || code(err) == protocol.CodeInvalid {
				t.Errorf("%v: into %#v: %v", c, v, err)
			}
		}
	}
}

// What does not fit is told of in words that say nothing of Go, the same for both codecs.
func TestUnmarshalSaysWhatIsWanted(t *testing.T) {
	type inner struct {
		Small int8   `json:"small"`
		Never uint16 `json:"never"`
	}
	type thing struct {
		Text   string           `json:"text"`
		On     bool             `json:"on"`
		Half   float32          `json:"half"`
		List   []inner          `json:"list"`
		Bytes  []byte           `json:"bytes"`
		Three  [3]int           `json:"three"`
		Map    map[string]inner `json:"map"`
		Level  *level           `json:"level"`
		Method interface{ M() } `json:"method"`
	}
	for text, want := range map[string]string{
		`"hush"`:                    "data is a string, where an object is wanted",
		`[]`:                        "data is an array, where an object is wanted",
		`7`:                         "data is a number, where an object is wanted",
		`{"text":5}`:                "data.text is a number, where a string is wanted",
		`{"text":{}}`:               "data.text is an object, where a string is wanted",
		`{"on":"yes"}`:              "data.on is a string, where a boolean is wanted",
		`{"half":true}`:             "data.half is a boolean, where a number of 32 bits is wanted",
		`{"list":{}}`:               "data.list is an object, where an array is wanted",
		`{"list":[{"small":1000}]}`: "data.list.small is the number 1000, where a whole number of 8 bits is wanted",
		`{"list":[{"small":1.5}]}`:  "data.list.small is the number 1.5, where a whole number of 8 bits is wanted",
		`{"list":[{"never":-1}]}`:   "data.list.never is the number -1, where a whole number of 16 bits, not below 0, is wanted",
		`{"bytes":[5]}`:             "",
		`{"bytes":{}}`:              "data.bytes is an object, where a string of base64 is wanted",
		`{"three":"x"}`:             "data.three is a string, where an array is wanted",
		`{"map":[]}`:                "data.map is an array, where an object is wanted",
		`{"level":{}}`:              "data.level is an object, where a string is wanted",
		`{"method":5}`:              "data.method is a number, where something else is wanted",
	} {
		for _, c := range codecs {
			data, err := protocol.Convert([]byte(text), protocol.JSON, c)
			if err != nil {
				t.Fatal(err)
			}
			err = c.Unmarshal(data, new(thing))
			var e *protocol.Error
			if errors.As(err, &e) && e.Message == want || err == nil && want == "" {
				continue
			}
			t.Errorf("%v: %s: %v, want %q", c, text, err, want)
		}
	}
	if err := protocol.JSON.Unmarshal([]byte(strings.Repeat("9", 1000)), new(int)); err == nil || len(err.Error()) > 100 {
		t.Errorf("a number of 1000 digits: %v", err)
	}
}

// TestMarshalPayloads sends the package's own payloads through both codecs.
func TestMarshalPayloads(t *testing.T) {
	backoff := [2]int64{500, 8000}
	users := []protocol.PresentUser{{User: "ann", Sessions: []protocol.PresentSession{{Session: "s9", Info: map[string]any{"color": "red"}}}}}
	for _, v := range []any{
		&protocol.Hello{Token: "t", Ping: 25000, Join: []protocol.Join{{Room: "r", Pos: &protocol.Position{Epoch: "k", Seq: 1}, Last: 5, Presence: true}}},
		&protocol.Welcome{Session: "s", User: "u", TTL: 1, Dedupe: 2, Backoff: &backoff},
		&protocol.Joined{Recovered: true, Head: 4},
		&protocol.Gap{After: 3, Reason: protocol.GapSlow},
		&protocol.HistoryQuery{Before: 17, Limit: 50},
		&protocol.Drain{Backoff: &backoff},
		&protocol.Presence{Version: 3, Users: &users},
		&protocol.Presence{Version: 4, Count: &protocol.PresenceCount{Users: 1, Sessions: 2}},
		protocol.Errorf(protocol.CodeBusy, "too much"),
	} {
		var texts []string
		for _, c := range codecs {
			b, err := c.Marshal(v)
			if err != nil {
				t.Fatalf("%v: %v", c, err)
			}
			back := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			if err := c.Unmarshal(b, back); err != nil || !reflect.DeepEqual(back, v) {
				t.Errorf("%v: %+v comes back as %+v, %v", c, v, back, err)
			}
			text, err := protocol.Convert(b, c, protocol.JSON)
			if err != nil {
				t.Error(err)
			}
			var members map[string]any
			if err := json.Unmarshal(text, &members); err != nil {
				t.Error(err)
			}
			text, _ = json.Marshal(members)
			texts = append(texts, string(text))
		}
		if texts[0] != texts[1] {
			t.Errorf("the codecs differ:\n%s\n%s", texts[0], texts[1])
		}
	}
}
