package frame

import "encoding/binary"

const (
	// MaxHeaderSize is the size of the longest header in bytes: two, eight for
	// a length, four for a key.
	MaxHeaderSize = 14

	// MaxControlPayload is the size of the longest payload that a control frame
	// may have, in bytes (RFC 6455 section 5.5).
	MaxControlPayload = 125
)

// The reserved bits as they stand in Header.RSV, for extensions
// (RFC 6455 section 5.2). permessage-deflate uses RSV1.
const (
	RSV1 byte = 4
	RSV2 byte = 2
	RSV3 byte = 1
)

// Header is the header of a frame (RFC 6455 section 5.2).
type Header struct {
	Fin    bool    // the frame is the last or only one of its message
	RSV    byte    // any of RSV1, RSV2 and RSV3
	Opcode Opcode  // what the frame holds
	Masked bool    // the payload is masked with Key
	Key    [4]byte // the masking key in the order of the wire; zero unless Masked
	Length int64   // bytes of payload; never negative
}

// ParseHeader decodes the header that b begins with, and returns it and its
// size. n == 0 without an error means that b is too short to hold it all.
//
// It refuses a length that is not in its shortest form (ErrNonMinimalLength) or
// has its top bit set (ErrLengthOverflow), and does so as soon as b shows it,
// whether or not the header is complete. What depends on the role, on extensions
// or on the frames before is for [State.Check]. It does not keep b.
func ParseHeader(b []byte) (h Header, n int, err error) {
	n, err = h.parse(b)
	return h, n, err
}

// parse is ParseHeader to where the header is wanted. What it writes is only
// whole if n > 0.
//
// A Header is written field by field and copied as one; a processor waits for the
// first before it can do the second, longer than all the rest takes. So
// the fast way, [State.Next], hands on pointers.
func (h *Header) parse(b []byte) (n int, err error) {
	if len(b) < 2 {
		return 0, nil
	}
	n = 2
	b0, b1 := b[0], b[1]
	length := uint64(b1 & 0x7f)
	switch {
	case length < 126:
	case length == 126:
		if len(b) < 4 {
			return 0, nil
		}
		n = 4
		length = uint64(binary.BigEndian.Uint16(b[2:]))
		// RFC 6455 section 5.2: "the minimal number of bytes MUST be used to
		// encode the length".
		if length < 126 {
			return 0, ErrNonMinimalLength
		}
	default:
		if len(b) < 10 {
			return 0, checkLength64(b[2:])
		}
		n = 10
		length = binary.BigEndian.Uint64(b[2:])
		// RFC 6455 section 5.2: "the most significant bit MUST be 0".
		if length > 1<<63-1 {
			return 0, ErrLengthOverflow
		}
		if length < 1<<16 {
			return 0, ErrNonMinimalLength
		}
	}
	var key uint32
	masked := b1&0x80 != 0
	if masked {
		if len(b)-n < 4 {
			return 0, nil
		}
		key = le.Uint32(b[n:])
		n += 4
	}
	h.Fin = b0&0x80 != 0
	h.RSV = b0 >> 4 & 7
	h.Opcode = Opcode(b0 & 0xf)
	h.Masked = masked
	le.PutUint32(h.Key[:], key)
	h.Length = int64(length)
	return n, nil
}

// checkLength64 refuses what the first bytes of a 64-bit length already show.
func checkLength64(b []byte) error {
	if len(b) > 0 && b[0]&0x80 != 0 {
		return ErrLengthOverflow
	}
	if len(b) >= 6 && b[0]|b[1]|b[2]|b[3]|b[4]|b[5] == 0 {
		return ErrNonMinimalLength
	}
	return nil
}

// Size returns how many bytes AppendHeader will append.
func (h Header) Size() int { return headerSize(h.Length, h.Masked) }

func headerSize(length int64, masked bool) int {
	n := 2
	if length > 125 {
		n = 4
		if length > 0xffff {
			n = 10
		}
	}
	if masked {
		n += 4
	}
	return n
}

// AppendHeader appends the header in its shortest form to b and returns the
// result. It does not judge what it writes: bits of RSV and Opcode that do not
// fit are dropped, a negative Length counts as 0.
func AppendHeader(b []byte, h Header) []byte {
	return appendHeader(b, &h, h.Length)
}

func appendHeader(b []byte, h *Header, length int64) []byte {
	b0 := h.RSV&7<<4 | byte(h.Opcode)&0xf
	if h.Fin {
		b0 |= 0x80
	}
	var mask byte
	if h.Masked {
		mask = 0x80
	}
	switch {
	case length <= 125:
		b = append(b, b0, mask|byte(max(length, 0)))
	case length <= 0xffff:
		b = append(b, b0, mask|126, byte(length>>8), byte(length))
	default:
		b = append(b, b0, mask|127)
		b = binary.BigEndian.AppendUint64(b, uint64(length))
	}
	if h.Masked {
		b = append(b, h.Key[:]...)
	}
	return b
}

// AppendMessage appends a whole message in one frame as a server sends it: it is
// Append with Fin and op in the Header and nothing else, and faster for a short one.
func AppendMessage(b []byte, op Opcode, p []byte) []byte {
	if len(p) <= 125 {
		b = append(b, 0x80|byte(op)&0xf, byte(len(p)))
		return append(b, p...)
	}
	return Append(b, Header{Fin: true, Opcode: op}, p)
}

// Append appends a whole frame to b and returns the result: h with the length of
// p in the place of h.Length, then p, masked with h.Key if h.Masked. It neither
// modifies nor keeps p, which must not overlap the free capacity of b. It
// allocates only if b has too little capacity: MaxHeaderSize + len(p) bytes are
// always enough.
//
// A frame without a mask is the same for every receiver, so that a server makes
// it once and sends it to many.
func Append(b []byte, h Header, p []byte) []byte {
	length := int64(len(p))
	if size := headerSize(length, h.Masked) + len(p); cap(b)-len(b) < size {
		// As append grows, but exact for a first frame, and in one step.
		b = append(make([]byte, 0, max(len(b)+size, cap(b)+cap(b)/2)), b...)
	}
	b = appendHeader(b, &h, length)
	if !h.Masked {
		return append(b, p...)
	}
	n := len(b)
	b = b[:n+len(p)]
	MaskCopy(b[n:], p, h.Key, 0)
	return b
}
