package protocol

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// A jsonReader goes over JSON text once, from left to right, and checks all of it (RFC
// 8259). The text must be UTF-8: whoever makes a jsonReader has checked that. It does not
// recurse.
//
// Its methods return false when the text is broken; nothing can be read then.
type jsonReader struct {
	faults
	p     []byte
	i     int // of the next byte
	depth int // how many arrays and objects may be open
	level int // how many are

	// Which of those that are open are objects: a bit each, the innermost lowest. outer
	// holds all but the last 64 or fewer.
	objects uint64
	outer   []uint64

	to *cborWriter // takes the values, if set
}

// fail says that something else was expected at r.i. It returns false.
func (r *jsonReader) fail(expected string) bool {
	if r.broken == nil {
		if r.i < len(r.p) {
			r.broken = Errorf(CodeInvalid, "not JSON: expected %s at byte %d", expected, r.i)
		} else {
			r.broken = Errorf(CodeInvalid, "not JSON: ends where %s was expected", expected)
		}
	}
	return false
}

func (r *jsonReader) at(c byte) bool { return r.i < len(r.p) && r.p[r.i] == c }

func (r *jsonReader) space() {
	for r.i < len(r.p) && (r.p[r.i] == ' ' || r.p[r.i] == '\n' || r.p[r.i] == '\t' || r.p[r.i] == '\r') {
		r.i++
	}
}

// end checks that nothing but white space is left.
func (r *jsonReader) end() bool {
	if r.space(); r.i < len(r.p) {
		return r.fail("nothing more")
	}
	return true
}

// push goes past the bracket at r.i, which opens an object or an array.
func (r *jsonReader) push(object bool) {
	r.i++
	if r.level > 0 && r.level%64 == 0 {
		r.outer = append(r.outer, r.objects)
	}
	r.objects <<= 1
	if object {
		r.objects |= 1
	}
	if r.level++; r.level > r.depth && r.fault == nil {
		r.invalid("nested deeper than %d", r.depth)
	}
	if r.to != nil {
		r.to.push(object)
	}
}

// pop goes past the bracket at r.i, which closes what was opened last.
func (r *jsonReader) pop() {
	r.i++
	r.objects >>= 1
	if r.level--; r.level > 0 && r.level%64 == 0 {
		r.objects = r.outer[len(r.outer)-1]
		r.outer = r.outer[:len(r.outer)-1]
	}
	if r.to != nil {
		r.to.pop()
	}
}

// value goes past the value at r.i.
func (r *jsonReader) value() bool {
	outside := r.level
	for {
		if r.i == len(r.p) {
			return r.fail("a value")
		}
		if r.to != nil && r.level > outside && r.objects&1 == 0 {
			r.to.count()
		}
		ok := true
		switch r.p[r.i] {
		case '{':
			r.push(true)
			if r.space(); !r.at('}') {
				if !r.key() {
					return false
				}
				continue
			}
			r.pop()
		case '[':
			r.push(false)
			if r.space(); !r.at(']') {
				continue
			}
			r.pop()
		case '"':
			var raw []byte
			var escaped bool
			if raw, escaped, ok = r.text(); ok && r.to != nil {
				r.to.text(raw, escaped)
			}
		case 't':
			ok = r.literal("true")
		case 'f':
			ok = r.literal("false")
		case 'n':
			ok = r.literal("null")
		default:
			ok = r.number()
		}
		if !ok {
			return false
		}

		// A value has ended, and what is around it may end with it.
		for r.level > outside {
			r.space()
			object := r.objects&1 == 1
			if r.at(',') {
				r.i++
				if r.space(); object && !r.key() {
					return false
				}
				break
			}
			if object && !r.at('}') {
				return r.fail("a comma or }")
			}
			if !object && !r.at(']') {
				return r.fail("a comma or ]")
			}
			r.pop()
		}
		if r.level == outside {
			return true
		}
	}
}

// key goes past the name of a member and the colon, up to the value.
func (r *jsonReader) key() bool {
	if !r.at('"') {
		return r.fail("a name in quotes")
	}
	raw, escaped, ok := r.text()
	if !ok {
		return false
	}
	if r.to != nil {
		r.to.count()
		r.to.text(raw, escaped)
	}
	return r.colon()
}

