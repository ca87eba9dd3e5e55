package deflate

import (
	"encoding/binary"
	"sync"
)

// inflater reads one DEFLATE stream (RFC 1951). It is pooled; nothing of a
// message stays in it.
type inflater struct {
	// The input: in[pos:] behind the low n bits of hold. n is negative once more
	// was taken than there was.
	in   []byte
	pos  int
	hold uint64
	n    int

	// The output: out[base:at] is what this message has given so far, and out
	// ends where the capacity does or, before that, the limit.
	out      []byte
	base, at int
	limit    int64

	past  *history // what came before this message
	reach int      // the largest distance allowed

	literals, distances table // the codes of the block, if it brings its own
	sizes               [maxLiterals + maxDistances]uint8
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// inflate appends to dst what the payload of a message holds.
//
// RFC 7692 §7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of
// the payload of the message" and decompress. Those four are the LEN and NLEN of
// an empty stored block, so here the message ends where the header of a stored
// block ends the payload, and what ends elsewhere was cut off.
func (z *inflater) inflate(dst, payload []byte, limit int64) ([]byte, error) {
	if len(payload) == 0 {
		return dst, nil // zlib gives this for an empty message behind a flush
	}
	z.in, z.pos, z.hold, z.n = payload, 0, 0, 0
	z.base, z.at, z.limit = len(dst), len(dst), limit
	z.setOut(dst)
	for {
		z.refill()
		header := z.take(3)
		if z.n < 0 {
			return dst, ErrCorrupt
		}
		var err error
		switch header >> 1 {
		case 0:
			z.align()
			if z.pos == len(z.in) {
				return z.out[:z.at], nil
			}
			err = z.stored()
		case 1:
			err = z.compressed(fixedLiterals, fixedDistances)
		case 2:
			if err = z.codes(); err == nil {
				err = z.compressed(&z.literals, &z.distances)
			}
		default:
			err = ErrCorrupt
		}
		if err != nil {
			return dst, err
		}
		// RFC 7692 §7.2.3.4: a block may have BFINAL set. The stream ends behind
		// it, at the end of its byte, and another begins there: at least the empty
		// block whose header the sender should add. Without one nothing is missing.
		if header&1 != 0 {
			z.align()
			if z.pos == len(z.in) {
				return z.out[:z.at], nil
			}
		}
	}
}

// refill makes n at least 56, or all that is left of the input.
func (z *inflater) refill() {
	if len(z.in)-z.pos >= 8 {
		z.hold |= binary.LittleEndian.Uint64(z.in[z.pos:]) << (z.n & 63)
		z.pos += (63 - z.n) >> 3
		z.n |= 56
		return
	}
	for z.n <= 56 && z.pos < len(z.in) {
		z.hold |= uint64(z.in[z.pos]) << (z.n & 63)
		z.pos++
		z.n += 8
	}
}

// take takes n bits; the input was refilled.
func (z *inflater) take(n uint) uint {
	v := uint(z.hold) & (1<<n - 1)
	z.hold >>= n
	z.n -= int(n)
	return v
}

// align drops the rest of the byte and gives back whole bytes.
func (z *inflater) align() {
	z.pos -= z.n >> 3
	z.hold, z.n = 0, 0
}

// stored copies a stored block (RFC 1951 §3.2.4); its header was read.
func (z *inflater) stored() error {
	in := z.in[z.pos:]
	if len(in) < 4 {
		return ErrCorrupt
	}
	size := int(binary.LittleEndian.Uint16(in))
	if uint16(size) != ^binary.LittleEndian.Uint16(in[2:]) {
		return ErrCorrupt
	}
	if in = in[4:]; len(in) < size {
		return ErrCorrupt
	}
	if err := z.room(size); err != nil {
		return err
	}
	z.at += copy(z.out[z.at:], in[:size])
	z.pos += 4 + size
	return nil
}

// sizeOrder is the order in which a block sends the sizes of the code for sizes
// (RFC 1951 §3.2.7).
var sizeOrder = [maxSizes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// codes reads the codes of a block that brings its own (RFC 1951 §3.2.7).
func (z *inflater) codes() error {
	z.refill()
	literals := int(z.take(5)) + 257
	distances := int(z.take(5)) + 1
	sizes := int(z.take(4)) + 4
	if literals > maxLiterals || distances > maxDistances {
		return ErrCorrupt
	}
	var order [maxSizes]uint8
	for _, i := range sizeOrder[:sizes] {
		if z.n < 3 {
			z.refill()
		}
		order[i] = uint8(z.take(3))
	}
	// The table for sizes lives where that for distances will be.
	if z.n < 0 || !z.distances.build(order[:], sizeMeaning[:]) {
		return ErrCorrupt
	}
	all := z.sizes[:literals+distances]
	for i := 0; i < len(all); {
		z.refill()
		e := z.word(&z.distances)
		if e&kindMask != literalEntry {
			return ErrCorrupt
		}
		size, times := uint8(e.value()), uint(1)
		switch e.value() {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			size, times = all[i-1], 3+z.take(2)
		case 17:
			size, times = 0, 3+z.take(3)
		case 18:
			size, times = 0, 11+z.take(7)
		}
		if z.n < 0 || int(times) > len(all)-i {
			return ErrCorrupt
		}
		for range times {
			all[i] = size
			i++
		}
	}
	if all[endOfBlock] == 0 || // the block could not end
		!z.literals.build(all[:literals], literalMeaning[:]) ||
		!z.distances.build(all[literals:], distanceMeaning[:]) {
		return ErrCorrupt
	}
	return nil
}

// compressed inflates a block up to and with its end (RFC 1951 §3.2.3).
func (z *inflater) compressed(literals, distances *table) error {
	for {
		if len(z.in)-z.pos >= 8 && len(z.out)-z.at > maxLength {
			ended, err := z.stretch(literals, distances)
			if ended || err != nil {
				return err
			}
		}
		// Near the end of the input or the output, one word with every check.
		z.refill()
		e := z.word(literals)
		if z.n < 0 {
			return ErrCorrupt
		}
		switch e & kindMask {
		case noEntry:
			return ErrCorrupt
		case literalEntry:
			if err := z.room(1); err != nil {
				return err
			}
			z.out[z.at] = byte(e.value())
			z.at++
			continue
		case endEntry:
			return nil
		}
		// A length and a distance take 48 bits at most.
		length := e.value() + int(z.take(e.extra()))
		e = z.word(distances)
		distance := e.value() + int(z.take(e.extra()))
		if z.n < 0 || e&kindMask != baseEntry {
			return ErrCorrupt
		}
		if err := z.repeat(length, distance); err != nil {
			return err
		}
	}
}

// word takes the next word of a code.
func (z *inflater) word(t *table) entry {
	e := t.first[z.hold&tableMask]
	if e&kindMask == linkEntry {
		z.take(tableBits)
		e = t.more[e.value()+int(z.hold&(1<<e.extra()-1))]
	}
	z.take(e.size())
	return e
}

// stretch is compressed for as long as the input has 8 bytes more and the output
// has room for a literal and the longest match, so that neither can run out in
// a step. It returns true at the end of the block.
func (z *inflater) stretch(literals, distances *table) (ended bool, err error) {
	in, pos, hold, n := z.in, z.pos, z.hold, uint(z.n)
	out, at := z.out, z.at
	for len(in)-pos >= 8 && len(out)-at > maxLength {
		hold |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56
		e := literals.first[hold&tableMask]
		if e&kindMask == literalEntry {
			hold >>= e.size()
			n -= e.size()
			out[at] = byte(e >> 16)
			at++
			e = literals.first[hold&tableMask]
			if e&kindMask == literalEntry {
				if len(out)-at > maxLength {
					hold >>= e.size()
					n -= e.size()
					out[at] = byte(e >> 16)
					at++
				}
				continue
			}
		}
		if e&kindMask == linkEntry {
			if n < 48 {
				continue // refill first: it may begin a length and a distance
			}
			hold >>= tableBits
			n -= tableBits
			e = literals.more[e.value()+int(hold&(1<<e.extra()-1))]
		}
		hold >>= e.size()
		n -= e.size()
		if e&kindMask != baseEntry {
			if e&kindMask == literalEntry {
				out[at] = byte(e >> 16)
				at++
				continue
			}
			if ended = e&kindMask == endEntry; !ended {
				err = ErrCorrupt
			}
			break
		}
		length := e.value() + int(hold&(1<<e.extra()-1))
		hold >>= e.extra()
		n -= e.extra()
		e = distances.first[hold&tableMask]
		if e&kindMask == linkEntry {
			hold >>= tableBits
			n -= tableBits
			e = distances.more[e.value()+int(hold&(1<<e.extra()-1))]
		}
		hold >>= e.size()
		n -= e.size()
		distance := e.value() + int(hold&(1<<e.extra()-1))
		hold >>= e.extra()
		n -= e.extra()
		if e&kindMask != baseEntry {
			err = ErrCorrupt
			break
		}
		if from := at - distance; from >= z.base && distance >= length && distance <= z.reach {
			copy(out[at:at+length], out[from:])
			at += length
			continue
		}
		z.at = at
		if err = z.repeat(length, distance); err != nil {
			break
		}
		at = z.at
	}
	z.pos, z.hold, z.n, z.at = pos, hold, int(n), at
	return ended, err
}

// repeat appends length bytes from distance bytes back.
func (z *inflater) repeat(length, distance int) error {
	if distance > z.reach {
		return ErrCorrupt
	}
	if err := z.room(length); err != nil {
		return err
	}
	if before := distance - (z.at - z.base); before > 0 {
		if before > z.past.n {
			return ErrCorrupt
		}
		a, b := z.past.last(before)
		a = a[:min(len(a), length)]
		b = b[:min(len(b), length-len(a))]
		z.at += copy(z.out[z.at:], a)
		z.at += copy(z.out[z.at:], b)
		length -= len(a) + len(b)
	}
	// What is copied may begin in what is being written.
	for from, end := z.at-distance, z.at+length; z.at < end; {
		z.at += copy(z.out[z.at:end], z.out[from:z.at])
	}
	return nil
}

const (
	minGrowth = 512
	maxGrowth = 64 << 10
)

// room makes room for n bytes, or fails past the limit. The memory is never
// further ahead of what was inflated than 64 KiB, or a quarter of it if that is
// more, and never 64 KiB past the limit.
func (z *inflater) room(n int) error {
	if n <= len(z.out)-z.at {
		return nil
	}
	done := z.at - z.base
	if int64(n) > z.limit-int64(done) {
		return ErrTooLarge
	}
	growth := max(min(max(done, len(z.in), minGrowth), maxGrowth), done/4)
	if left := z.limit - int64(done); int64(growth) > left {
		growth = int(left)
	}
	// Not append or slices.Grow: those round up by a quarter and more.
	b := make([]byte, z.at, z.at+max(growth, n))
	copy(b, z.out)
	z.setOut(b)
	return nil
}

// setOut takes b as the output, up to its capacity but not past the limit.
func (z *inflater) setOut(b []byte) {
	end := cap(b)
	if z.limit < int64(end-z.base) {
		end = z.base + int(max(z.limit, 0))
	}
	z.out = b[:end]
}
