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

// encode appends the message p to dst, compressed, without the tail. What the
// peer has seen before is past.
func (w *writer) encode(dst, p []byte, past *history) ([]byte, error) {
	w.out = dst
	w.dict = past.append(w.dict[:0])
	w.z.ResetDict(w, w.dict)
	_, err := w.z.Write(p)
	if err == nil {
		err = w.z.Flush()
	}
	out := w.out
	w.out = nil
	if err != nil {
		return dst, err
	}
	return out[:len(out)-len(tail)], nil
}

// tail ends what a flush writes. RFC 7692 §7.2.1: "Remove 4 octets (that are
// 0x00 0x00 0xff 0xff) from the tail end."
const tail = "\x00\x00\xff\xff"
