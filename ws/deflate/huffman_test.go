package deflate

import (
	"bytes"
	"math/bits"
	"testing"
)

// Every word of a code is found, in the first table or behind it.
func TestTable(t *testing.T) {
	codes := map[string][]uint8{
		"one word":       {0, 1},
		"two words":      {1, 0, 1},
		"equal":          {3, 3, 3, 3, 3, 3, 3, 3},
		"steep":          {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15},
		"steep upwards":  {15, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1},
		"eight and nine": append(fill(nil, 8, 255), 9, 9),
		// 256 words behind the first table, in tables of 64 and of 2.
		"long": append(fill(fill([]uint8{1, 2, 3, 4, 5, 6}, 15, 256), 10, 4), 9, 9),
	}
	for name, sizes := range codes {
		var table table
		if !table.build(sizes, literalMeaning[:]) {
			t.Errorf("%s: refused", name)
			continue
		}
		// RFC 1951 section 3.2.2, word by word.
		code := 0
		for size := 1; size <= maxCodeSize; size++ {
			for symbol, n := range sizes {
				if int(n) != size {
					continue
				}
				z := inflater{hold: uint64(bits.Reverse16(uint16(code)) >> (16 - size)), n: 64}
				e := z.word(&table)
				if want := literalMeaning[symbol]; e&^15 != want || z.n != 64-size {
					t.Errorf("%s: word %0*b of symbol %d gives %#x after %d bits", name, size, code, symbol, e, 64-z.n)
				}
				code++
			}
			code <<= 1
		}
	}
}

func fill(b []uint8, v uint8, n int) []uint8 {
	for range n {
		b = append(b, v)
	}
	return b
}

func TestTableRefuses(t *testing.T) {
	var table table
	for name, sizes := range map[string][]uint8{
		"three words of one bit":  {1, 1, 1},
		"too many":                {1, 2, 2, 2},
		"too few":                 {1, 2},
		"too few, long":           {15},
		"one word of two bits":    {2},
		"too many of fifteen":     fill([]uint8{1}, 15, 287),
		"too few, all of a size":  fill(nil, 9, 286),
		"too many, all of a size": fill(nil, 8, 257),
	} {
		if table.build(sizes, literalMeaning[:]) {
			t.Errorf("%s: accepted", name)
		}
	}
	// No word at all is a code, whose words all do not exist.
	if !table.build(make([]uint8, 30), distanceMeaning[:]) {
		t.Fatal("an empty code is refused")
	}
	for i := range table.first {
		if table.first[i] != 0 {
			t.Fatalf("an empty code has the word %#x", i)
		}
	}
}

// bitWriter writes DEFLATE's bits.
type bitWriter struct {
	b []byte
	n int // bits in the last byte
}

func (w *bitWriter) put(v, n int) {
	for i := range n {
		if w.n&7 == 0 {
			w.b = append(w.b, 0)
			w.n = 0
		}
		w.b[len(w.b)-1] |= byte(v >> i & 1 << w.n)
		w.n++
	}
}

// word writes the word of a symbol of the code with these sizes.
func (w *bitWriter) word(sizes []uint8, symbol int) {
	code := 0
	for size := uint8(1); size <= sizes[symbol]; size++ {
		code <<= 1
		for i, n := range sizes {
			if n == size && (size < sizes[symbol] || i < symbol) {
				code++
			}
		}
	}
	n := int(sizes[symbol])
	w.put(int(bits.Reverse16(uint16(code))>>(16-n)), n)
}

// The longest words with the most extra bits, behind a literal, at every
// position in a byte.
func TestLongestWords(t *testing.T) {
	past := make([]byte, 32<<10)
	for i := range past {
		past[i] = byte(i * i >> 7)
	}
	literals, distances := make([]uint8, maxLiterals), make([]uint8, maxDistances)
	copy(literals, []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}) // 8, of 9 bits, is used
	literals[endOfBlock], literals[284], literals[285] = 14, 15, 15
	copy(distances, literals[:13])
	distances[27], distances[28], distances[29] = 14, 15, 15

	var w bitWriter
	w.put(2<<1, 3)
	w.put(maxLiterals-257, 5)
	w.put(maxDistances-1, 5)
	w.put(maxSizes-4, 4)
	sizes := append(fill(nil, 4, 16), 0, 0, 0) // every size has a word of 4 bits
	for _, i := range sizeOrder {
		w.put(int(sizes[i]), 3)
	}
	for _, n := range append(literals[:maxLiterals:maxLiterals], distances...) {
		w.word(sizes, int(n))
	}
	want := past
	for range 64 {
		w.word(literals, 8)
		w.word(literals, 284)
		w.put(31, 5) // 258
		w.word(distances, 29)
		w.put(8191, 13) // 32768
		want = append(want, 8)
		want = append(want, want[len(want)-32<<10:][:maxLength]...)
	}
	w.word(literals, endOfBlock)
	w.put(0, 3)

	d := NewDecompressor(Params{}, true)
	defer d.Release()
	if _, err := d.Append(nil, appendStored(nil, past), 1<<20); err != nil {
		t.Fatal(err)
	}
	got, err := d.Append(nil, w.b, 1<<20)
	if err != nil || !bytes.Equal(got, want[len(past):]) {
		t.Errorf("%d bytes, %v, want %d", len(got), err, len(want)-len(past))
	}
}

// Symbols that must not occur have words in the fixed codes and no meaning.
func TestMeaningless(t *testing.T) {
	for name, tt := range map[string]struct {
		table *table
		code  uint8
		size  int
	}{
		"literal 286": {fixedLiterals, 0xc6, 8},
		"literal 287": {fixedLiterals, 0xc7, 8},
		"distance 30": {fixedDistances, 30, 5},
		"distance 31": {fixedDistances, 31, 5},
	} {
		z := inflater{hold: uint64(bits.Reverse8(tt.code) >> (8 - tt.size)), n: 64}
		if e := z.word(tt.table); e&kindMask != noEntry {
			t.Errorf("%s means %#x", name, e)
		}
	}
}
