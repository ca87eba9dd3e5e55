package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Opcodes, RFC 6455 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// Reserved bits as rsv holds them.
const (
	rsv1 = 4
	rsv2 = 2
	rsv3 = 1
)

// Length forms of a frame that is to be sent.
const (
	formShortest = iota
	form16       // two bytes, whatever the length
	form64       // eight bytes, whatever the length
)

// frame is one frame, sent or received. The last four fields make a frame that
// breaks a rule; they are only for sending.
type frame struct {
	fin     bool
	rsv     byte
	op      byte
	payload []byte

	masked bool    // received with a mask
	key    [4]byte // the mask key: received, or to be sent if fixedKey
	size   uint64  // received: the length that the header declared
	lean   bool    // received: the length was in its shortest form

	form     byte
	fixedKey bool
	wrong    bool   // mask as the other role would
	declare  uint64 // if not 0, the header's length instead of the payload's
}

// What makes frames, steps and findings is called in hundreds of places. Inlined there it would add 70 KB to the binary, for
// nothing: so it is not.

//go:noinline
func text(s string) frame { return frame{fin: true, op: opText, payload: []byte(s)} }

//go:noinline
func binaryOf(p []byte) frame { return frame{fin: true, op: opBinary, payload: p} }

//go:noinline
func ping(s string) frame { return frame{fin: true, op: opPing, payload: []byte(s)} }

//go:noinline
func pong(s string) frame { return frame{fin: true, op: opPong, payload: []byte(s)} }

//go:noinline
func control(op byte, s string) frame { return frame{fin: true, op: op, payload: []byte(s)} }

// part is a frame of a fragmented message.
//
//go:noinline
func part(op byte, s string, fin bool) frame { return frame{fin: fin, op: op, payload: []byte(s)} }

// closing is a close frame with a code and a reason.
//
//go:noinline
func closing(code uint16, reason string) frame {
	return frame{fin: true, op: opClose, payload: append(binary.BigEndian.AppendUint16(nil, code), reason...)}
}

// fragments cuts a message into frames of at most size bytes each.
//
//go:noinline
func fragments(op byte, p []byte, size int) []frame {
	var all []frame
	for first := true; first || len(p) > 0; first = false {
		n := min(size, len(p))
		f := frame{op: opContinuation, payload: p[:n], fin: n == len(p)}
		if first {
			f.op = op
		}
		all, p = append(all, f), p[n:]
	}
	return all
}

func (f frame) isControl() bool { return f.op&0x8 != 0 }

// appendHeader appends the header, mask key included.
func (f *frame) appendHeader(dst []byte, mask bool) []byte {
	b0 := f.rsv<<4 | f.op
	if f.fin {
		b0 |= 0x80
	}
	var b1 byte
	if mask {
		b1 = 0x80
	}
	n := uint64(len(f.payload))
	if f.declare != 0 {
		n = f.declare
	}
	switch {
	case f.form == form64 || n > 0xFFFF:
		dst = binary.BigEndian.AppendUint64(append(dst, b0, b1|127), n)
	case f.form == form16 || n > 125:
		dst = binary.BigEndian.AppendUint16(append(dst, b0, b1|126), uint16(n))
	default:
		dst = append(dst, b0, b1|byte(n))
	}
	if mask {
		dst = append(dst, f.key[:]...)
	}
	return dst
}

// xor masks p, whose first byte is at offset pos of the payload.
func xor(p []byte, key [4]byte, pos int) {
	var k [4]byte
	for i := range k {
		k[i] = key[(pos+i)&3]
	}
	word := uint64(binary.LittleEndian.Uint32(k[:]))
	word |= word << 32
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^word)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= k[i&3]
	}
}

var errTooMuch = errors.New("the peer sent more than the case takes in, see MaxBytes")

