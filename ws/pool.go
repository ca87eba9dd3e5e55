package ws

import "sync"

// Buffers come from one pool a size class and go back when they are drained,
// so that an idle connection holds none. A buffer is a pointer to a slice: a
// sync.Pool of bare slices would allocate at each Put.

const (
	smallBuffer = 4 << 10  // a frame or two; the first chunk of a long message
	readBuffer  = 16 << 10 // one read(2)
	chunkBuffer = 64 << 10 // later chunks of a long message
	maxPooled   = 1 << 20  // larger ones are left to the collector
)

var classes = [...]int{smallBuffer, readBuffer, chunkBuffer, 256 << 10, maxPooled}

var pools [len(classes)]sync.Pool

// getBuffer returns an empty buffer with room for at least n bytes.
func getBuffer(n int) *[]byte {
	if n <= smallBuffer { // nearly every message
		if b, _ := pools[0].Get().(*[]byte); b != nil {
			return b
		}
	}
	return otherBuffer(n)
}

func otherBuffer(n int) *[]byte {
	if b := findBuffer(n); b != nil {
		return b
	}
	for _, size := range classes {
		if n <= size {
			n = size
			break
		}
	}
	b := make([]byte, 0, n)
	return &b
}

// findBuffer is getBuffer where one lies ready; otherwise it returns nil.
func findBuffer(n int) *[]byte {
	for i, size := range classes {
		if n <= size {
			b, _ := pools[i].Get().(*[]byte)
			return b
		}
	}
	return nil
}

// putBuffer gives a buffer back. Its owner must not touch it again.
func putBuffer(b *[]byte) {
	size := cap(*b)
	if size == smallBuffer {
		*b = (*b)[:0]
		pools[0].Put(b)
		return
	}
	for i := len(classes) - 1; i >= 0; i-- {
		if size >= classes[i] {
			if i == len(classes)-1 && size > maxPooled {
				return
			}
			*b = (*b)[:0]
			pools[i].Put(b)
			return
		}
	}
}

// growBuffer makes room for n more bytes, moving to a larger class if it must.
func growBuffer(b *[]byte, n int) *[]byte {
	if cap(*b)-len(*b) >= n {
		return b
	}
	want := len(*b) + n
	if twice := 2 * cap(*b); want < twice {
		want = twice
	}
	g := getBuffer(want)
	*g = append(*g, *b...)
	putBuffer(b)
	return g
}
