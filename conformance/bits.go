package conformance

// bitWriter writes a DEFLATE stream by hand: RFC 1951 with the fixed Huffman
// codes. It makes what no compressor makes on purpose: matches of a given
// distance, and broken streams.
type bitWriter struct {
	out  []byte
	acc  uint64
	have uint
}

// bits writes the low n bits of v, lowest first.
func (w *bitWriter) bits(v uint32, n uint) {
	w.acc |= uint64(v) << w.have
	for w.have += n; w.have >= 8; w.have -= 8 {
		w.out = append(w.out, byte(w.acc))
		w.acc >>= 8
	}
}

// code writes a Huffman code, highest bit first.
func (w *bitWriter) code(v uint32, n uint) {
	var r uint32
	for i := uint(0); i < n; i++ {
		r = r<<1 | v>>i&1
	}
	w.bits(r, n)
}

func (w *bitWriter) align() {
	if w.have > 0 {
		w.bits(0, 8-w.have)
	}
}

// begin starts a block: type 0 is stored, 1 fixed codes, 2 dynamic, 3 reserved.
func (w *bitWriter) begin(final bool, kind uint32) {
	if final {
		w.bits(1, 1)
	} else {
		w.bits(0, 1)
	}
	w.bits(kind, 2)
}

// stored writes a whole stored block of at most 65535 bytes.
func (w *bitWriter) stored(final bool, p []byte) {
	w.begin(final, 0)
	w.align()
	n := uint32(len(p))
	w.bits(n, 16)
	w.bits(^n&0xFFFF, 16)
	w.out = append(w.out, p...)
}

// symbol writes a literal or length symbol in the fixed code, RFC 1951 3.2.6.
func (w *bitWriter) symbol(v uint32) {
	switch {
	case v < 144:
		w.code(0x30+v, 8)
	case v < 256:
		w.code(0x190+v-144, 9)
	case v < 280:
		w.code(v-256, 7)
	default:
		w.code(0xC0+v-280, 8)
	}
}

func (w *bitWriter) literals(p []byte) {
	for _, b := range p {
		w.symbol(uint32(b))
	}
}

// match copies length bytes (3 to 258) from distance (1 to 32768) back.
func (w *bitWriter) match(length, distance int) {
	i := len(lengthBase) - 1
	for lengthBase[i] > length {
		i--
	}
	w.symbol(uint32(257 + i))
	w.bits(uint32(length-lengthBase[i]), lengthExtra[i])
	d := len(distanceBase) - 1
	for distanceBase[d] > distance {
		d--
	}
	w.code(uint32(d), 5)
	w.bits(uint32(distance-distanceBase[d]), distanceExtra(d))
}

func (w *bitWriter) endBlock() { w.symbol(256) }

// message ends the stream as RFC 7692 7.2.1 says: an empty stored block, of which
// the last four bytes are left out.
func (w *bitWriter) message() []byte {
	w.begin(false, 0)
	w.align()
	return w.out
}

// RFC 1951 3.2.5. The last length symbol is 258 alone.
var (
	lengthBase = [...]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31,
		35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [...]uint{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2,
		3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase = [...]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193,
		257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
)

func distanceExtra(d int) uint {
	if d < 4 {
		return 0
	}
	return uint(d/2 - 1)
}

// packer is a small LZ77 compressor with fixed codes. Unlike compress/flate it
// keeps its distances within any window.
type packer struct {
	window  int
	history []byte
	heads   map[uint32]int // the position in history where three bytes were last seen
}

func (k *packer) pack(p []byte) []byte {
	var w bitWriter
	w.begin(false, 1)
	if len(k.history) > k.window {
		// What is kept is the last window; the table is of positions in it.
		k.history = append([]byte(nil), k.history[len(k.history)-k.window:]...)
		k.heads = nil
	}
	if k.heads == nil {
		k.heads = make(map[uint32]int)
		for i := range max(0, len(k.history)-2) {
			k.heads[three(k.history[i:])] = i
		}
	}
	at := len(k.history)
	all := append(k.history, p...)
	for i := at; i < len(all); {
		n := 0
		from := 0
		if i+3 <= len(all) {
			h := three(all[i:])
			if j, ok := k.heads[h]; ok && i-j <= k.window {
				for from = j; n < 258 && i+n < len(all) && all[j+n] == all[i+n]; n++ {
				}
			}
			k.heads[h] = i
		}
		if n < 3 {
			w.symbol(uint32(all[i]))
			i++
			continue
		}
		w.match(n, i-from)
		i += n
	}
	w.endBlock()
	k.history = all
	return w.message()
}

func three(p []byte) uint32 { return uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 }
