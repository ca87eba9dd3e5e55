package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns what a peer said as a terminal may be shown it: what would
// control the terminal, or have text run backwards, is spelt out, and so is what
// is not UTF-8. Line breaks and tabs stay.
func Escape(p []byte) string {
	var b strings.Builder
	b.Grow(len(p))
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, p[0])
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r < 0x80 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case isHarmful(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		p = p[n:]
	}
	return b.String()
}

// EscapeLine is Escape for what is to be one line, whatever the peer put into it.
func EscapeLine(text string) string {
	return Escape([]byte(strings.ReplaceAll(text, "\n", "; ")))
}

// isHarmful reports whether a terminal may do something else with r than show it.
func isHarmful(r rune) bool {
	switch {
	case unicode.IsControl(r): // C1, which some terminals take for escape sequences
		return true
	case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069: // the order of what stands around
		return true
	case r == 0x2028 || r == 0x2029: // line and paragraph
		return true
	}
	return false
}
