package deflate

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// writer is a pooled compressor of klauspost's, about a megabyte, with the
// sink that it writes to.
type writer struct {
	z    *flate.Writer
	out  []byte
	dict []byte
	pool *sync.Pool
}

// Write implements io.Writer for z.
func (w *writer) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	return len(p), nil
}

var (
	levelPools  [maxLevel + 1]sync.Pool // by level, windows of 32 KiB
	windowPools [maxBits]sync.Pool      // by window; the level is the package's own
)

func newWriter(level, bits int) (*writer, error) {
	pool := &levelPools[level]
	if bits < maxBits {
		pool = &windowPools[bits]
	}
	if w, ok := pool.Get().(*writer); ok {
		return w, nil
	}
	w := &writer{pool: pool}
	var err error
	if bits < maxBits {
		w.z, err = flate.NewWriterWindow(w, 1<<bits)
	} else {
		w.z, err = flate.NewWriter(w, level)
	}
	return w, err
}

// tail ends what a flush writes. RFC 7692 §7.2.1: "Remove 4 octets (that are
// 0x00 0x00 0xff 0xff) from the tail end."
const tail = "\x00\x00\xff\xff"

// appendDeflated appends p, compressed, without the tail. What the peer has
// seen before is past.
func appendDeflated(dst, p []byte, past *history, level, bits int) ([]byte, error) {
	if len(p) == 0 {
		return append(dst, 0), nil // RFC 7692 §7.2.3.6
	}
	if past.n+len(p) <= 1<<bits {
		bits = maxBits // no distance can be too large
	}
	w, err := newWriter(level, bits)
	if err != nil {
		return dst, err
	}
	w.out = dst
	w.dict = past.append(w.dict[:0])
	w.z.ResetDict(w, w.dict)
	if _, err = w.z.Write(p); err == nil {
		err = w.z.Flush()
	}
	out := w.out
	w.out = nil
	w.z.ResetDict(nil, nil)
	w.pool.Put(w)
	if err != nil {
		return dst, err
	}
	return out[:len(out)-len(tail)], nil
}
