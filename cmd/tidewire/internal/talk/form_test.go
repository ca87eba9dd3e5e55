package talk_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
)

// A line of JSON is one value, whatever stands behind it.
func TestJSONLineIsOneValue(t *testing.T) {
	const value = `{"type":"text","data":"x"}`
	for behind, ok := range map[string]bool{"": true, " \t": true, " 1": false, " {}": false, "}": false, "]": false, ",": false, "x": false, `"`: false} {
		if _, err := talk.JSONLines.Parse([]byte(value + behind)); (err == nil) != ok {
			t.Errorf("%s: %v", value+behind, err)
		}
	}
}

// What a form makes of a message, it reads again.
func FuzzForm(f *testing.F) {
	f.Add([]byte("00 ff"), byte(2))
	f.Add([]byte(`{"type":"binary","base64":"AAEC"}`), byte(4))
	f.Fuzz(func(t *testing.T, line []byte, which byte) {
		form := talk.Form(which % 5)
		m, err := form.Parse(bytes.Clone(line))
		if err != nil {
			return
		}
		again, err := form.Parse(form.Append(nil, m))
		if err != nil || !reflect.DeepEqual(append([]byte{}, again.Data...), append([]byte{}, m.Data...)) || again.Binary != m.Binary {
			t.Fatalf("%q: %+v, then %+v, %v", line, m, again, err)
		}
	})
}
