package object

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

const depth = 16

// FuzzObject holds Parse beside the tokens of encoding/json.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{"a":[{"b":1},{"b":"\"}"}],"c":{"a":null}}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `{"\\":1,"\"":2}`, `["a","a"]`,
		`"a"`, ` {"x":"a,b","y":",","x":1} `, strings.Repeat("[", 20) + strings.Repeat("]", 20), `{} {}`, "{\"\xff\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := Parse(data, depth)
		if want := plain(data); (err == nil) != want {
			t.Fatalf("%q: %v, want %v", data, err, want)
		}
		for name, raw := range o {
			if len(raw) == 0 || !json.Valid(raw) {
				t.Errorf("%q: the member %q is %q", data, name, raw)
			}
			o.Text(name)
			o.Texts(name, true)
			o.Date(name)
		}
	})
}

// plain reports whether data is an object of distinct names that is not nested too deep.
func plain(data []byte) bool {
	if !utf8.Valid(data) || !json.Valid(data) || bytes.TrimLeft(data, " \t\r\n")[0] != '{' {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(data))
	var walk func(level int) bool
	walk = func(level int) bool {
		d.UseNumber()
		t, err := d.Token()
		if err != nil {
			return false
		}
		open, ok := t.(json.Delim)
		if !ok {
			return true
		}
		if level == depth {
			return false
		}
		names := map[any]bool{}
		for d.More() {
			if open == '{' {
				name, _ := d.Token()
				if names[name] {
					return false
				}
				names[name] = true
			}
			if !walk(level + 1) {
				return false
			}
		}
		d.Token()
		return true
	}
	if !walk(0) {
		return false
	}
	_, err := d.Token()
	return err == io.EOF
}
