package protocol

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// A cborReader goes over one CBOR item once, from left to right. It checks that it is
// well-formed (RFC 8949 section 5.3.1) and holds only what JSON can say, or bytes. It does
// not recurse.
//
// Its methods return false when the bytes are broken; nothing can be read then.
type cborReader struct {
	faults
	p     []byte
	i     int // of the next byte
	depth int // how many arrays and maps may be open
	level int // how many are

	// Those of them that value has opened: the first in a place that needs no allocation.
	opened int
	near   [DefaultDepth]cborOpened
	far    []cborOpened

	convert bool // to JSON, which is appended to out
	out     []byte
}

// A cborOpened is an array or a map that has not ended. left is how many items are still
// to come, of a map two for each pair. Of an endless one it is how many have come.
type cborOpened struct {
	left    int32
	isMap   bool
	endless bool
}

// fail says what is wrong at r.i. It returns false.
func (r *cborReader) fail(what string) bool {
	if r.broken == nil {
		r.broken = Errorf(CodeInvalid, "not CBOR of this protocol: %s at byte %d", what, r.i)
	}
	return false
}

func (r *cborReader) at(c byte) bool { return r.i < len(r.p) && r.p[r.i] == c }

// major returns the major type of the item at r.i, or -1 at the end.
func (r *cborReader) major() int {
	if r.i == len(r.p) {
		return -1
	}
	return int(r.p[r.i] >> 5)
}

// end checks that nothing is left.
func (r *cborReader) end() bool {
	if r.i < len(r.p) {
		return r.fail("there is more behind the item")
	}
	return true
}

// head goes past the head of the item at r.i (RFC 8949 section 3).
func (r *cborReader) head() (major, info byte, n uint64, ok bool) {
	if r.i == len(r.p) {
		return 0, 0, 0, r.fail("it ends")
	}
	major, info = r.p[r.i]>>5, r.p[r.i]&31
	switch {
	case info < 24:
		r.i++
		return major, info, uint64(info), true
	case info <= 27:
		size := 1 << (info - 24)
		if len(r.p)-r.i-1 < size {
			return 0, 0, 0, r.fail("an item that is cut off")
		}
		rest := r.p[r.i+1:]
		switch size {
		case 1:
			n = uint64(rest[0])
		case 2:
			n = uint64(binary.BigEndian.Uint16(rest))
		case 4:
			n = uint64(binary.BigEndian.Uint32(rest))
		case 8:
			n = binary.BigEndian.Uint64(rest)
		}
		r.i += 1 + size
		return major, info, n, true
	case info == endless && majorBytes <= major && major <= majorMap:
		r.i++
		return major, info, 0, true
	case r.p[r.i] == cborBreak:
		return 0, 0, 0, r.fail("a break that ends nothing")
	}
	// Section 3: additional information 28 to 30 is reserved.
	return 0, 0, 0, r.fail("a reserved length")
}

// enter goes past the head of the array or map at r.i.
func (r *cborReader) enter() (o cborOpened, ok bool) {
	major, info, n, ok := r.head()
	if !ok {
		return o, false
	}
	o = cborOpened{isMap: major == majorMap, endless: info == endless}
	if !o.endless {
		// Each item is a byte at least: a length that lies is found at once.
		each := uint64(1)
		if o.isMap {
			each = 2
		}
		if n > uint64(len(r.p)-r.i)/each {
			return o, r.fail("an array or a map that is cut off")
		}
		o.left = int32(n * each)
	}
	if r.level++; r.level > r.depth && r.fault == nil {
		r.invalid("nested deeper than %d", r.depth)
	}
	return o, true
}

// next counts an item of o. Without one more is false, and o has been left.
func (r *cborReader) next(o *cborOpened) (isKey, more, ok bool) {
	isKey = o.isMap && o.left&1 == 0
	switch {
	case o.endless && r.at(cborBreak):
		if o.isMap && !isKey {
			return false, false, r.fail("a key without a value")
		}
		r.i++
		r.level--
		return false, false, true
	case o.endless:
		o.left++
	case o.left == 0:
		r.level--
		return false, false, true
	default:
		o.left--
	}
	return isKey, true, true
}

// member goes to the next pair of a map that enter has opened, up to its value. At the end
// of the map more is false.
func (r *cborReader) member(o *cborOpened) (name []byte, more, ok bool) {
	if _, more, ok = r.next(o); !more || !ok {
		return nil, false, ok
	}
	if r.major() == majorText {
		name, ok = r.text()
	} else {
		r.invalid("a key is not text")
		ok = r.value()
	}
	if !ok {
		return nil, false, false
	}
	_, more, ok = r.next(o)
	return name, more, ok
}

func (r *cborReader) push(o cborOpened) {
	if r.opened < len(r.near) {
		r.near[r.opened] = o
	} else {
		r.far = append(r.far, o)
	}
	r.opened++
}

func (r *cborReader) pop() {
	r.opened--
	if r.opened >= len(r.near) {
		r.far = r.far[:len(r.far)-1]
	}
}

func (r *cborReader) innermost() *cborOpened {
	if r.opened <= len(r.near) {
		return &r.near[r.opened-1]
	}
	return &r.far[len(r.far)-1]
}

