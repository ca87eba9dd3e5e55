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

// Check refuses a header that is not allowed where it stands, and otherwise
// advances the state. A control frame never changes the state. The order of the
// checks is that of the bytes on the wire: reserved opcode, reserved bits,
// fragmentation, mask, length of a control frame.
func (s *State) Check(h Header) error {
	if err := s.check0(h.Fin, h.RSV, h.Opcode); err != nil {
		return err
	}
	if err := s.check1(h.Masked, h.Opcode, h.Length > MaxControlPayload); err != nil {
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
// forbidden frame then need not be listened to any longer.
func (s *State) CheckPartial(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	op := Opcode(b[0] & 0xf)
	if err := s.check0(b[0]&0x80 != 0, b[0]>>4&7, op); err != nil {
		return err
	}
	if len(b) == 1 {
		return nil
	}
	return s.check1(b[1]&0x80 != 0, op, b[1]&0x7f > MaxControlPayload)
}

// InMessage reports whether a fragmented message has begun and not ended.
func (s *State) InMessage() bool { return s.open }

// check0 checks what the first byte of a header tells.
func (s *State) check0(fin bool, rsv byte, op Opcode) error {
	// RFC 6455 section 5.2: "If an unknown opcode is received, the receiving
	// endpoint MUST _Fail the WebSocket Connection_."
	if op.IsReserved() {
		return ErrReservedOpcode
	}
	// Section 5.2, RSV1 to RSV3: "MUST be 0 unless an extension is negotiated
	// that defines meanings for non-zero values." RFC 7692 section 6 gives
	// RSV1 a meaning on the first frame of a message only.
	allowed := s.RSV
	if op != Text && op != Binary {
		allowed = 0
	}
	if rsv&^allowed != 0 {
		return ErrReservedBits
	}
	if op.IsControl() {
		// Section 5.5: control frames "MUST NOT be fragmented".
		if !fin {
			return ErrControlFragmented
		}
		return nil
	}
	// Section 5.4: a fragmented message is one frame with an opcode other than
	// 0, then frames with opcode 0; "the fragments of one message MUST NOT be
	// interleaved between the fragments of another message".
	if s.open && op != Continuation {
		return ErrInterleaved
	}
	if !s.open && op == Continuation {
		return ErrContinuation
	}
	return nil
}

// check1 checks what the second byte of a header tells. long says that the
// payload has more than 125 bytes.
func (s *State) check1(masked bool, op Opcode, long bool) error {
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
