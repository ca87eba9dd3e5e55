package frame

// Opcode says what a frame holds (RFC 6455 section 5.2). It is four bits wide.
type Opcode byte

// The opcodes of RFC 6455 section 11.8. All others are reserved.
const (
	Continuation Opcode = 0  // goes on with a fragmented message
	Text         Opcode = 1  // UTF-8 text, or its first fragment
	Binary       Opcode = 2  // any bytes, or their first fragment
	Close        Opcode = 8  // the last frame in its direction
	Ping         Opcode = 9  // asks for a Pong with the same payload
	Pong         Opcode = 10 // answers a Ping, or nothing
)

// IsControl reports whether the opcode has the bit of control frames, which the
// reserved ones from 11 to 15 have as well (RFC 6455 section 5.5).
func (o Opcode) IsControl() bool { return o&8 != 0 }

// IsData reports whether the frame is part of a message: Continuation, Text or
// Binary (RFC 6455 section 5.6).
func (o Opcode) IsData() bool { return o <= Binary }

// IsReserved reports whether RFC 6455 gives the opcode no meaning.
func (o Opcode) IsReserved() bool {
	return o > Binary && o < Close || o > Pong
}

// String returns the opcode's name in lower case.
func (o Opcode) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "reserved opcode"
}
