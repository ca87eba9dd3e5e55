package conformance

import (
	"errors"
	"sync"
)

var errStream = errors.New("malformed DEFLATE stream")

// reach returns the longest distance that a DEFLATE stream refers back to. It
// decodes symbols alone, without their output. The stream ends with
// the input; compress/flate has already said that it is well formed.
func reach(p []byte) (int, error) {
	r := bitReader{in: p}
	longest := 0
	for !r.done() {
		final, kind := r.bits(1), r.bits(2)
		var literals, distances *huffman
		switch kind {
		case 0:
			r.acc, r.have = 0, 0
			n := r.bits(16)
			r.bits(16)
			if r.short || n > len(r.in)-r.at {
				return longest, nil // the tail that RFC 7692 cuts off
			}
			r.at += n
			continue
		case 1:
			literals, distances = fixedCodes()
		case 2:
			var err error
			if literals, distances, err = r.dynamic(); err != nil {
				return longest, err
			}
		default:
			return longest, errStream
		}
		for {
			sym := r.decode(literals)
			if r.short || sym < 0 {
				return longest, errStream
			}
			if sym == 256 {
				break
			}
			if sym < 256 {
				continue
			}
			if sym -= 257; sym >= len(lengthBase) {
				return longest, errStream
			}
			r.bits(lengthExtra[sym])
			d := r.decode(distances)
			if d < 0 || d >= len(distanceBase) {
				return longest, errStream
			}
			longest = max(longest, distanceBase[d]+r.bits(distanceExtra(d)))
		}
		if final == 1 {
			r.acc, r.have = 0, 0 // RFC 7692 7.2.3.4: what follows starts at a byte
		}
	}
	return longest, nil
}

type bitReader struct {
	in    []byte
	at    int
	acc   uint32
	have  uint
	short bool // read past the end
}

// done tells whether no further block can begin.
func (r *bitReader) done() bool { return r.at >= len(r.in) && (r.have < 3 || r.acc == 0) }

func (r *bitReader) bits(n uint) int {
	for r.have < n {
		var b byte
		if r.at < len(r.in) {
			b = r.in[r.at]
		} else {
			r.short = true
		}
		r.at++
		r.acc |= uint32(b) << r.have
		r.have += 8
	}
	v := r.acc & (1<<n - 1)
	r.acc >>= n
	r.have -= n
	return int(v)
}

// huffman is a canonical code: how many codes there are of each length, and the
// symbols in the order of their codes.
type huffman struct {
	counts  [16]int
	symbols []int
}

func newHuffman(lengths []int) *huffman {
	h := &huffman{symbols: make([]int, len(lengths))}
	for _, n := range lengths {
		h.counts[n]++
	}
	h.counts[0] = 0
	var at [16]int
	for n := 1; n < 15; n++ {
		at[n+1] = at[n] + h.counts[n]
	}
	for sym, n := range lengths {
		if n != 0 {
			h.symbols[at[n]] = sym
			at[n]++
		}
	}
	return h
}

func (r *bitReader) decode(h *huffman) int {
	code, first, index := 0, 0, 0
	for n := 1; n < 16; n++ {
		code |= r.bits(1)
		count := h.counts[n]
		if code-count < first {
			return h.symbols[index+code-first]
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return -1
}

// fixedCodes are made once: a stream may be of nothing but empty blocks that use them.
var fixedCodes = sync.OnceValues(func() (literals, distances *huffman) {
	l := make([]int, 288)
	for i := range l {
		switch {
		case i < 144:
			l[i] = 8
		case i < 256:
			l[i] = 9
		case i < 280:
			l[i] = 7
		default:
			l[i] = 8
		}
	}
	d := make([]int, 30)
	for i := range d {
		d[i] = 5
	}
	return newHuffman(l), newHuffman(d)
})

// dynamic reads the codes of a dynamic block, RFC 1951 3.2.7.
func (r *bitReader) dynamic() (literals, distances *huffman, err error) {
	nl, nd, nc := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	order := [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var cl [19]int
	for _, i := range order[:nc] {
		cl[i] = r.bits(3)
	}
	codes := newHuffman(cl[:])
	lengths := make([]int, 0, nl+nd)
	for len(lengths) < nl+nd {
		sym := r.decode(codes)
		if sym < 0 || r.short {
			return nil, nil, errStream
		}
		if sym < 16 {
			lengths = append(lengths, sym)
			continue
		}
		var n, v int
		switch sym {
		case 16:
			if len(lengths) == 0 {
				return nil, nil, errStream
			}
			n, v = 3+r.bits(2), lengths[len(lengths)-1]
		case 17:
			n = 3 + r.bits(3)
		default:
			n = 11 + r.bits(7)
		}
		if len(lengths)+n > nl+nd {
			return nil, nil, errStream
		}
		for range n {
			lengths = append(lengths, v)
		}
	}
	return newHuffman(lengths[:nl]), newHuffman(lengths[nl:]), nil
}
