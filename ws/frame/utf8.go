package frame

import "unicode/utf8"

// UTF8 checks text that arrives in pieces, which may end in the middle of a
// character (RFC 6455 section 8.1). It fails with the first byte that no
// continuation could mend. The zero value stands at the start of a text. It is a
// plain value and holds none of the text.
type UTF8 struct {
	need   uint8 // bytes that the character under way still lacks; or failed
	lo, hi uint8 // bounds of the next of them
}

// failed in UTF8.need: the text cannot become valid any more.
const failed = 0xff

// Write takes the next piece and reports whether the text so far is the start of
// valid UTF-8. Once it has returned false it does so until Reset.
func (u *UTF8) Write(p []byte) bool {
	if u.need != 0 {
		if p = u.finish(p); u.need != 0 {
			return u.need != failed
		}
	}
	if p = skipASCII(p); len(p) == 0 {
		return true
	}
	n := whole(p)
	if !utf8.Valid(p[:n]) {
		u.need = failed
		return false
	}
	if n < len(p) {
		u.start(p[n:])
	}
	return u.need != failed
}

// Complete reports whether the text so far is valid UTF-8 and does not end in
// the middle of a character.
func (u *UTF8) Complete() bool { return u.need == 0 }

// Reset goes back to the start of a text.
func (u *UTF8) Reset() { *u = UTF8{} }

// skipASCII returns what is left of p behind blocks of ASCII, which is nothing if
// all of p is ASCII. As in Mask, the last two blocks may overlap.
func skipASCII(p []byte) []byte {
	const high = 0x8080808080808080
	for len(p) > 64 {
		b := (*[64]byte)(p)
		w := le.Uint64(b[0:]) | le.Uint64(b[8:]) | le.Uint64(b[16:]) | le.Uint64(b[24:]) |
			le.Uint64(b[32:]) | le.Uint64(b[40:]) | le.Uint64(b[48:]) | le.Uint64(b[56:])
		if w&high != 0 {
			return p
		}
		p = p[64:]
	}
	var w uint64
	switch n := len(p); {
	case n >= 32:
		b, e := (*[32]byte)(p), (*[32]byte)(p[n-32:])
		w = le.Uint64(b[0:]) | le.Uint64(b[8:]) | le.Uint64(b[16:]) | le.Uint64(b[24:]) |
			le.Uint64(e[0:]) | le.Uint64(e[8:]) | le.Uint64(e[16:]) | le.Uint64(e[24:])
	case n >= 16:
		b, e := (*[16]byte)(p), (*[16]byte)(p[n-16:])
		w = le.Uint64(b[0:]) | le.Uint64(b[8:]) | le.Uint64(e[0:]) | le.Uint64(e[8:])
	case n >= 8:
		w = le.Uint64(p) | le.Uint64(p[n-8:])
	case n >= 4:
		w = uint64(le.Uint32(p) | le.Uint32(p[n-4:]))
	case n > 0:
		w = uint64(p[0] | p[n>>1] | p[n-1])
	}
	if w&high != 0 {
		return p
	}
	return nil
}

// whole returns where the last character of p begins if p ends before it does,
// and otherwise len(p).
func whole(p []byte) int {
	for i := 1; i <= 3 && i <= len(p); i++ {
		c := p[len(p)-i]
		if c < 0x80 {
			break
		}
		if c >= 0xc0 {
			if c >= 0xf0 && i < 4 || c >= 0xe0 && i < 3 || i < 2 {
				return len(p) - i
			}
			break
		}
	}
	return len(p)
}

// finish takes the bytes that the character under way lacks from p, as far as p
// has them, and returns the rest of p.
func (u *UTF8) finish(p []byte) []byte {
	for i, c := range p {
		if u.need == failed || c < u.lo || c > u.hi {
			u.need = failed
			return nil
		}
		u.lo, u.hi = 0x80, 0xbf
		if u.need--; u.need == 0 {
			return p[i+1:]
		}
	}
	return nil
}

// start begins a character that p does not end.
func (u *UTF8) start(p []byte) {
	u.lo, u.hi = 0x80, 0xbf
	// The table of well-formed byte sequences of RFC 3629 section 4.
	switch c := p[0]; {
	case c < 0xc2 || c > 0xf4:
		u.need = failed
		return
	case c < 0xe0:
		u.need = 1
	case c < 0xf0:
		u.need = 2
		if c == 0xe0 {
			u.lo = 0xa0 // no overlong form
		} else if c == 0xed {
			u.hi = 0x9f // no surrogate
		}
	default:
		u.need = 3
		if c == 0xf0 {
			u.lo = 0x90 // no overlong form
		} else if c == 0xf4 {
			u.hi = 0x8f // nothing past U+10FFFF
		}
	}
	u.finish(p[1:])
}
