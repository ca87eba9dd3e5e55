package deflate

import (
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
