package deflate

import "sync"

// history is the end of what was said in one direction: the newest bytes, up to
// a maximum, in a ring. Its memory comes from pools, one for each power of two,
// and grows with what was said. The zero value is empty.
type history struct {
	ring *ring // nil: nothing was said
	n    int   // bytes in use
	end  int   // where the next byte goes
}

type ring struct {
	b    []byte // a power of two long
	pool *sync.Pool
}

const (
	minRingBits = 9 // the smallest ring
	maxRingBits = maxBits
)

var ringPools [maxRingBits + 1]sync.Pool

// newRing returns a ring for n bytes.
func newRing(n int) *ring {
	bits := minRingBits
	for 1<<bits < n {
		bits++
	}
	pool := &ringPools[bits]
	if r, ok := pool.Get().(*ring); ok {
		return r
	}
	return &ring{b: make([]byte, 1<<bits), pool: pool}
}

func (r *ring) free() { r.pool.Put(r) }

// held is the memory that h owns.
func (h *history) held() int {
	if h.ring == nil {
		return 0
	}
	return len(h.ring.b)
}

// last returns the newest n bytes, at most h.n, oldest first, in two parts.
func (h *history) last(n int) (a, b []byte) {
	if n == 0 {
		return nil, nil
	}
	r := h.ring.b
	if n <= h.end {
		return r[h.end-n : h.end], nil
	}
	return r[len(r)-(n-h.end):], r[:h.end]
}

// append appends the history to dst, oldest byte first.
func (h *history) append(dst []byte) []byte {
	a, b := h.last(h.n)
	return append(append(dst, a...), b...)
}

// add takes p in and keeps the newest max bytes, at most 32 KiB.
func (h *history) add(p []byte, max int) {
	if len(p) == 0 || max == 0 {
		return
	}
	p = p[len(p)-min(len(p), max):]
	keep := min(h.n, max-len(p))
	if need := keep + len(p); need > h.held() {
		old := *h
		h.ring = newRing(need)
		a, b := old.last(keep)
		copy(h.ring.b[copy(h.ring.b, a):], b)
		h.end = keep
		if old.ring != nil {
			old.ring.free()
		}
	}
	r := h.ring.b
	copy(r, p[copy(r[h.end:], p):])
	h.end = (h.end + len(p)) & (len(r) - 1)
	h.n = keep + len(p)
}

func (h *history) release() {
	if h.ring != nil {
		h.ring.free()
	}
	*h = history{}
}