// readFrame reads one frame and takes its mask off. allow is asked before more
// bytes are read, so that a declared length allocates nothing. wire
// receives the first bytes of the frame as they came.
func readFrame(r io.Reader, allow func(n uint64) bool, wire *[]byte) (frame, error) {
	var h [14]byte
	*wire = (*wire)[:0]
	if _, err := io.ReadFull(r, h[:2]); err != nil {
		return frame{}, err
	}
	f := frame{fin: h[0]&0x80 != 0, rsv: h[0] >> 4 & 7, op: h[0] & 15, masked: h[1]&0x80 != 0, lean: true}
	more := map[byte]int{126: 2, 127: 8}[h[1]&0x7F]
	if f.masked {
		more += 4
	}
	if _, err := io.ReadFull(r, h[2:2+more]); err != nil {
		return f, noEOF(err)
	}
	switch f.size = uint64(h[1] & 0x7F); f.size {
	case 126:
		f.size = uint64(binary.BigEndian.Uint16(h[2:]))
		f.lean = f.size > 125
	case 127:
		f.size = binary.BigEndian.Uint64(h[2:])
		f.lean = f.size > 0xFFFF
	}
	if f.masked {
		copy(f.key[:], h[2+more-4:])
	}
	*wire = append(*wire, h[:2+more]...)
	for uint64(len(f.payload)) < f.size {
		n := min(f.size-uint64(len(f.payload)), max(64<<10, uint64(len(f.payload))))
		if !allow(n) {
			return f, errTooMuch
		}
		at := len(f.payload)
		f.payload = append(f.payload, make([]byte, n)...)
		got, err := io.ReadFull(r, f.payload[at:])
		if at == 0 {
			*wire = append(*wire, f.payload[:min(got, keptBytes)]...)
		}
		if err != nil {
			f.payload = f.payload[:at+got]
			return f, noEOF(err)
		}
	}
	if f.masked {
		xor(f.payload, f.key, 0)
	}
	return f, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

var opNames = map[byte]string{
	opContinuation: "continuation", opText: "text", opBinary: "binary",
	opClose: "close", opPing: "ping", opPong: "pong",
}

// String describes a frame in one line.
func (f frame) String() string { return f.describe(len(f.payload)) }

// describe is String for a frame of which only the beginning of the payload is there.
func (f frame) describe(size int) string {
	var b strings.Builder
	name := opNames[f.op]
	if name == "" {
		name = fmt.Sprintf("opcode %d", f.op)
	}
	b.WriteString(name)
	if !f.fin {
		b.WriteString(" (FIN 0)")
	}
	if f.rsv != 0 {
		fmt.Fprintf(&b, " RSV %03b", f.rsv)
	}
	if f.form != formShortest {
		fmt.Fprintf(&b, " length in %d bits", map[byte]int{form16: 16, form64: 64}[f.form])
	}
	if f.declare != 0 {
		fmt.Fprintf(&b, " declared length %d", f.declare)
	}
	if f.wrong {
		b.WriteString(" masked as the other role")
	}
	if f.op == opClose && len(f.payload) >= 2 {
		fmt.Fprintf(&b, " %d %s", binary.BigEndian.Uint16(f.payload), show(f.payload[2:]))
		return b.String()
	}
	b.WriteByte(' ')
	b.WriteString(showOf(f.payload, size))
	return b.String()
}

// show renders a payload in a few characters.
func show(p []byte) string { return showOf(p, len(p)) }

// showOf is show for the beginning of a payload of size bytes.
func showOf(p []byte, size int) string {
	const most = 40
	switch {
	case len(p) == 0:
		return "empty"
	case size <= most && utf8.Valid(p):
		return fmt.Sprintf("%q", p)
	case size <= most:
		return fmt.Sprintf("% x", p)
	case utf8.Valid(p[:16]):
		return fmt.Sprintf("%q… (%d bytes)", p[:16], size)
	}
	return fmt.Sprintf("% x… (%d bytes)", p[:16], size)
}
