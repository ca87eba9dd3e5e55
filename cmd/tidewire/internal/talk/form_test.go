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

// TestForms has lines stand for messages, or for none, with and without commands.
func TestForms(t *testing.T) {
	for _, tc := range []struct {
		form talk.Form
		line string
		want talk.Item // none: an error
	}{
		{talk.Text, "/ping x", talk.Item{Command: "/ping x"}},
		{talk.Text, "//ping", talk.Item{Message: talk.Message{Data: []byte("/ping")}}},
		{talk.Text, "/\xff", talk.Item{}},
		{talk.Text, "\xff", talk.Item{}},
		{talk.Binary, "\xff", talk.Item{Message: talk.Message{Binary: true, Data: []byte("\xff")}}},
		{talk.Hex, "00 0a:\tFf", talk.Item{Message: talk.Message{Binary: true, Data: []byte("\x00\x0a\xff")}}},
		{talk.Hex, "0", talk.Item{}},
		{talk.Base64, " -_8= ", talk.Item{Message: talk.Message{Binary: true, Data: []byte("\xfb\xff")}}},
		{talk.Base64, "!", talk.Item{}},
		{talk.JSONLines, `{"type":"binary","base64":"-_8"}`, talk.Item{Message: talk.Message{Binary: true, Data: []byte("\xfb\xff")}}},
		{talk.JSONLines, `{"type":"text","data":""}`, talk.Item{Message: talk.Message{Data: []byte{}}}},
		{talk.JSONLines, `{"type":"text"}`, talk.Item{}},
		{talk.JSONLines, `{"type":"text","data":"","base64":""}`, talk.Item{}},
		{talk.JSONLines, `{"type":"binary","base64":"!"}`, talk.Item{}},
		{talk.JSONLines, `{"type":"other","data":"x"}`, talk.Item{}},
		{talk.JSONLines, `{"type":"text","data":"x","date":1}`, talk.Item{}},
	} {
		it, err := talk.ParseItem([]byte(tc.line), tc.form, true)
		if none := reflect.DeepEqual(tc.want, talk.Item{}); none != (err != nil) || !none && !reflect.DeepEqual(it, tc.want) {
			t.Errorf("%q: %+v, %v", tc.line, it, err)
		}
	}
	for _, line := range []string{"/ping", "//ping"} {
		if it, err := talk.ParseItem([]byte(line), talk.Text, false); err != nil || it.Command != "" || string(it.Data) != line {
			t.Errorf("%q without commands: %+v, %v", line, it, err)
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