// value goes past the item at r.i.
func (r *cborReader) value() bool {
	outside := r.opened
	isKey := false
	for {
		if !r.item(isKey) {
			return false
		}
		for {
			if r.opened == outside {
				return true
			}
			o := r.innermost()
			var more, ok bool
			if isKey, more, ok = r.next(o); !ok {
				return false
			}
			if more {
				break
			}
			if r.convert {
				r.close(o.isMap)
			}
			r.pop()
		}
	}
}

// item goes past the item at r.i, or, if it is an array or a map, into it.
func (r *cborReader) item(isKey bool) bool {
	for r.major() == majorTag {
		r.invalid("a tag at byte %d", r.i)
		if _, _, _, ok := r.head(); !ok {
			return false
		}
	}
	if isKey && r.major() != majorText {
		r.invalid("the key at byte %d is not text", r.i)
	}
	if r.convert {
		r.separate(isKey)
	}
	start := r.i
	switch r.major() {
	case majorText:
		text, ok := r.text()
		if !ok {
			return false
		}
		if r.convert {
			if r.out = appendText(r.out, text); isKey {
				r.out = append(r.out, ':')
			}
		}
	case majorBytes:
		bytes, ok := r.text()
		if !ok {
			return false
		}
		if r.convert {
			r.out = append(r.out, '"')
			r.out = base64.RawURLEncoding.AppendEncode(r.out, bytes)
			r.out = append(r.out, '"')
		}
	case majorArray, majorMap:
		o, ok := r.enter()
		if !ok {
			return false
		}
		r.push(o)
		if r.convert {
			r.out = append(r.out, bracket(o.isMap))
		}
	default:
		major, info, n, ok := r.head()
		if !ok {
			return false
		}
		switch major {
		case majorUint:
			if n > MaxInteger {
				r.invalid("the integer at byte %d is past 2^53-1", start)
			}
			if r.convert {
				r.out = strconv.AppendUint(r.out, n, 10)
			}
		case majorNegative: // -1 minus n
			if n > MaxInteger-1 {
				r.invalid("the integer at byte %d is past -(2^53-1)", start)
			} else if r.convert {
				r.out = strconv.AppendInt(r.out, -1-int64(n), 10)
			}
		default:
			r.simple(start, info, n)
		}
	}
	return true
}

// simple takes an item of major type 7.
func (r *cborReader) simple(start int, info byte, n uint64) {
	var f float64
	switch r.p[start] {
	case cborFalse, cborTrue, cborNull:
		if r.convert {
			r.out = append(r.out, [...]string{"false", "true", "null"}[info-20]...)
		}
		return
	case cborFloat16:
		f = float16(uint16(n))
	case cborFloat32:
		f = float64(math.Float32frombits(uint32(n)))
	case cborFloat64:
		f = math.Float64frombits(n)
	default:
		r.invalid("the simple value at byte %d is not true, false or null", start)
		return
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		r.invalid("the number at byte %d is not finite", start)
	} else if r.convert {
		r.out = appendFloat(r.out, f)
	}
}

// text goes past the text or byte string at r.i and returns what it holds: a part of p,
// if it is not endless. Text is checked to be UTF-8.
func (r *cborReader) text() ([]byte, bool) {
	major, info, n, ok := r.head()
	if !ok {
		return nil, false
	}
	if info != endless {
		return r.chunk(major, n)
	}
	var all []byte
	for !r.at(cborBreak) {
		// RFC 8949 section 3.2.3: the chunks are definite-length strings of the same
		// major type, and each chunk of text is UTF-8 by itself.
		if r.major() != int(major) {
			return nil, r.fail("a chunk of another type")
		}
		_, info, n, ok := r.head()
		if !ok {
			return nil, false
		}
		if info == endless {
			return nil, r.fail("a chunk of indefinite length")
		}
		chunk, ok := r.chunk(major, n)
		if !ok {
			return nil, false
		}
		all = append(all, chunk...)
	}
	r.i++
	return all, true
}

// chunk goes past the n bytes of a string.
func (r *cborReader) chunk(major byte, n uint64) ([]byte, bool) {
	if n > uint64(len(r.p)-r.i) {
		return nil, r.fail("a string that is cut off")
	}
	s := r.p[r.i : r.i+int(n)]
	if major == majorText && !utf8.Valid(s) {
		r.invalid("the text at byte %d is not UTF-8", r.i)
	}
	r.i += int(n)
	return s, true
}

// separate writes the comma that belongs before an item in JSON. Only where an array or an
// object begins does out end in a bracket that opens.
func (r *cborReader) separate(isKey bool) {
	if r.opened == 0 {
		return
	}
	isMap := r.innermost().isMap
	if isMap && !isKey || r.out[len(r.out)-1] == bracket(isMap) {
		return
	}
	r.out = append(r.out, ',')
}

func (r *cborReader) close(isMap bool) {
	r.out = append(r.out, bracket(isMap)+2) // ASCII has one character between the two
}

func bracket(isMap bool) byte {
	if isMap {
		return '{'
	}
	return '['
}

// float16 is RFC 8949 appendix D.
func float16(half uint16) float64 {
	exponent, mantissa := int(half>>10&0x1f), float64(half&0x3ff)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(mantissa, -24)
	case 31:
		f = math.Inf(1)
		if mantissa != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(mantissa+1024, exponent-25)
	}
	if half&0x8000 != 0 {
		f = -f
	}
	return f
}

// appendFloat appends a finite number as JavaScript and encoding/json write it.
func appendFloat(b []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, format, -1, 64)
	// e-09 is e-9.
	if n := len(b); format == 'e' && n-start >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
