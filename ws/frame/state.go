package frame

// Role says whose ears a State is.
type Role byte

const (
	// Server receives what a client sends: every frame must be masked.
	Server Role = iota
	// Client receives what a server sends: no frame may be masked.
	Client
)

// String returns "server" or "client".
func (r Role) String() string {
	if r == Client {
		return "client"
	}
	return "server"
}

// State checks the headers that arrive on one connection, in their order. The
// zero value stands at the start of a connection, in the role of a server,
// without extensions. It is a plain value: a copy is a snapshot.
type State struct {
	Role Role // who receives; zero: Server
	RSV  byte // reserved bits allowed on the first frame of a message; zero: none

	open bool // a fragmented message is under way
}

// Next decodes the header that b begins with into h, checks it and returns its
// size. It is [ParseHeader], [State.CheckPartial] and [State.Check] in one call:
// faster than the three, and it refuses as soon as b shows that it must. n == 0
// without an error means that b is too short to hold the header, and then h is
// not valid and the state as it was. It does not keep b.
//
// A control frame never changes the state, so that Next may be called again with
// the same header, if its payload has not arrived. The header of a
// data frame advances the state: do not hand it in again.
func (s *State) Next(h *Header, b []byte) (n int, err error) {
	n, err = h.parse(b)
	if n == 0 {
		if refused := s.CheckPartial(b); refused != nil {
			return 0, refused
		}
		return 0, err
	}
	if err = s.check(h); err != nil {
		return 0, err
	}
	return n, nil
}

// Short finds what most frames are: b begins with a whole message in one frame of at
// most 125 bytes, without reserved bits and as it must be. Its payload is
// b[begin:end], masked with the four bytes before it if s is a Server. For anything
// else, end is 0: that is for Next. The state stays as it is.
func (s *State) Short(b []byte) (begin, end int) {
	if len(b) < 2 || s.open {
		return 0, 0
	}
	if op := Opcode(b[0] ^ 0x80); op != Text && op != Binary { // without FIN, or with reserved bits, it is neither
		return 0, 0
	}
	begin, end = 2, int(b[1])
	if s.Role == Server {
		begin, end = 6, end^0x80
	}
	if end > MaxControlPayload || len(b) < begin+end { // with the wrong mask bit, it is larger
		return 0, 0
	}
	return begin, begin + end
}

// Check refuses a header that is not allowed where it stands, and otherwise
// advances the state. A control frame never changes the state. The order of the
// checks is that of the bits on the wire: reserved bits, opcode, fragmentation,
// mask, length of a control frame. A complete header from [ParseHeader] has no
// other faults.
func (s *State) Check(h Header) error { return s.check(&h) }

func (s *State) check(h *Header) error {
	if err := s.checkFirst(h.Fin, h.RSV, h.Opcode); err != nil {
		return err
	}
	if err := s.checkSecond(h.Masked, h.Opcode, h.Length > MaxControlPayload); err != nil {
		return err
	}
	if !h.Opcode.IsControl() {
		s.open = !h.Fin
	}
	return nil
}

// CheckPartial refuses what the first bytes of a header already show to be
// wrong, with the error that Check would return, and leaves the state alone. It
// is for the case that ParseHeader asks for more bytes: a peer that announces a
// forbidden frame need not be listened to any longer.
func (s *State) CheckPartial(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	op := Opcode(b[0] & 0xf)
	if err := s.checkFirst(b[0]&0x80 != 0, b[0]>>4&7, op); err != nil {
		return err
	}
	if len(b) == 1 {
		return nil
	}
	return s.checkSecond(b[1]&0x80 != 0, op, b[1]&0x7f > MaxControlPayload)
}

// InMessage reports whether a fragmented message has begun and not ended.
func (s *State) InMessage() bool { return s.open }

// checkFirst checks what the first byte of a header tells.
func (s *State) checkFirst(fin bool, rsv byte, op Opcode) error {
	if rsv != 0 {
		// RFC 6455 section 5.2, RSV1 to RSV3: "MUST be 0 unless an extension is
		// negotiated that defines meanings for non-zero values." RFC 7692
		// section 6 gives RSV1 a meaning on the first frame of a message only.
		if rsv&^s.RSV != 0 || op != Text && op != Binary {
			return ErrReservedBits
		}
	}
	if op.IsControl() {
		// Section 5.2: "If an unknown opcode is received, the receiving endpoint
		// MUST _Fail the WebSocket Connection_."
		if op > Pong {
			return ErrReservedOpcode
		}
		// Section 5.5: control frames "MUST NOT be fragmented".
		if !fin {
			return ErrControlFragmented
		}
		return nil
	}
	if op > Binary {
		return ErrReservedOpcode
	}
	// Section 5.4: a fragmented message is one frame with an opcode other than
	// 0, then frames with opcode 0; "the fragments of one message MUST NOT be
	// interleaved between the fragments of another message".
	if s.open != (op == Continuation) {
		if s.open {
			return ErrInterleaved
		}
		return ErrContinuation
	}
	return nil
}

// checkSecond checks what the second byte of a header tells. long says that the
// payload has more than 125 bytes.
func (s *State) checkSecond(masked bool, op Opcode, long bool) error {
	// Section 5.1: a server closes "upon receiving a frame that is not masked",
	// a client "if it detects a masked frame".
	if masked != (s.Role == Server) {
		if masked {
			return ErrMasked
		}
		return ErrUnmasked
	}
	// Section 5.5: control frames "MUST have a payload length of 125 bytes or
	// less".
	if long && op.IsControl() {
		return ErrControlTooLong
	}
	return nil
}
