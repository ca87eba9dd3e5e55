package talk_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
)

// printed is what a pipe gets of a text message.
func printed(t *testing.T, way talk.Pretty, text string) string {
	t.Helper()
	var b bytes.Buffer
	s := talk.Screen{Out: &b, Err: &b, Pretty: way}
	if err := s.Received(talk.Message{Data: []byte(text)}); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Indenting does not make much of little, whatever a message holds.
func TestPrettyIsBounded(t *testing.T) {
	deep := func(levels, times int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(strings.Repeat("[", levels)+strings.Repeat("]", levels)+",", times), ",") + "]"
	}
	for text, stays := range map[string]bool{
		deep(3, 1):     false,
		deep(1000, 1):  false,
		deep(9000, 1):  true,
		deep(1000, 20): true,
		"[" + strings.Repeat("1,", 1e5) + `"\"[[[,,,"]`: false,
		`["` + strings.Repeat("[", 1e6) + `"]`:          false, // a string
	} {
		got := printed(t, talk.Indented, text)
		if len(got) > len(text)+16<<20 {
			t.Errorf("%.20s…: %d bytes of %d", text, len(got), len(text))
		}
		if (got == text) != stays {
			t.Errorf("%.20s…: it is %.50s…", text, got)
		}
		if printed(t, talk.Compacted, text) != text {
			t.Errorf("%.20s… is not compact", text)
		}
	}
}
