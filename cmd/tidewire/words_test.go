package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string]string{
		"":                   "",
		"# all":              "",
		"a b\tc\r\n":         "a|b|c",
		`a#b #c`:             "a#b",
		`'a b' "c d"`:        "a b|c d",
		`''`:                 "",
		`x'y'"z"`:            "xyz",
		`'a\b' "a\b" "a\"b"`: `a\b|a\b|a"b`,
		`a\ b \# "\\"`:       `a b|#|\`,
		`-H 'A: "b"' # "c`:   `-H|A: "b"`,
	} {
		words, err := splitWords(line)
		if err != nil || strings.Join(words, "|") != want {
			t.Errorf("%q: %q, %v", line, words, err)
		}
	}
	for _, line := range []string{`'`, `"`, `a\`, `"a\`} {
		if words, err := splitWords(line); err == nil {
			t.Errorf("%q: %q", line, words)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`a 'b c' "d\"e" f\ g # h`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		var again bytes.Buffer
		for _, w := range words {
			again.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "' ")
		}
		if back, err := splitWords(again.String()); err != nil || strings.Join(back, "\x00") != strings.Join(words, "\x00") || len(back) != len(words) {
			t.Fatalf("%q: %q becomes %q, %v", line, words, back, err)
		}
	})
}
