package protocol

import "unicode/utf8"

// A field is one of the envelope's. Its values are bits, so that a set of them is one
// number.
type field uint16

const (
	fieldType field = 1 << iota
	fieldID
	fieldRe
	fieldRoom
	fieldPrev
	fieldPos
	fieldMid
	fieldKey
	fieldFrom
	fieldVolatile
	fieldData

	fieldUnknown field = 0
)

// The members of a position. They are no fields: their bits are a set of their own.
const (
	posEpoch field = 1 << iota
	posSeq
	posMid
)

func fieldOf(name []byte) field {
	switch string(name) {
	case "type":
		return fieldType
	case "id":
		return fieldID
	case "re":
		return fieldRe
	case "room":
		return fieldRoom
	case "prev":
		return fieldPrev
	case "pos":
		return fieldPos
	case "mid":
		return fieldMid
	case "key":
		return fieldKey
	case "from":
		return fieldFrom
	case "volatile":
		return fieldVolatile
	case "data":
		return fieldData
	}
	return fieldUnknown
}

func posFieldOf(name []byte) field {
	switch string(name) {
	case "epoch":
		return posEpoch
	case "seq":
		return posSeq
	case "mid":
		return posMid
	}
	return fieldUnknown
}

// faults gathers what is wrong with a message. The parsers of both codecs have one.
type faults struct {
	// broken: the bytes are not well-formed, and what follows cannot be read.
	broken *Error

	// fault is the first breach of a rule in what is well-formed. Reading goes on: the
	// id may still come.
	fault *Error
}

// first returns the fault to report.
func (f *faults) first() *Error {
	if f.broken != nil {
		return f.broken
	}
	return f.fault
}

func (f *faults) note(e *Error) {
	if f.fault == nil {
		f.fault = e
	}
}

func (f *faults) invalid(format string, args ...any) {
	if f.fault == nil {
		f.fault = Errorf(CodeInvalid, format, args...)
	}
}

// name returns b as a string if it keeps the rule, and "" otherwise.
func (f *faults) name(b []byte, rule *nameRule) string {
	if len(b) > rule.max {
		f.note(rule.tooLong())
		return ""
	}
	if rule == &typeRule {
		if s := reserved(b); s != "" {
			return s
		}
	}
	s := string(b)
	if e := rule.check(s); e != nil {
		f.note(e)
		return ""
	}
	return s
}

// reserved returns the protocol's own type that b spells, without an allocation, or "".
func reserved(b []byte) string {
	if len(b) == 0 || b[0] != '$' {
		return ""
	}
	switch string(b) {
	case TypeHello:
		return TypeHello
	case TypeRefresh:
		return TypeRefresh
	case TypeJoin:
		return TypeJoin
	case TypeLeave:
		return TypeLeave
	case TypeHistory:
		return TypeHistory
	case TypePresence:
		return TypePresence
	case TypePing:
		return TypePing
	case TypeOK:
		return TypeOK
	case TypeError:
		return TypeError
	case TypeLive:
		return TypeLive
	case TypeGap:
		return TypeGap
	case TypeLeft:
		return TypeLeft
	case TypeDegraded:
		return TypeDegraded
	case TypeDrain:
		return TypeDrain
	}
	return ""
}

// textField returns where m keeps a field that is a name, and the rule for it, or nil.
func textField(m *Message, f field) (*string, *nameRule) {
	switch f {
	case fieldType:
		return &m.Type, &typeRule
	case fieldRoom:
		return &m.Room, &roomRule
	case fieldMid:
		return &m.Mid, &midRule
	case fieldKey:
		return &m.Key, &keyRule
	case fieldFrom:
		return &m.From, &fromRule
	}
	return nil, nil
}

// integerField returns where m keeps a field that is an integer, its name and the least
// value, or nil.
func integerField(m *Message, f field) (*uint64, string, uint64) {
	switch f {
	case fieldID:
		return &m.ID, "id", 1
	case fieldRe:
		return &m.Re, "re", 1
	case fieldPrev:
		return &m.Prev, "prev", 0
	}
	return nil, "", 0
}

func notInteger(what string, least uint64) *Error {
	return Errorf(CodeInvalid, "%s is not an integer from %d to 2^53-1", what, least)
}

// sendable returns why m cannot be encoded, or nil.
func sendable(m *Message) *Error {
	if m.Type == "" {
		return Errorf(CodeInvalid, "type is missing")
	}
	if m.ID > MaxInteger || m.Re > MaxInteger || m.Prev > MaxInteger || m.Pos.Seq > MaxInteger {
		return Errorf(CodeInvalid, "id, re, prev or seq is past 2^53-1")
	}
	if !utf8.ValidString(m.Type) || !utf8.ValidString(m.Room) || !utf8.ValidString(m.Mid) || !utf8.ValidString(m.Key) ||
		!utf8.ValidString(m.From) || !utf8.ValidString(m.Pos.Epoch) || !utf8.ValidString(m.Pos.Mid) {
		return Errorf(CodeInvalid, "a name is not UTF-8")
	}
	return nil
}
