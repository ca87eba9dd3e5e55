package protocol_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/live/protocol"
)

type exchange struct {
	Name  string `json:"name"`
	Steps []step `json:"steps"`
}

type step struct {
	Open    string         `json:"open"`
	Close   string         `json:"close"`
	From    string         `json:"from"`
	Session string         `json:"session"`
	Any     string         `json:"any"`
	Text    string         `json:"text"`
	Message map[string]any `json:"message"`
}

var placeholder = regexp.MustCompile(`^<([a-z0-9-]+)>$`)

// TestExchanges checks the form of exchanges.json, which testdata/protocol/README.md
// describes. The tests of the hub and of the clients run it.
func TestExchanges(t *testing.T) {
	types := map[string]bool{}
	for _, x := range readVectors[exchange](t, "exchanges.json") {
		open, bound := map[string]bool{"a": true}, map[string]bool{}
		asked := map[string]map[any]bool{} // by session
		for i, s := range x.Steps {
			wrong := func(format string, args ...any) {
				t.Errorf("%s, step %d: "+format, append([]any{x.Name, i + 1}, args...)...)
			}
			session := s.Session
			if session == "" {
				session = "a"
			}
			switch {
			case s.Open != "" || s.Close != "":
				if s.From != "" || s.Open == s.Close || s.Open != "" && open[s.Open] || s.Close != "" && !open[s.Close] {
					wrong("opens %q and closes %q", s.Open, s.Close)
				}
				open[s.Open], open[s.Close] = true, false
				continue
			case !open[session]:
				wrong("the session %q is not open", session)
			case s.From == "C" && s.Text != "" && s.Message == nil && s.Any == "":
				continue
			case s.Message == nil || s.Text != "" || s.From != "C" && s.From != "S" || s.From == "C" && s.Any != "":
				wrong("is none of the forms")
				continue
			}
			name, _ := s.Message["type"].(string)
			types[name] = true
			filled := fill(s.Message, "", func(name string) {
				switch {
				case s.From == "C" && !bound[name]:
					wrong("<%s> has no value yet", name)
				case s.From == "S" && name != "any" && name != "absent":
					bound[name] = true
				}
			})
			b, err := json.Marshal(filled)
			if err != nil {
				t.Fatal(err)
			}
			m, err := protocol.JSON.Parse(b, 0)
			if err != nil {
				wrong("%s: %v", b, err)
			}
			// Each reply answers something.
			if asked[session] == nil {
				asked[session] = map[any]bool{}
			}
			if s.From == "C" && m.ID != 0 {
				asked[session][float64(m.ID)] = true
			}
			if re := s.Message["re"]; s.From == "S" && re != nil && re != "<absent>" {
				if !asked[session][re] && !textAsks(x.Steps[:i], re) {
					wrong("answers what was not asked")
				}
			}
		}
	}
	for name := range constants(t, "message.go", "Type") {
		switch name {
		case protocol.TypeDrain, protocol.TypeDegraded, protocol.TypeLeft:
			// The server begins these when something happens to it.
		default:
			if !types[name] {
				t.Errorf("no exchange has the type %s", name)
			}
		}
	}
}

// textAsks reports whether a step before has sent a message as text that holds that id.
func textAsks(before []step, id any) bool {
	n, _ := json.Marshal(id)
	for _, s := range before {
		if strings.Contains(s.Text, `"id":`+string(n)) {
			return true
		}
	}
	return false
}

// fill replaces the placeholders by values that Parse takes, and leaves out what is to be
// absent.
func fill(v any, member string, use func(name string)) any {
	switch v := v.(type) {
	case map[string]any:
		filled := map[string]any{}
		for k, x := range v {
			if x != "<absent>" {
				filled[k] = fill(x, k, use)
			}
		}
		if member == "pos" && filled["seq"] == nil {
			filled["seq"] = 1
		}
		return filled
	case []any:
		filled := []any{}
		for _, x := range v {
			filled = append(filled, fill(x, "", use))
		}
		return filled
	case string:
		found := placeholder.FindStringSubmatch(v)
		if found == nil {
			return v
		}
		use(found[1])
		switch member {
		case "id", "re", "seq", "prev":
			return 1
		case "pos":
			return map[string]any{"seq": 1}
		}
		return "x"
	}
	return v
}
