package webhook

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/service/token"
)

func TestAnswers(t *testing.T) {
	long := strings.Repeat("x", 2000)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tc := range []struct {
		event Event
		body  string
		want  *answer // nil: not understood
	}{
		{Join, `{"allow":true}`, &answer{}},
		{Join, ` {"allow" : true} `, &answer{}},
		{Join, `{"allow":false}`, &answer{refusal: &live.Error{Code: "forbidden", Message: "not allowed"}}},
		{Join, `{"error":{"code":"forbidden"}}`, &answer{refusal: &live.Error{Code: "forbidden"}}},
		{Join, `{"error":{"code":"shop.sold-out","message":"no \"x\"\n"}}`, &answer{refusal: &live.Error{Code: "shop.sold-out", Message: "no \"x\"\n"}}},
		{Join, `{"error":{"code":"busy","message":""}}`, &answer{refusal: &live.Error{Code: "busy", Retryable: true}}},
		{Publish, `{"allow":true,"data":null}`, &answer{data: json.RawMessage(`null`)}},
		{Publish, `{"data":` + deep(31) + `,"allow":true}`, &answer{data: json.RawMessage(deep(31))}},
		{Connect, `{}`, &answer{}},
		{Connect, `{"user":""}`, &answer{named: true}},
		{Connect, `{"user":"ann","expires":1e9,"info":{"a":[1]},"rooms":[{"room":"a:*","can":["join"]}]}`, &answer{
			named: true, user: "ann", expires: time.Unix(1e9, 0), info: json.RawMessage(`{"a":[1]}`), rooms: []token.Grant{{Room: "a:*", Can: []token.Permission{"join"}}}}},
		{Connect, `{"rooms":[]}`, &answer{rooms: []token.Grant{}}},
		{Connect, `{"error":{"code":"unauthorized"}}`, &answer{refusal: &live.Error{Code: "unauthorized"}}},

		{event: Join, body: ``}, {event: Join, body: `null`}, {event: Join, body: `{}`}, {event: Join, body: `true`}, {event: Join, body: `[]`},
		{event: Join, body: `{"allow":1}`}, {event: Join, body: `{"allow":"true"}`}, {event: Join, body: `{"allow":null}`},
		{event: Join, body: `{"Allow":true}`}, {event: Join, body: `{"allow":true} {}`}, {event: Join, body: `{"allow":false,"allow":true}`},
		{event: Join, body: `{"allow":true,"\u0061llow":true}`}, {event: Join, body: `{"allow":true,"data":1}`}, {event: Join, body: `{"allow":true,"until":1}`},
		{event: Join, body: `{"user":"ann"}`}, {event: Join, body: "{\"allow\":true,\"\xff\":1}"}, {event: Join, body: `<html>`},
		{event: Publish, body: `{"data":1}`}, {event: Publish, body: `{"allow":false,"data":1}`}, {event: Publish, body: `{"allow":true,"data":` + deep(32) + `}`},
		{event: Publish, body: deep(60_000 / 2)},
		{event: Join, body: `{"error":null}`}, {event: Join, body: `{"error":{}}`}, {event: Join, body: `{"error":"no"}`}, {event: Join, body: `{"error":{"code":"forbidden"},"allow":true}`},
		{event: Join, body: `{"error":{"code":"forbidden","retryAfter":1}}`}, {event: Join, body: `{"error":{"code":"sold-out"}}`}, {event: Join, body: `{"error":{"code":"internal"}}`},
		{event: Join, body: `{"error":{"code":"draining"}}`}, {event: Join, body: `{"error":{"code":"."}}`}, {event: Join, body: `{"error":{"code":"a.b\r\nc"}}`},
		{event: Join, body: `{"error":{"code":"a.` + long + `"}}`}, {event: Join, body: `{"error":{"code":"forbidden","message":"` + long + `"}}`}, {event: Join, body: `{"error":{"code":"forbidden","message":{}}}`},
		{event: Connect, body: `{"user":null}`}, {event: Connect, body: `{"user":1}`}, {event: Connect, body: `{"user":"a\r\nSet-Cookie: x"}`}, {event: Connect, body: `{"user":"` + long + `"}`},
		{event: Connect, body: `{"user":"ann","allow":true}`}, {event: Connect, body: `{"user":"ann","expires":"tomorrow"}`}, {event: Connect, body: `{"user":"ann","expires":null}`}, {event: Connect, body: `{"user":"ann","expires":1e30}`},
		{event: Connect, body: `{"user":"ann","info":"` + long + `"}`}, {event: Connect, body: `{"user":"ann","info":` + deep(17) + `}`},
		{event: Connect, body: `{"user":"ann","rooms":null}`}, {event: Connect, body: `{"user":"ann","rooms":[{"room":"a","can":["fly"]}]}`},
	} {
		got, err := parseAnswer(tc.event, []byte(tc.body))
		var f *failure
		switch {
		case tc.want != nil && (err != nil || !reflect.DeepEqual(got, tc.want)):
			t.Errorf("%s %.100s: %+v, %v", tc.event, tc.body, got, err)
		case tc.want == nil && (!errors.As(err, &f) || f.hard || f.again):
			t.Errorf("%s %.100s: %+v, %v", tc.event, tc.body, got, err)
		case f != nil && strings.Contains(f.Error(), "xxx"):
			t.Errorf("%.100s: the error repeats it: %v", tc.body, err)
		}
	}
}

// FuzzAnswer takes anything for an answer. What is understood must be as it was promised, whatever it is.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`{"allow":true,"data":{"a":[1,"x"]}}`, `{"error":{"code":"shop.sold-out","message":"no"}}`, `{"allow":false}`, `{"allow":true,"allow":false}`,
		`{"user":"ann","expires":1700000000.5,"info":{"name":"Ann"},"rooms":[{"room":"a:>","can":["join","publish","watch"]}]}`, `{"user":"a\u0000"}`, "{\"user\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, e := range []Event{Connect, Join, Publish} {
			a, err := parseAnswer(e, body)
			if err != nil {
				var f *failure
				if !errors.As(err, &f) || f.detail == "" {
					t.Errorf("%q: %v", body, err)
				}
				continue
			}
			var plain map[string]json.RawMessage
			if json.Unmarshal(body, &plain) != nil {
				t.Fatalf("%q was understood", body)
			}
			if e := a.refusal; e != nil {
				if len(e.Message) > 512 || len(e.Code) > 64 || protocol.CheckType(e.Code) != nil || a.data != nil || a.named || a.rooms != nil {
					t.Errorf("%q: %+v", body, a)
				}
				continue
			}
			if e != Connect && string(plain["allow"]) != "true" || e == Join && a.data != nil || string(plain["data"]) != string(a.data) {
				t.Errorf("%q was allowed: %+v", body, a)
			}
			if a.user != "" && protocol.CheckUser(a.user) != nil || len(a.info) > 1024 || len(a.rooms) > 100 {
				t.Errorf("%q: %+v", body, a)
			}
			if a.data != nil { // every client gets it
				cbor, err := protocol.Convert(a.data, protocol.JSON, protocol.CBOR)
				if err == nil {
					_, err = protocol.Convert(cbor, protocol.CBOR, protocol.JSON)
				}
				var fault *protocol.Error
				if err != nil && !errors.As(err, &fault) {
					t.Errorf("%q: %v", a.data, err)
				}
			}
		}
	})
}
