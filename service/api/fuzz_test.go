package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/service/api"
)

// FuzzObject has bodies read that are what they seem to every reader: well-formed, and nothing in them hidden by a name that
// occurs again.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"room":"a","type":"n","data":[1,{"x":null}]}`, `{"room":"a","room":"b"}`, `{"Room":"a"}`, `{"room":"\ud800\ufffd"}`,
		`{"data":null,"room":"ü"} `, `{"room":"a"}{}`, `{"room":"a",}`, `{"room" "a"}`, "{\"room\":\"\ufffd\"}", `[]`, `null`, `{"\u0072oom":"a"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if !utf8.Valid(p) { // that is looked at before
			return
		}
		o, err := api.ParseObject(p, "room", "type", "data")
		if err != nil {
			return
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(p, &all); err != nil || all == nil {
			t.Fatalf("%q is no object: %v", p, err)
		}
		for name, value := range all {
			got, ok := o[name]
			if ok == (string(value) == "null") || ok && string(got) != string(value) {
				t.Errorf("%q: %s is %q, not %q", p, name, got, value)
			}
			if strings.ToLower(name) != name {
				t.Errorf("%q: %s", p, name)
			}
			if s, err := api.Text(value); err == nil {
				back, _ := json.Marshal(s)
				var same, once string
				json.Unmarshal(back, &same)
				if json.Unmarshal(value, &once) != nil || same != s || once != s {
					t.Errorf("%q is %q", value, s)
				}
			}
		}
		// Between the members are commas, one fewer than there are: no member is hidden by another one.
		if commas := strings.Count(string(p), ",") - strings.Count(join(all), ","); commas != max(len(all)-1, 0) {
			t.Errorf("%q has %d members, and %d commas between them", p, len(all), commas)
		}
	})
}

func join(all map[string]json.RawMessage) string {
	var b strings.Builder
	for _, value := range all {
		b.Write(value)
	}
	return b.String()
}
