package talk_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
)

// TestScreen has messages come to a person and to a pipe, in every form.
func TestScreen(t *testing.T) {
	binary := talk.Message{Binary: true, Data: []byte("\x00\x01\xff")}
	text, part := talk.Message{Data: []byte("a\n\x1b[31mb")}, talk.Message{Part: true, Data: []byte("login: ")}
	for _, tc := range []struct {
		screen *talk.Screen
		m      talk.Message
		want   string
	}{
		{&talk.Screen{Terminal: true}, binary, "< 3 bytes\n  00000000  00 01 ff                                          |...|\n"},
		{&talk.Screen{Terminal: true}, talk.Message{Binary: true}, "< 0 bytes\n"},
		{&talk.Screen{Terminal: true, Form: talk.Hex}, binary, "< 0001ff\n"},
		{&talk.Screen{Terminal: true, Form: talk.Base64}, binary, "< AAH/\n"},
		{&talk.Screen{Terminal: true, Form: talk.JSONLines}, binary, `< {"type":"binary","base64":"AAH/"}` + "\n"},
		{&talk.Screen{Terminal: true, Form: talk.Hex}, part, "< login: \n"},
		{&talk.Screen{}, binary, "\x00\x01\xff"},
		{&talk.Screen{Form: talk.Binary}, binary, "\x00\x01\xff"},
		{&talk.Screen{Form: talk.Hex}, binary, "0001ff\n"},
		{&talk.Screen{Form: talk.Base64, NUL: true}, binary, "AAH/\x00"},
		{&talk.Screen{}, text, "a\n\x1b[31mb\n"},
		{&talk.Screen{Form: talk.Hex}, text, "a\n\x1b[31mb\n"},
		{&talk.Screen{Form: talk.Base64}, text, "a\n\x1b[31mb\n"},
		{&talk.Screen{}, part, "login: "},
		{&talk.Screen{Form: talk.JSONLines}, talk.Message{Data: []byte("<\xff")}, `{"type":"text","base64":"PP8="}` + "\n"},
		{&talk.Screen{Form: talk.JSONLines}, talk.Message{Data: []byte("<é")}, `{"type":"text","data":"<é"}` + "\n"},
	} {
		out := &paper{}
		tc.screen.Out = out
		if err := tc.screen.Received(tc.m); err != nil || out.String() != tc.want {
			t.Errorf("%q on %+v: %q, want %q (%v)", tc.m.Data, tc.screen, out, tc.want, err)
		}
	}
	out := &paper{}
	screen := talk.Screen{Out: out, Terminal: true}
	screen.Received(text)
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("a terminal is given %q", out)
	}
	out = &paper{}
	screen = talk.Screen{Out: out, Terminal: true}
	screen.Received(talk.Message{Binary: true, Data: bytes.Repeat([]byte{0xaa}, 5000)})
	if got := out.String(); strings.Count(got, " aa") != 4096 || !strings.HasSuffix(got, "\n  … and 904 more (a pipe gets them all)\n") {
		t.Errorf("of 5000 bytes a person sees %d characters, which end with %q", len(got), got[max(0, len(got)-100):])
	}
}
