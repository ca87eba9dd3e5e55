package deflate

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// fixedEncoder compresses short messages against the history, into a block with
// the fixed codes of RFC 1951 §3.2.6. klauspost's levels 1 to 6 do not look at
// the dictionary for less than 128 bytes, take longer to be primed with
// it, and are a megabyte; this is some 25 KiB. It is pooled; nothing of a message
// is read again.
type fixedEncoder struct {
	text []byte              // the history and the message behind it
	head [1 << hashBits]link // the newest place with a hash
	prev []link              // for each place the one before with its hash
	hold uint64              // bits that are not written yet
	n    uint                // how many
	out  []byte
}

// link is a place in the text plus 1; 0 is none. History and message are never
// longer than 32 KiB and maxFixed.
type link uint16

const (
	hashBits  = 12
	minLength = 4       // shorter ones cost about as much as their literals
	maxFixed  = 1 << 10 // the longest message; for more, codes of its own pay
)

var fixedEncoders = sync.Pool{New: func() any {
	const size = defaultHistory + maxFixed
	return &fixedEncoder{text: make([]byte, 0, size), prev: make([]link, 0, size)}
}}

// word is a word of a code with the extra bits behind it, first bit lowest.
type word struct {
	bits uint16
	size uint8
}

var (
	literalWords = fixedLiteralWords()
	lengthWords  = fixedLengthWords()
)

// fixedWord is the word of a literal or length symbol (RFC 1951 §3.2.6).
func fixedWord(symbol int) word {
	code, size := 0, 8
	switch {
	case symbol < 144:
		code = 0x30 + symbol
	case symbol < 256:
		code, size = 0x190+symbol-144, 9
	case symbol < 280:
		code, size = symbol-256, 7
	default:
		code = 0xc0 + symbol - 280
	}
	return word{bits.Reverse16(uint16(code)) >> (16 - size), uint8(size)}
}

func fixedLiteralWords() (w [256]word) {
	for i := range w {
		w[i] = fixedWord(i)
	}
	return w
}

// fixedLengthWords is indexed by length.
func fixedLengthWords() (w [maxLength + 1]word) {
	for symbol := endOfBlock + 1; symbol < maxLiterals; symbol++ {
		m := literalMeaning[symbol]
		for extra := range 1 << m.extra() {
			// 284 and 31 more is 258, which 285 says shorter, later in this loop.
			f := fixedWord(symbol)
			w[m.value()+extra] = word{f.bits | uint16(extra)<<f.size, f.size + uint8(m.extra())}
		}
	}
	return w
}

// encode appends the message p to dst, compressed, without the tail. No distance
// is larger than reach; depth is how many places are tried for each match.
func (z *fixedEncoder) encode(dst, p []byte, past *history, reach, depth int) []byte {
	z.text = append(past.append(z.text[:0]), p...)
	text, at := z.text, len(z.text)-len(p)
	if cap(z.prev) < len(text) {
		z.prev = make([]link, cap(text))
	}
	z.prev = z.prev[:len(text)]
	clear(z.head[:])
	z.insert(0, at)

	z.out, z.hold, z.n = dst, 0, 0
	z.put(0b010, 3) // not the last, fixed codes
	length, distance := z.find(at, reach, depth, 0)
	for at < len(text) {
		if length == 0 {
			w := literalWords[text[at]]
			z.put(uint64(w.bits), uint(w.size))
			z.insert(at, at+1)
			at++
			length, distance = z.find(at, reach, depth, 0)
			continue
		}
		// A longer match one byte on is worth a literal.
		z.insert(at, at+1)
		if l, d := z.find(at+1, reach, depth, length); l > length {
			w := literalWords[text[at]]
			z.put(uint64(w.bits), uint(w.size))
			at++
			length, distance = l, d
			continue
		}
		w := lengthWords[length]
		z.put(uint64(w.bits), uint(w.size))
		z.putDistance(distance)
		z.insert(at+1, at+length)
		at += length
		length, distance = z.find(at, reach, depth, 0)
	}
	z.put(0, 7+3) // the end of the block, and the header of an empty stored one
	out := z.out
	for range (z.n + 7) / 8 {
		out = append(out, byte(z.hold))
		z.hold >>= 8
	}
	z.out = nil
	if len(out)-len(dst) > len(p)+6 {
		return appendStored(dst, p)
	}
	return out
}

