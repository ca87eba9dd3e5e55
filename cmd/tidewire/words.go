package main

import (
	"errors"
	"strings"
)

var errQuote = errors.New("a quote has no end")

// splitWords splits a line at blanks, as a shell does: within single quotes everything is itself, within double quotes all but a
// backslash ahead of a double quote or a backslash; elsewhere a backslash has what follows be itself, and # begins a comment
// where a word would begin.
func splitWords(line string) (words []string, err error) {
	var word strings.Builder
	inside, quote, escaped := false, rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inside = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inside = r, true
		case r == ' ' || r == '\t' || r == '\r' || r == '\n':
			if inside {
				words = append(words, word.String())
				word.Reset()
				inside = false
			}
		case r == '#' && !inside:
			return words, nil
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if quote != 0 || escaped {
		return nil, errQuote
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}
