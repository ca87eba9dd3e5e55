package protocol

// Codec is an encoding of messages. The zero value is JSON.
type Codec byte

const (
	JSON Codec = iota // text messages, RFC 8259
	CBOR              // binary messages, RFC 8949
)

// Subprotocols is what to offer and to choose from in a handshake, the preferred first.
var Subprotocols = []string{JSON.Subprotocol(), CBOR.Subprotocol()}

// String returns "json" or "cbor".
func (c Codec) String() string {
	if c == CBOR {
		return "cbor"
	}
	return "json"
}

// Subprotocol returns the WebSocket subprotocol that stands for c.
func (c Codec) Subprotocol() string {
	if c == CBOR {
		return "tidewire.v1.cbor"
	}
	return "tidewire.v1.json"
}

// CodecOf returns the codec that a subprotocol stands for. None, "", is JSON.
func CodecOf(subprotocol string) (c Codec, ok bool) {
	switch subprotocol {
	case "", JSON.Subprotocol():
		return JSON, true
	case CBOR.Subprotocol():
		return CBOR, true
	}
	return JSON, false
}

// Append appends m to b, with its fields in the order of docs/protocol.md's examples:
// type, id, re, room, prev, pos, mid, key, from, volatile, data. Data of another codec
// is converted. Data of this one is appended as it is: it must be one well-formed value.
//
// It refuses, with an *Error, a message without a type, text that is not UTF-8, numbers
// past MaxInteger and Data that cannot be converted, and then returns b as it was. Names
// are the caller's to check.
func (c Codec) Append(b []byte, m *Message) ([]byte, error) {
	if fault := sendable(m); fault != nil {
		return b, fault
	}
	start := len(b)
	var fault *Error
	if c == CBOR {
		b, fault = appendCBOR(b, m)
	} else {
		b, fault = appendJSON(b, m)
	}
	if fault != nil {
		return b[:start], fault
	}
	return b, nil
}

// Parse reads the one message that p holds. Not more than depth arrays, objects and maps
// may be open at once, the envelope's own included; 0 means DefaultDepth. Data is a part
// of p; the strings are copies.
//
// An error is always an *Error. m then holds ID, Re, Room and Mid alone, each as far as it
// could be read and keeps the rules: also one that stands behind the fault, if p is
// well-formed. An error reply is made from them.
func (c Codec) Parse(p []byte, depth int) (m Message, err error) {
	if depth <= 0 {
		depth = DefaultDepth
	}
	var fault *Error
	if c == CBOR {
		fault = parseCBOR(&m, p, depth)
	} else {
		fault = parseJSON(&m, p, depth)
	}
	if fault != nil {
		return Message{ID: m.ID, Re: m.Re, Room: m.Room, Mid: m.Mid, Codec: c}, fault
	}
	m.Codec = c
	return m, nil
}
