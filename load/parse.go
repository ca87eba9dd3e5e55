package load

import (
	"encoding/binary"
	"errors"
)

// parser takes a server's frames apart as they arrive.
type parser struct {
	header  [10]byte
	have    int
	left    uint64 // bytes of the frame's payload
	open    bool   // a frame's header is complete
	message bool   // a message has begun
	control []byte
	deflate bool // compression was agreed on
	frame
}

// frame is what a part of a payload belongs to.
type frame struct {
	op     byte
	fin    bool
	begins bool // the frame is its message's first one
	done   bool // this part is the frame's last one
	packed bool // the message that the frame begins is compressed
}

var (
	errMasked   = errors.New("the server masked a frame")
	errReserved = errors.New("the server set a reserved bit, or used a reserved opcode")
	errRSV1     = errors.New("the server set RSV1, the reserved bit of compressed messages, where there can be none")
	errFragment = errors.New("the server broke the rules of fragments")
	errControl  = errors.New("the server sent a long or fragmented control frame")
)

// next takes something from b: a part of a payload with its frame, or a part of a
// header with none.
func (in *parser) next(b []byte) (part, rest []byte, f *frame, err error) {
	if !in.open {
		n := copy(in.header[in.have:in.size()], b)
		in.have += n
		b = b[n:]
		if in.have < in.size() {
			return nil, b, nil, nil
		}
		if err := in.begin(); err != nil {
			return nil, nil, nil, err
		}
	}
	part = b[:min(uint64(len(b)), in.left)]
	in.left -= uint64(len(part))
	in.done = in.left == 0
	if in.done {
		in.open, in.have = false, 0
	}
	out := in.frame
	if out.op >= 8 {
		in.control = append(in.control, part...)
	} else if out.done && out.fin {
		in.message = false
	}
	if out.op >= 8 && !out.done {
		return nil, b[len(part):], nil, nil
	}
	return part, b[len(part):], &out, nil
}

// size is how long the header is, as far as it is known.
func (in *parser) size() int {
	if in.have < 2 {
		return 2
	}
	switch in.header[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

func (in *parser) begin() error {
	op, fin := in.header[0]&15, in.header[0]&0x80 != 0
	switch {
	case in.header[1]&0x80 != 0:
		return errMasked
	case in.header[0]&0x40 != 0 && (!in.deflate || op == 0 || op > 2):
		return errRSV1
	case in.header[0]&0x30 != 0, op > 2 && op < 8, op > 10:
		return errReserved
	}
	switch n := in.header[1] & 0x7f; n {
	case 126:
		in.left = uint64(binary.BigEndian.Uint16(in.header[2:]))
	case 127:
		in.left = binary.BigEndian.Uint64(in.header[2:])
	default:
		in.left = uint64(n)
	}
	in.open = true
	if op >= 8 {
		if !fin || in.left > 125 {
			return errControl
		}
		in.control = in.control[:0]
		in.frame = frame{op: op, fin: true}
		return nil
	}
	if in.message != (op == 0) {
		return errFragment
	}
	data := frame{op: op, fin: fin, begins: op != 0, packed: in.header[0]&0x40 != 0}
	in.message = true
	in.frame = data
	return nil
}
