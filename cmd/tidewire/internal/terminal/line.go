package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// line is a line that is being edited: what stands before the cursor and what
// behind it. The cursor stands between characters as people see them, which may
// be several runes each.
type line struct{ before, behind string }

func (l line) String() string { return l.before + l.behind }

func newLine(text string) line { return line{before: text} }

// insert puts text where the cursor is.
func (l *line) insert(text string) { l.before += text }

// lastCharacter is the length of the character that text ends with.
func lastCharacter(text string) int {
	n := 0
	// A cluster does not go over the end of a line or a plain ASCII letter: far
	// back nothing matters.
	for rest, state := lastBytes(text, 256), -1; rest != ""; {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		n = len(cluster)
	}
	return n
}

// firstCharacter is the length of the character that text begins with.
func firstCharacter(text string) int {
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
	return len(cluster)
}

// move moves the cursor by one character, or by a word.
func (l *line) move(back, word bool) {
	n := 0
	switch {
	case back && word:
		n = len(l.before) - wordStart(l.before)
	case back:
		n = lastCharacter(l.before)
	case word:
		n = wordEnd(l.behind)
	default:
		n = firstCharacter(l.behind)
	}
	if back {
		at := len(l.before) - n
		l.before, l.behind = l.before[:at], l.before[at:]+l.behind
	} else {
		l.before, l.behind = l.before+l.behind[:n], l.behind[n:]
	}
}

// wordStart is where the last word of text begins.
func wordStart(text string) int {
	trimmed := strings.TrimRightFunc(text, notInWord)
	i := strings.LastIndexFunc(trimmed, notInWord)
	if i < 0 {
		return 0
	}
	_, n := utf8.DecodeRuneInString(trimmed[i:])
	return i + n
}

// wordEnd is where the first word of text ends.
func wordEnd(text string) int {
	start := strings.IndexFunc(text, inWord)
	if start < 0 {
		return len(text)
	}
	n := strings.IndexFunc(text[start:], notInWord)
	if n < 0 {
		return len(text)
	}
	return start + n
}

func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_'
}

func notInWord(r rune) bool { return !inWord(r) }

// transpose exchanges the characters around the cursor, or the last two.
func (l *line) transpose() {
	if l.behind == "" {
		l.move(true, false)
	}
	a, b := lastCharacter(l.before), firstCharacter(l.behind)
	if a == 0 || b == 0 {
		return
	}
	at := len(l.before) - a
	l.before, l.behind = l.before[:at]+l.behind[:b]+l.before[at:], l.behind[b:]
}

// seen is text in one row of a terminal.
func seen(text string) string {
	text = strings.NewReplacer("\n", "↵", "\r", "", "\t", "⇥").Replace(text)
	return Escape([]byte(text))
}

// maxSeen bounds what is looked at on either side of the cursor to draw a row.
const maxSeen = 4 << 10

// lastBytes is the end of text, and firstBytes its beginning, of n bytes at most and of whole runes.
func lastBytes(text string, n int) string {
	from := max(0, len(text)-n)
	for from < len(text) && !utf8.RuneStart(text[from]) {
		from++
	}
	return text[from:]
}

func firstBytes(text string, n int) string {
	n = min(n, len(text))
	for n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// window is the part of the line that is shown in a row of width columns, and in
// which column of it the cursor stands.
func (l line) window(width int) (shown string, column int) {
	before, behind := seen(lastBytes(l.before, maxSeen)), seen(firstBytes(l.behind, maxSeen))
	column = uniseg.StringWidth(before)
	if column >= width { // begin where the cursor still has some room around it
		column, before = tail(before, width*3/4)
	}
	return before + head(behind, width-column), column
}

// head is the beginning of text, of width columns at most.
func head(text string, width int) string {
	n, used := 0, 0
	for rest, state := text, -1; rest != ""; {
		var cluster string
		var w int
		cluster, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used += w; used > width {
			break
		}
		n += len(cluster)
	}
	return text[:n]
}

// tail is the end of text, of width columns at most, and how many they are.
func tail(text string, width int) (int, string) {
	total := uniseg.StringWidth(text)
	rest, state := text, -1
	for total > width && rest != "" {
		var w int
		_, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		total -= w
	}
	return total, rest
}
