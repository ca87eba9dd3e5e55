package protocol

import (
	"unicode/utf16"
	"unicode/utf8"
)

// hex4 reads the four digits of a \u escape.
func hex4(p []byte) (char rune, ok bool) {
	if len(p) < 4 {
		return 0, false
	}
	for _, c := range p[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		char = char<<4 | rune(c)
	}
	return char, true
}

// unescape appends what raw, the inside of a checked JSON string, stands for. A half of a
// surrogate pair becomes U+FFFD, and whole is false.
func unescape(b, raw []byte) (text []byte, whole bool) {
	whole = true
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			start := i
			for i < len(raw) && raw[i] != '\\' {
				i++
			}
			b = append(b, raw[start:i]...)
			continue
		}
		c := raw[i+1]
		i += 2
		switch c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			char, _ := hex4(raw[i:])
			i += 4
			if utf16.IsSurrogate(char) {
				pair := rune(utf8.RuneError)
				if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
					low, _ := hex4(raw[i+2:])
					pair = utf16.DecodeRune(char, low)
				}
				if char = pair; pair == utf8.RuneError {
					whole = false
				} else {
					i += 6
				}
			}
			b = utf8.AppendRune(b, char)
		default:
			b = append(b, c)
		}
	}
	return b, whole
}

// appendText appends s, which is UTF-8, as a JSON string. It escapes what RFC 8259 section
// 7 demands and no more.
func appendText[text string | []byte](b []byte, s text) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
