package load

import (
	"encoding/binary"
	"math/rand/v2"
	"sort"
)

// message is what is sent and must come back: a payload that is the same for all
// messages of a size but for a number at its beginning, and the frame around it.
type message struct {
	payload []byte // unmasked, with the number 0
	frame   []byte // with header and mask
	header  int    // bytes of frame before the payload
	// prepared is there if the message is compressed. It then has no number: it is
	// told from the others of its cycle by what it says.
	prepared *prepared
}

const stampSize = 8

// maskKey is the key of every frame. A server cannot tell it from a random one.
var maskKey = [4]byte{0x5a, 0xc3, 0x17, 0xee}

func newMessage(size int, text bool) *message {
	m := &message{payload: make([]byte, size)}
	const letters = "abcdefghijklmnopqrstuvwxyz,.;:-_ABCDEFGHIJKLMNOPQRSTUVWXYZ 01234"
	rng := rand.New(rand.NewPCG(uint64(size), 1))
	for i := range m.payload {
		m.payload[i] = letters[rng.IntN(64)]
	}
	copy(m.payload, stamp(0).bytes())
	first := byte(0x82)
	if text {
		first = 0x81
	}
	m.frame = newFrame(first, m.payload)
	m.header = len(m.frame) - size
	return m
}

// newFrame is a whole masked frame.
func newFrame(first byte, payload []byte) []byte {
	b := appendHeader(make([]byte, 0, 14+len(payload)), first, len(payload))
	for i, c := range payload {
		b = append(b, c^maskKey[i&3])
	}
	return b
}

// appendHeader appends the header of a masked frame.
func appendHeader(b []byte, first byte, size int) []byte {
	switch {
	case size < 126:
		b = append(b, first, 0x80|byte(size))
	case size <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, first, 0x80|126), uint16(size))
	default:
		b = binary.BigEndian.AppendUint64(append(b, first, 0x80|127), uint64(size))
	}
	return append(b, maskKey[:]...)
}

// stamp is a message's number. It is written in letters, so that it may stand in a
// text message; a short message has its last letters alone.
type stamp uint64

func (n stamp) bytes() []byte {
	var b [stampSize]byte
	for i := stampSize - 1; i >= 0; i-- {
		b[i] = '0' + byte(n&63)
		n >>= 6
	}
	return b[:]
}

// part is the number as a message of this size carries it.
func (n stamp) part(size int) []byte {
	b := n.bytes()
	return b[stampSize-min(size, stampSize):]
}

// appendTo appends the frame with a number.
func (m *message) appendTo(b []byte, n stamp) []byte {
	at := len(b) + m.header
	b = append(b, m.frame...)
	for i, c := range n.part(len(m.payload)) {
		b[at+i] = c ^ maskKey[i&3]
	}
	return b
}

// matches tells whether p is the payload's part at an offset, with a number.
func (m *message) matches(p []byte, at int, n stamp) bool {
	if at+len(p) > len(m.payload) {
		return false
	}
	var s []byte
	if m.prepared == nil {
		s = n.part(len(m.payload))
	}
	for len(p) > 0 && at < len(s) {
		if p[0] != s[at] {
			return false
		}
		p, at = p[1:], at+1
	}
	return string(p) == string(m.payload[at:at+len(p)])
}

// mix chooses messages by their weights.
type mix struct {
	messages []*message
	upto     []float64 // cumulated weights
}

func newMix(sizes Sizes, text bool) *mix {
	x := &mix{}
	sum := 0.0
	for _, z := range sizes {
		sum += z.Weight
		x.messages = append(x.messages, newMessage(z.Bytes, text))
		x.upto = append(x.upto, sum)
	}
	return x
}

func (x *mix) choose(s *shard) *message {
	if len(x.messages) == 1 {
		return x.messages[0]
	}
	v := s.fraction() * x.upto[len(x.upto)-1]
	return x.messages[min(sort.SearchFloat64s(x.upto, v), len(x.messages)-1)]
}
