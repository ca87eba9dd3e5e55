package protocol

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"strconv"
	"unicode/utf8"
)

// Convert returns data, one value that is encoded by from, encoded by to. Data that is
// absent stays so, and data that is encoded by to already is returned as it is. An error
// is an *Error: data is not well-formed, or to cannot say it.
//
// To JSON: a byte string becomes base64url without padding; a number is written as
// JavaScript writes it. To CBOR: a number without a point and an exponent that is within
// ±(2^53-1) becomes an integer, and any other one (-0 too) a float64; half of a surrogate
// pair becomes U+FFFD; lengths are definite. A name that an object holds twice is kept
// twice.
func Convert(data []byte, from, to Codec) ([]byte, error) {
	if len(data) == 0 || from == to {
		return data, nil
	}
	b, fault := appendData(make([]byte, 0, len(data)+len(data)/4), data, from, to)
	if fault != nil {
		return nil, fault
	}
	return b, nil
}

// appendData appends data, one value that is encoded by from, encoded by to.
func appendData(b, data []byte, from, to Codec) ([]byte, *Error) {
	switch {
	case from == to:
		return append(b, data...), nil
	case to == CBOR:
		return jsonToCBOR(b, data)
	}
	return cborToJSON(b, data)
}

func cborToJSON(b, data []byte) ([]byte, *Error) {
	if len(data) > math.MaxInt32 {
		return b, Errorf(CodeTooLarge, "data is longer than 2 GiB")
	}
	r := cborReader{p: data, depth: math.MaxInt, convert: true, out: b}
	if r.value() {
		r.end()
	}
	return r.out, r.first()
}

func jsonToCBOR(b, data []byte) ([]byte, *Error) {
	if !utf8.Valid(data) {
		return b, Errorf(CodeInvalid, "data is not UTF-8")
	}
	w := cborWriter{b: b}
	r := jsonReader{p: data, depth: math.MaxInt, to: &w}
	r.space()
	if r.value() {
		r.end()
	}
	if fault := r.first(); fault != nil {
		return b, fault
	}
	return w.finish(), nil
}

// A cborWriter appends the values that a jsonReader goes past to b.
//
// The head of an array or a map holds its length, which is known at its end. So one byte
// is kept free for it, and finish makes room for the heads that need more.
type cborWriter struct {
	b    []byte
	open []cborHead // which have not ended
	wide []cborHead // whose length does not fit the one byte
}

type cborHead struct {
	at    int // where the byte is
	n     int
	major byte
}

type byPlace []cborHead

func (a byPlace) Len() int           { return len(a) }
func (a byPlace) Less(i, j int) bool { return a[i].at < a[j].at }
func (a byPlace) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

func (w *cborWriter) push(object bool) {
	major := byte(majorArray)
	if object {
		major = majorMap
	}
	w.open = append(w.open, cborHead{at: len(w.b), major: major})
	w.b = append(w.b, 0)
}

// count counts an element, or a member, of what was opened last.
func (w *cborWriter) count() { w.open[len(w.open)-1].n++ }

func (w *cborWriter) pop() {
	head := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	if head.n < 24 {
		w.b[head.at] = head.major<<5 | byte(head.n)
	} else {
		w.wide = append(w.wide, head)
	}
}

func (w *cborWriter) text(raw []byte, escaped bool) {
	if !escaped {
		w.b = appendCBORText(w.b, raw)
		return
	}
	var room [256]byte
	text, _ := unescape(room[:0], raw)
	w.b = appendCBORText(w.b, text)
}

// literal takes true, false or null by its first letter.
func (w *cborWriter) literal(letter byte) {
	switch letter {
	case 't':
		w.b = append(w.b, cborTrue)
	case 'f':
		w.b = append(w.b, cborFalse)
	default:
		w.b = append(w.b, cborNull)
	}
}

// number takes a number; integer says that it has neither point nor exponent.
func (w *cborWriter) number(text []byte, integer bool) {
	if integer && len(text) <= len("-9007199254740991") {
		n, _ := strconv.ParseInt(string(text), 10, 64)
		switch {
		case n > 0 && n <= MaxInteger || n == 0 && text[0] != '-':
			w.b = appendHead(w.b, majorUint, uint64(n))
			return
		case n < 0 && n >= -MaxInteger:
			w.b = appendHead(w.b, majorNegative, uint64(-1-n))
			return
		}
	}
	// One that is too large is a fault of the reader's.
	f, _ := strconv.ParseFloat(string(text), 64)
	w.b = binary.BigEndian.AppendUint64(append(w.b, cborFloat64), math.Float64bits(f))
}

// finish returns all that was appended.
func (w *cborWriter) finish() []byte {
	if len(w.wide) == 0 {
		return w.b
	}
	sort.Sort(byPlace(w.wide))
	var room [9]byte
	more := 0
	for _, head := range w.wide {
		more += len(appendHead(room[:0], head.major, uint64(head.n))) - 1
	}
	// From the back, so that each byte moves once.
	end := len(w.b)
	w.b = append(w.b, bytes.Repeat([]byte{0}, more)...)
	to := len(w.b)
	for _, head := range slices.Backward(w.wide) {
		to -= end - head.at - 1
		copy(w.b[to:], w.b[head.at+1:end])
		h := appendHead(room[:0], head.major, uint64(head.n))
		to -= len(h)
		copy(w.b[to:], h)
		end = head.at
	}
	return w.b
}
