//go:build !js

package ws

// assembly holds the bytes of a message that arrives in pieces. Its chunks are
// pooled and grow from 4 to 64 KiB, so that it is never more than 64 KiB ahead
// of what has arrived, and they are joined once, when the size is known.
type assembly struct {
	chunks []*[]byte
	n      int // bytes held
}

// space returns room for the next bytes, at most want of them.
func (a *assembly) space(c *Conn, want int64) ([]byte, error) {
	if k := len(a.chunks); k > 0 {
		if b := *a.chunks[k-1]; len(b) < cap(b) {
			return clip(b[len(b):cap(b)], want), nil
		}
	}
	size := chunkBuffer
	switch {
	case a.n == 0:
		size = smallBuffer
	case a.n < chunkBuffer:
		size = readBuffer
	}
	b := getBuffer(size)
	if err := c.hold(cap(*b)); err != nil {
		putBuffer(b)
		return nil, err
	}
	a.chunks = append(a.chunks, b)
	return clip((*b)[:cap(*b)], want), nil
}

func clip(p []byte, n int64) []byte {
	if int64(len(p)) > n {
		return p[:n]
	}
	return p
}

// filled counts n bytes that were put into the space.
func (a *assembly) filled(n int) {
	b := a.chunks[len(a.chunks)-1]
	*b = (*b)[:len(*b)+n]
	a.n += n
}

// add copies p.
func (a *assembly) add(c *Conn, p []byte) error {
	for len(p) > 0 {
		s, err := a.space(c, int64(len(p)))
		if err != nil {
			return err
		}
		k := copy(s, p)
		a.filled(k)
		p = p[k:]
	}
	return nil
}

// appendTo moves everything behind dst.
func (a *assembly) appendTo(c *Conn, dst []byte) []byte {
	for _, b := range a.chunks {
		dst = append(dst, *b...)
	}
	a.release(c)
	return dst
}

// release gives the chunks back.
func (a *assembly) release(c *Conn) {
	held := 0
	for i, b := range a.chunks {
		held += cap(*b)
		putBuffer(b)
		a.chunks[i] = nil
	}
	if held > 0 {
		c.unhold(held)
	}
	a.chunks = nil
	a.n = 0
}