// appendStored appends p, at most 65535 bytes, as a stored block and the header
// of an empty one.
func appendStored(dst, p []byte) []byte {
	dst = append(dst, 0)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(p)))
	dst = binary.LittleEndian.AppendUint16(dst, ^uint16(len(p)))
	return append(append(dst, p...), 0)
}

// put writes the low n bits of v, at most 32; the others are 0.
func (z *fixedEncoder) put(v uint64, n uint) {
	z.hold |= v << (z.n & 63)
	if z.n += n; z.n >= 32 {
		z.out = binary.LittleEndian.AppendUint32(z.out, uint32(z.hold))
		z.hold >>= 32
		z.n -= 32
	}
}

// putDistance writes a distance (RFC 1951 §3.2.5), whose words have 5 bits.
func (z *fixedEncoder) putDistance(distance int) {
	x := uint(distance - 1)
	symbol, extra := x, uint(0)
	if x >= 4 {
		extra = uint(bits.Len(x)) - 2
		symbol = 2*(extra+1) + x>>extra&1
	}
	z.put(uint64(bits.Reverse8(uint8(symbol))>>3)|uint64(x&(1<<extra-1))<<5, 5+extra)
}

func hash(b uint32) uint32 { return b * 0x9E3779B1 >> (32 - hashBits) }

// insert makes the places from i up to end known.
func (z *fixedEncoder) insert(i, end int) {
	text := z.text
	end = min(end, len(text)-3)
	for ; i <= end-5 && i <= len(text)-8; i += 5 { // five places see eight bytes
		b := binary.LittleEndian.Uint64(text[i:])
		prev := z.prev[i : i+5 : i+5]
		h0, h1, h2 := hash(uint32(b)), hash(uint32(b>>8)), hash(uint32(b>>16))
		h3, h4 := hash(uint32(b>>24)), hash(uint32(b>>32))
		prev[0], z.head[h0] = z.head[h0], link(i+1)
		prev[1], z.head[h1] = z.head[h1], link(i+2)
		prev[2], z.head[h2] = z.head[h2], link(i+3)
		prev[3], z.head[h3] = z.head[h3], link(i+4)
		prev[4], z.head[h4] = z.head[h4], link(i+5)
	}
	for ; i < end; i++ {
		h := hash(binary.LittleEndian.Uint32(text[i:]))
		z.prev[i], z.head[h] = z.head[h], link(i+1)
	}
}

// find looks for the longest match of text[at:] that is longer than least. It
// returns 0 if there is none.
func (z *fixedEncoder) find(at, reach, depth, least int) (length, distance int) {
	text := z.text
	rest := text[min(at, len(text)):]
	if len(rest) < minLength {
		return 0, 0
	}
	rest = rest[:min(len(rest), maxLength)]
	least = max(least, minLength-1)
	first := binary.LittleEndian.Uint32(rest)
	for l := z.head[hash(first)]; l != 0 && depth > 0; depth-- {
		i := int(l) - 1
		if at-i > reach || least >= len(rest) {
			break
		}
		if text[i+least] == rest[least] && binary.LittleEndian.Uint32(text[i:]) == first {
			if n := common(rest, text[i:]); n > least {
				least, length, distance = n, n, at-i
			}
		}
		l = z.prev[i]
	}
	return length, distance
}

// common is the length of the common beginning; b is not shorter than a.
func common(a, b []byte) int {
	n := 0
	for len(a)-n >= 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
