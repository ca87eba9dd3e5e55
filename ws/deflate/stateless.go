package deflate

// AppendStateless appends p to dst, compressed as a message that stands alone
// and refers no further back than windowBits, a power of two from 8 to 15 (0
// means 15). It is the payload of a frame that is made once and sent to many
// connections whose [Compressor.Window] is at least windowBits; each of them is
// told with [Compressor.Observe]. level is as in [Options]. It may be called by
// several goroutines at once.
func AppendStateless(dst, p []byte, level, windowBits int) ([]byte, error) {
	return encode(dst, p, &history{}, clampLevel(level), paramBits(windowBits))
}
