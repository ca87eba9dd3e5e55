package deflate

// Messages up to these sizes go to the encoder with fixed codes, which is
// faster. Of longer ones it makes more than klauspost's encoders do, because
// there the codes that those send pay.
const (
	fixedWithContext    = maxFixed // at levels 1 to 3: 4% more at 1 KiB, in half the time
	fixedAtHighLevels   = 512      // with context, from level 4 on
	fixedWithoutContext = 192
)

// lazyLevel is the first of klauspost's levels that compresses short messages
// well, in ten times the time.
const lazyLevel = 7

// encode appends p to dst, compressed as the payload of a message, without the
// tail. What the peer has seen before is past, and no distance is larger than
// 1<<bits.
func encode(dst, p []byte, past *history, level, bits int) ([]byte, error) {
	if len(p) == 0 {
		return append(dst, 0), nil // RFC 7692 §7.2.3.6
	}
	reach := 1 << bits
	if past.n+len(p) <= reach {
		bits = maxBits // no distance can be too large
	}
	short := fixedWithoutContext
	switch {
	case past.n > 0 && level <= 3:
		short = fixedWithContext
	case past.n > 0:
		short = fixedAtHighLevels
	}
	if len(p) <= short && (level < lazyLevel || bits < maxBits) {
		z := fixedEncoders.Get().(*fixedEncoder)
		dst = z.encode(dst, p, past, reach, fixedDepth(level))
		fixedEncoders.Put(z)
		return dst, nil
	}
	w, err := newWriter(level, bits)
	if err != nil {
		return dst, err
	}
	dst, err = w.encode(dst, p, past)
	w.pool.Put(w)
	return dst, err
}

// fixedDepth is how many places the fixed encoder tries for a match.
func fixedDepth(level int) int { return min(2<<level, 32) }
