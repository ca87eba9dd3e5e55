package deflate

import "sync"

// history is the end of what was said in one direction: the newest bytes, up to
// a maximum. Its memory comes from pools, one for each power of two, and grows
// with what was said. The zero value is empty.
type history struct {
	buf *historyBuffer // nil: nothing was said
	n   int            // bytes in use
}

type historyBuffer struct {
	b    []byte
	pool *sync.Pool
}

const (
	minHistoryBits = 9 // the smallest buffer
	maxHistoryBits = maxBits
)

var historyPools [maxHistoryBits + 1]sync.Pool

// newHistoryBuffer returns a buffer of at least n bytes.
func newHistoryBuffer(n int) *historyBuffer {
	bits := minHistoryBits
	for 1<<bits < n {
		bits++
	}
	pool := &historyPools[bits]
	if b, ok := pool.Get().(*historyBuffer); ok {
		return b
	}
	return &historyBuffer{b: make([]byte, 1<<bits), pool: pool}
}

func (b *historyBuffer) free() { b.pool.Put(b) }

// bytes returns the history, oldest first. It is valid until the next change.
func (h *history) bytes() []byte {
	if h.buf == nil {
		return nil
	}
	return h.buf.b[:h.n]
}

// held is the memory that h owns.
func (h *history) held() int {
	if h.buf == nil {
		return 0
	}
	return len(h.buf.b)
}

// add appends p and keeps the last max bytes.
func (h *history) add(p []byte, max int) {
	if len(p) == 0 || max == 0 {
		return
	}
	p = p[len(p)-min(len(p), max):]
	keep := min(h.n, max-len(p))
	if need := keep + len(p); need > h.held() {
		old := h.buf
		h.buf = newHistoryBuffer(need)
		if old != nil {
			copy(h.buf.b, old.b[h.n-keep:h.n])
			old.free()
		}
	} else if keep < h.n {
		copy(h.buf.b, h.buf.b[h.n-keep:h.n])
	}
	copy(h.buf.b[keep:], p)
	h.n = keep + len(p)
}

func (h *history) release() {
	if h.buf != nil {
		h.buf.free()
	}
	*h = history{}
}
