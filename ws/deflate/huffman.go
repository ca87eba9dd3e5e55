package deflate

import (
	"math/bits"
	"slices"
)

// An entry of a decoding table says what the next bits of the input mean:
//
//	bits 0 to 3    the size of the word in bits
//	bits 4 to 7    the number of extra bits behind the word, or for a link the
//	               number of bits that choose in the second table
//	bits 8 to 10   the kind
//	bits 16 to 31  the literal, the base to which the extra bits are added, or
//	               where the second table begins
type entry uint32

const (
	noEntry      entry = iota << 8 // there is no such word
	literalEntry                   // a byte, or the size of a word
	baseEntry                      // a length or a distance
	endEntry                       // end of block
	linkEntry                      // the word is longer than the first table's index
	kindMask     entry = 7 << 8
)

func (e entry) size() uint  { return uint(e & 15) }
func (e entry) extra() uint { return uint(e >> 4 & 15) }
func (e entry) value() int  { return int(e >> 16) }

const (
	maxCodeSize  = 15
	maxLength    = 258
	tableBits    = 9 // the index of the first table
	tableMask    = 1<<tableBits - 1
	maxLiterals  = 286
	maxDistances = 30
	maxSizes     = 19
	endOfBlock   = 256
)

// table decodes one Huffman code. The first table is indexed with the next
// tableBits bits; longer codes go on in second tables, which lie in more, one
// behind the other.
type table struct {
	first [1 << tableBits]entry
	more  []entry
}

// The meaning of each symbol, as an entry without the size of its word;
// noEntry for those that must not occur.
var (
	literalMeaning  = literalMeanings()
	distanceMeaning = distanceMeanings()
	sizeMeaning     = sizeMeanings()
)

// The codes of blocks that bring none of their own.
var fixedLiterals, fixedDistances = fixedTables()

// literalMeanings are those of RFC 1951 §3.2.5: "Literal/length values 286-287
// will never actually occur in the compressed data".
func literalMeanings() (m [288]entry) {
	for i := range endOfBlock {
		m[i] = literalEntry | entry(i)<<16
	}
	m[endOfBlock] = endEntry
	for i, base := 257, 3; i < 285; i++ {
		extra := max(0, (i-261)/4)
		m[i] = baseEntry | entry(base)<<16 | entry(extra)<<4
		base += 1 << extra
	}
	m[285] = baseEntry | 258<<16
	return m
}

// distanceMeanings are those of RFC 1951 §3.2.5; "distance codes 30-31 will
// never actually occur in the compressed data" (§3.2.6).
func distanceMeanings() (m [32]entry) {
	for i, base := 0, 1; i < maxDistances; i++ {
		extra := max(0, (i-2)/2)
		m[i] = baseEntry | entry(base)<<16 | entry(extra)<<4
		base += 1 << extra
	}
	return m
}

// sizeMeanings are for the code in which the sizes of the other codes are sent.
func sizeMeanings() (m [maxSizes]entry) {
	for i := range m {
		m[i] = literalEntry | entry(i)<<16
	}
	return m
}

// fixedTables builds the codes of RFC 1951 §3.2.6.
func fixedTables() (literals, distances *table) {
	sizes := make([]uint8, 288)
	for i := range sizes {
		switch {
		case i < 144:
			sizes[i] = 8
		case i < 256:
			sizes[i] = 9
		case i < 280:
			sizes[i] = 7
		default:
			sizes[i] = 8
		}
	}
	literals, distances = new(table), new(table)
	literals.build(sizes, literalMeaning[:])
	for i := range 32 {
		sizes[i] = 5
	}
	distances.build(sizes[:32], distanceMeaning[:])
	return literals, distances
}

// build makes the table for the canonical code (RFC 1951 §3.2.2) whose sizes
// are given by symbol, 0 for those that do not occur. It returns false if there
// is no such code: if it has too many words, or too few. As in zlib a lone word
// of one bit, and no word at all, are codes.
func (t *table) build(sizes []uint8, meaning []entry) bool {
	var count [maxCodeSize + 1]int
	for _, n := range sizes {
		count[n]++
	}
	longest := uint(maxCodeSize)
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	if longest == 0 {
		clear(t.first[:])
		return true
	}
	left := 1
	for n := 1; n <= maxCodeSize; n++ {
		left = left<<1 - count[n]
		if left < 0 {
			return false
		}
	}
	if left > 0 && longest > 1 {
		return false
	}

	// Sort the symbols by the size of their code.
	var next [maxCodeSize + 2]int
	for n := 1; n <= maxCodeSize; n++ {
		next[n+1] = next[n] + count[n]
	}
	var sorted [288]uint16
	for i, n := range sizes {
		if n != 0 {
			sorted[next[n]] = uint16(i)
			next[n]++
		}
	}
	words := sorted[:next[longest]]

	// The first table begins with a single slot and doubles with each bit, so
	// that a short word is written once and then copied.
	t.first[0] = 0
	filled := uint(0) // bits
	t.more = t.more[:0]
	code, size := uint(0), uint(0)
	start, room := 0, uint(0) // the second table in hand, and its bits
	prefix := ^uint(0)        // the words in it begin with this
	for _, symbol := range words {
		for n := uint(sizes[symbol]); size < n; size++ {
			code <<= 1
		}
		reversed := uint(bits.Reverse16(uint16(code)) >> (16 - size))
		code++
		e := meaning[symbol]
		if size <= tableBits {
			for ; filled < size; filled++ {
				copy(t.first[1<<filled:], t.first[:1<<filled])
			}
			t.first[reversed] = e | entry(size)
			count[size]--
			continue
		}
		for ; filled < tableBits; filled++ {
			copy(t.first[1<<filled:], t.first[:1<<filled])
		}
		if p := reversed & tableMask; p != prefix {
			prefix = p
			room = size - tableBits
			for left := 1 << room; room+tableBits < longest; room++ {
				if left -= count[room+tableBits]; left <= 0 {
					break
				}
				left <<= 1
			}
			start = len(t.more)
			t.more = slices.Grow(t.more, 1<<room)[:start+1<<room]
			t.first[p] = linkEntry | tableBits | entry(room)<<4 | entry(start)<<16
		}
		e |= entry(size - tableBits)
		for i := reversed >> tableBits; i < 1<<room; i += 1 << (size - tableBits) {
			t.more[start+int(i)] = e
		}
		count[size]--
	}
	for ; filled < tableBits; filled++ {
		copy(t.first[1<<filled:], t.first[:1<<filled])
	}
	return true
}
