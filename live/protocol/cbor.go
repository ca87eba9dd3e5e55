package protocol

import (
	"encoding/binary"
	"math"
)

// The major types of CBOR, RFC 8949 section 3.1.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// The initial bytes that are whole items, and the break (RFC 8949 appendix B).
const (
	cborFalse   = 0xf4
	cborTrue    = 0xf5
	cborNull    = 0xf6
	cborFloat16 = 0xf9
	cborFloat32 = 0xfa
	cborFloat64 = 0xfb
	cborBreak   = 0xff
)

// endless is the additional information of an item of indefinite length.
const endless = 31

// parseCBOR reads p into m. With a fault, m holds what could be read.
func parseCBOR(m *Message, p []byte, depth int) *Error {
	if len(p) > math.MaxInt32 {
		return Errorf(CodeTooLarge, "message is longer than 2 GiB")
	}
	r := cborReader{p: p, depth: depth}
	if r.message(m) {
		r.end()
	}
	return r.first()
}

// message reads the envelope that begins at r.i.
func (r *cborReader) message(m *Message) bool {
	if r.major() != majorMap {
		return r.fail("message is not a map")
	}
	_, ok := r.fields(fieldOf, "", func(f field) bool {
		if f == fieldUnknown {
			return r.value()
		}
		if r.at(cborNull) {
			r.i++
			return true
		}
		if to, rule := textField(m, f); to != nil {
			return r.name(to, rule)
		}
		if to, what, least := integerField(m, f); to != nil {
			return r.integer(to, what, least)
		}
		switch f {
		case fieldPos:
			return r.position(&m.Pos)
		case fieldVolatile:
			return r.boolean(&m.Volatile, "volatile")
		}
		start := r.i
		if !r.value() {
			return false
		}
		m.Data = r.p[start:r.i:r.i]
		return true
	})
	if !ok {
		return false
	}
	if m.Type == "" {
		r.invalid("type is missing")
	}
	return true
}

// fields reads the map at r.i, as jsonReader.fields reads an object.
func (r *cborReader) fields(of func(name []byte) field, where string, each func(f field) bool) (seen field, ok bool) {
	o, ok := r.enter()
	if !ok {
		return 0, false
	}
	for {
		name, more, ok := r.member(&o)
		if !more || !ok {
			return seen, ok
		}
		f := of(name)
		if seen&f != 0 {
			r.invalid("%s occurs twice%s", name, where)
			f = fieldUnknown
		}
		seen |= f
		if !each(f) {
			return seen, false
		}
	}
}

func (r *cborReader) position(pos *Position) bool {
	if r.major() != majorMap {
		r.invalid("pos is not a map")
		return r.value()
	}
	seen, ok := r.fields(posFieldOf, " in pos", func(f field) bool {
		switch {
		case f == fieldUnknown:
			return r.value()
		case r.at(cborNull) && f != posSeq:
			r.i++
			return true
		case f == posEpoch:
			return r.name(&pos.Epoch, &epochRule)
		case f == posSeq:
			return r.integer(&pos.Seq, "seq", 0)
		}
		return r.name(&pos.Mid, &midRule)
	})
	if !ok {
		return false
	}
	if seen&posSeq == 0 {
		r.invalid("pos has no seq")
	}
	return true
}

// name reads a text string that must keep the rule.
func (r *cborReader) name(to *string, rule *nameRule) bool {
	if r.major() != majorText {
		r.invalid("%s is not a text string", rule.what)
		return r.value()
	}
	text, ok := r.text()
	if !ok {
		return false
	}
	*to = r.faults.name(text, rule)
	return true
}

func (r *cborReader) integer(to *uint64, what string, least uint64) bool {
	if r.major() != majorUint {
		r.note(notInteger(what, least))
		return r.value()
	}
	_, _, n, ok := r.head()
	if !ok {
		return false
	}
	if n < least || n > MaxInteger {
		r.note(notInteger(what, least))
		return true
	}
	*to = n
	return true
}

func (r *cborReader) boolean(to *bool, what string) bool {
	if !r.at(cborTrue) && !r.at(cborFalse) {
		r.invalid("%s is not a boolean", what)
		return r.value()
	}
	*to = r.p[r.i] == cborTrue
	r.i++
	return true
}

func appendCBOR(b []byte, m *Message) ([]byte, *Error) {
	const emptyMap = majorMap << 5
	start := len(b)
	// Fewer than 24 fields: the head of the map is one byte, which is counted up.
	b = append(b, emptyMap+1)
	b = appendCBORField(b, "type", m.Type)
	if m.ID != 0 {
		b[start]++
		b = appendCBORText(b, "id")
		b = appendHead(b, majorUint, m.ID)
	}
	if m.Re != 0 {
		b[start]++
		b = appendCBORText(b, "re")
		b = appendHead(b, majorUint, m.Re)
	}
	if m.Room != "" {
		b[start]++
		b = appendCBORField(b, "room", m.Room)
	}
	if m.Prev != 0 {
		b[start]++
		b = appendCBORText(b, "prev")
		b = appendHead(b, majorUint, m.Prev)
	}
	if !m.Pos.IsZero() {
		b[start]++
		b = appendCBORText(b, "pos")
		pos := len(b)
		b = append(b, emptyMap+1)
		if m.Pos.Epoch != "" {
			b[pos]++
			b = appendCBORField(b, "epoch", m.Pos.Epoch)
		}
		b = appendCBORText(b, "seq")
		b = appendHead(b, majorUint, m.Pos.Seq)
		if m.Pos.Mid != "" {
			b[pos]++
			b = appendCBORField(b, "mid", m.Pos.Mid)
		}
	}
	if m.Mid != "" {
		b[start]++
		b = appendCBORField(b, "mid", m.Mid)
	}
	if m.Key != "" {
		b[start]++
		b = appendCBORField(b, "key", m.Key)
	}
	if m.From != "" {
		b[start]++
		b = appendCBORField(b, "from", m.From)
	}
	if m.Volatile {
		b[start]++
		b = appendCBORText(b, "volatile")
		b = append(b, cborTrue)
	}
	if len(m.Data) > 0 {
		b[start]++
		b = appendCBORText(b, "data")
		return appendData(b, m.Data, m.Codec, CBOR)
	}
	return b, nil
}

func appendCBORField(b []byte, name, value string) []byte {
	return appendCBORText(appendCBORText(b, name), value)
}

func appendCBORText[text string | []byte](b []byte, s text) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

// appendHead appends the head of an item in its shortest form (RFC 8949 section 4.2.1).
func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}
