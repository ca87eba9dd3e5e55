package protocol

import (
	"strconv"
	"unicode/utf8"
)

// parseJSON reads p into m. With a fault, m holds what could be read.
func parseJSON(m *Message, p []byte, depth int) *Error {
	// RFC 8259 section 8.1: "MUST be encoded using UTF-8".
	if !utf8.Valid(p) {
		return Errorf(CodeInvalid, "message is not UTF-8")
	}
	r := jsonReader{p: p, depth: depth}
	r.space()
	if r.message(m) {
		r.end()
	}
	return r.first()
}

// message reads the envelope that begins at r.i.
func (r *jsonReader) message(m *Message) bool {
	if !r.at('{') {
		return r.fail("a message, which is an object,")
	}
	_, ok := r.fields(fieldOf, "", func(f field) bool {
		if f == fieldUnknown {
			return r.value()
		}
		if r.at('n') {
			return r.literal("null")
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

// fields reads the object at r.i. of tells which field a name is, and each reads its
// value; a field that occurs twice is a fault, said to be where, and is read as one
// that is unknown. It returns which fields there were.
func (r *jsonReader) fields(of func(name []byte) field, where string, each func(f field) bool) (seen field, ok bool) {
	r.push(true)
	for first := true; ; first = false {
		name, more, ok := r.member(first)
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

func (r *jsonReader) position(pos *Position) bool {
	if !r.at('{') {
		r.invalid("pos is not an object")
		return r.value()
	}
	seen, ok := r.fields(posFieldOf, " in pos", func(f field) bool {
		switch {
		case f == fieldUnknown:
			return r.value()
		case r.at('n') && f != posSeq:
			return r.literal("null")
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

// name reads a string that must keep the rule.
func (r *jsonReader) name(to *string, rule *nameRule) bool {
	if !r.at('"') {
		r.invalid("%s is not a string", rule.what)
		return r.value()
	}
	raw, escaped, ok := r.text()
	if !ok {
		return false
	}
	if escaped {
		var room [MaxRoom]byte
		text, whole := unescape(room[:0], raw)
		if !whole {
			// Two different names must not become one.
			r.invalid("%s has half of a surrogate pair", rule.what)
			return true
		}
		raw = text
	}
	*to = r.faults.name(raw, rule)
	return true
}

// integer reads a number that must be written as an integer: neither 4.0 nor 4e0 is one.
func (r *jsonReader) integer(to *uint64, what string, least uint64) bool {
	start := r.i
	if !r.value() {
		return false
	}
	text := r.p[start:r.i]
	var n uint64
	for _, c := range text {
		if c < '0' || c > '9' || n > MaxInteger {
			n = MaxInteger + 1
			break
		}
		n = n*10 + uint64(c-'0')
	}
	if n < least || n > MaxInteger {
		r.note(notInteger(what, least))
		return true
	}
	*to = n
	return true
}

func (r *jsonReader) boolean(to *bool, what string) bool {
	switch {
	case r.at('t'):
		*to = true
		return r.literal("true")
	case r.at('f'):
		*to = false
		return r.literal("false")
	}
	r.invalid("%s is not a boolean", what)
	return r.value()
}

func appendJSON(b []byte, m *Message) ([]byte, *Error) {
	b = append(b, `{"type":`...)
	b = appendText(b, m.Type)
	if m.ID != 0 {
		b = append(b, `,"id":`...)
		b = strconv.AppendUint(b, m.ID, 10)
	}
	if m.Re != 0 {
		b = append(b, `,"re":`...)
		b = strconv.AppendUint(b, m.Re, 10)
	}
	if m.Room != "" {
		b = append(b, `,"room":`...)
		b = appendText(b, m.Room)
	}
	if m.Prev != 0 {
		b = append(b, `,"prev":`...)
		b = strconv.AppendUint(b, m.Prev, 10)
	}
	if !m.Pos.IsZero() {
		b = append(b, `,"pos":{`...)
		if m.Pos.Epoch != "" {
			b = append(b, `"epoch":`...)
			b = appendText(b, m.Pos.Epoch)
			b = append(b, ',')
		}
		b = append(b, `"seq":`...)
		b = strconv.AppendUint(b, m.Pos.Seq, 10)
		if m.Pos.Mid != "" {
			b = append(b, `,"mid":`...)
			b = appendText(b, m.Pos.Mid)
		}
		b = append(b, '}')
	}
	if m.Mid != "" {
		b = append(b, `,"mid":`...)
		b = appendText(b, m.Mid)
	}
	if m.Key != "" {
		b = append(b, `,"key":`...)
		b = appendText(b, m.Key)
	}
	if m.From != "" {
		b = append(b, `,"from":`...)
		b = appendText(b, m.From)
	}
	if m.Volatile {
		b = append(b, `,"volatile":true`...)
	}
	if len(m.Data) > 0 {
		b = append(b, `,"data":`...)
		var fault *Error
		if b, fault = appendData(b, m.Data, m.Codec, JSON); fault != nil {
			return b, fault
		}
	}
	return append(b, '}'), nil
}
