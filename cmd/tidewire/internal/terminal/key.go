package terminal

import (
	"bytes"
	"unicode/utf8"
)

// key is what a person pressed, or a rune.
type key rune

// The keys that are no runes.
const (
	keyNone key = -iota - 1 // nothing that means anything
	keyEnter
	keyNewLine // Alt-Enter: a line break within the line
	keyBackspace
	keyDelete
	keyLeft
	keyRight
	keyWordLeft
	keyWordRight
	keyHome
	keyEnd
	keyUp
	keyDown
	keyKill       // to the end of the line
	keyKillBefore // to its beginning
	keyKillWord
	keyTranspose
	keyClear
	keyTab
	keySearch
	keyLeave    // Ctrl-C
	keyEOF      // Ctrl-D: leave, on an empty line
	keySuspend  // Ctrl-Z
	keyPaste    // what follows is pasted
	keyPasteEnd //
)

// controls are the keys of control characters.
var controls = map[byte]key{
	1: keyHome, 2: keyLeft, 3: keyLeave, 4: keyEOF, 5: keyEnd, 6: keyRight, 8: keyBackspace, 9: keyTab, 10: keyEnter, 11: keyKill,
	12: keyClear, 13: keyEnter, 14: keyDown, 16: keyUp, 18: keySearch, 20: keyTranspose, 21: keyKillBefore, 23: keyKillWord, 26: keySuspend, 127: keyBackspace,
}

// sequences are the keys that send what begins with ESC, without that.
var sequences = map[string]key{
	"[A": keyUp, "[B": keyDown, "[C": keyRight, "[D": keyLeft, "[H": keyHome, "[F": keyEnd,
	"OA": keyUp, "OB": keyDown, "OC": keyRight, "OD": keyLeft, "OH": keyHome, "OF": keyEnd,
	"[1~": keyHome, "[7~": keyHome, "[4~": keyEnd, "[8~": keyEnd, "[3~": keyDelete,
	"[1;5C": keyWordRight, "[1;5D": keyWordLeft, "[1;3C": keyWordRight, "[1;3D": keyWordLeft,
	"f": keyWordRight, "b": keyWordLeft, "\r": keyNewLine, "\n": keyNewLine, "\x7f": keyKillWord,
	"[200~": keyPaste, "[201~": keyPasteEnd,
}

// maxSequence bounds what may follow ESC.
const maxSequence = 32

// parseKey returns the key that b begins with and its length, or 0 where b may go
// on. Where pasted, only the end of that is a key; all else is runes.
func parseKey(b []byte, pasted bool) (key, int) {
	if len(b) == 0 {
		return keyNone, 0
	}
	if pasted {
		const end = "\x1b[201~"
		switch {
		case bytes.HasPrefix(b, []byte(end)):
			return keyPasteEnd, len(end)
		case bytes.HasPrefix([]byte(end), b):
			return keyNone, 0
		}
	} else if b[0] == 0x1b {
		return parseSequence(b)
	} else if k, ok := controls[b[0]]; ok {
		return k, 1
	} else if b[0] < ' ' {
		return keyNone, 1
	}
	if !utf8.FullRune(b) {
		return keyNone, 0
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		return keyNone, 1
	}
	return key(r), n
}

// parseSequence is parseKey for what begins with ESC.
func parseSequence(b []byte) (key, int) {
	n := 2
	switch {
	case len(b) < 2:
		return keyNone, 0
	case b[1] == 0x1b:
		return keyNone, 1
	case b[1] == '[': // a control sequence (ECMA-48 section 5.4): parameters, and a final byte
		for n < len(b) && b[n] >= 0x20 && b[n] < 0x40 && n < maxSequence {
			n++
		}
		if n == len(b) {
			return keyNone, 0
		}
		n++
	case b[1] == 'O': // a function key
		if len(b) < 3 {
			return keyNone, 0
		}
		n = 3
	case b[1] >= 0x80:
		return keyNone, 1
	}
	if k, ok := sequences[string(b[1:n])]; ok {
		return k, n
	}
	return keyNone, n
}