func (r *jsonReader) colon() bool {
	if r.space(); !r.at(':') {
		return r.fail("a colon")
	}
	r.i++
	r.space()
	return true
}

// member goes to the next member of an object that push has opened, up to its value. At
// the end of the object it goes past it and more is false. A name that is longer than all
// those that this package knows may be returned as nil.
func (r *jsonReader) member(first bool) (name []byte, more, ok bool) {
	if r.space(); r.at('}') {
		r.pop()
		return nil, false, true
	}
	if !first {
		if !r.at(',') {
			return nil, false, r.fail("a comma or }")
		}
		r.i++
		r.space()
	}
	if !r.at('"') {
		return nil, false, r.fail("a name in quotes")
	}
	name, escaped, ok := r.text()
	if escaped {
		if len(name) > 6*len("messages") {
			name = nil
		} else {
			name, _ = unescape(nil, name)
		}
	}
	return name, true, ok && r.colon()
}

func (r *jsonReader) literal(word string) bool {
	if len(r.p)-r.i < len(word) || string(r.p[r.i:r.i+len(word)]) != word {
		return r.fail(word)
	}
	r.i += len(word)
	if r.to != nil {
		r.to.literal(word[0])
	}
	return true
}

// text goes past the string at r.i and returns what is between its quotes.
func (r *jsonReader) text() (raw []byte, escaped, ok bool) {
	p, i := r.p, r.i+1
	start := i
	for {
		for len(p)-i >= 8 {
			special := notPlain(binary.LittleEndian.Uint64(p[i:]))
			if special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
			i += 8
		}
		for i < len(p) && p[i] >= ' ' && p[i] != '"' && p[i] != '\\' {
			i++
		}
		r.i = i
		switch {
		case i == len(p):
			return nil, false, r.fail("the end of a string")
		case p[i] == '"':
			r.i++
			return p[start:i], escaped, true
		case p[i] != '\\':
			return nil, false, r.fail("no control character")
		}
		escaped = true
		if i++; i == len(p) {
			continue
		}
		switch p[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i++
		case 'u':
			if _, ok := hex4(p[i+1:]); !ok {
				return nil, false, r.fail("an escape sequence")
			}
			i += 5
		default:
			return nil, false, r.fail("an escape sequence")
		}
	}
}

// notPlain returns a word that is 0 if none of the eight bytes of w is a quote, a
// backslash or a control character. Otherwise its lowest bit that is set is in the first
// such byte; bits above that one mean nothing.
func notPlain(w uint64) uint64 {
	const low, high = 0x0101010101010101, 0x8080808080808080
	quote := w ^ low*'"'
	backslash := w ^ low*'\\'
	return ((w-low*' ')&^w | (quote-low)&^quote | (backslash-low)&^backslash) & high
}

// number goes past the number at r.i (RFC 8259 section 6) and notes one that is too large
// for a float64.
func (r *jsonReader) number() bool {
	start, p := r.i, r.p
	if r.at('-') {
		r.i++
	}
	digits := r.i
	switch {
	case r.at('0'):
		r.i++
	case !r.digits():
		if r.i == start {
			return r.fail("a value")
		}
		return r.fail("a digit")
	}
	whole := r.i - digits
	integer := true
	if r.at('.') {
		integer = false
		if r.i++; !r.digits() {
			return r.fail("a digit")
		}
	}
	exponent := 0
	if r.at('e') || r.at('E') {
		integer = false
		r.i++
		negative := r.at('-')
		if negative || r.at('+') {
			r.i++
		}
		digits := r.i
		if !r.digits() {
			return r.fail("a digit")
		}
		for _, c := range p[digits:r.i] {
			exponent = min(exponent*10+int(c-'0'), 1<<24)
		}
		if negative {
			exponent = -exponent
		}
	}
	text := p[start:r.i]
	// The greatest float64 is near 1.8e308, which has 309 digits before the point.
	if whole+exponent > 308 {
		if _, err := strconv.ParseFloat(string(text), 64); err != nil {
			r.invalid("the number at byte %d is too large", start)
		}
	}
	if r.to != nil {
		r.to.number(text, integer)
	}
	return true
}

// digits goes past one digit or more.
func (r *jsonReader) digits() bool {
	start := r.i
	for r.i < len(r.p) && r.p[r.i]-'0' <= 9 {
		r.i++
	}
	return r.i > start
}
