//go:build !js

package ws

// sharedTail is the end of a write queue: frames of prepared messages, which belong
// to all who are sent them. A slow peer costs a reference to each.
type sharedTail struct {
	frames [][]byte
	n      int // bytes
}

// sharedFrom is the size from which a frame is worth a reference.
const sharedFrom = 256

func (t *sharedTail) add(frame []byte) *sharedTail {
	if t == nil {
		t = &sharedTail{}
	}
	t.frames = append(t.frames, frame)
	t.n += len(frame)
	return t
}

// after returns what is left behind the first n bytes, or nil, and by how much n
// reaches beyond the end.
func (t *sharedTail) after(n int) (*sharedTail, int) {
	if t == nil || n >= t.n {
		return nil, n - t.len()
	}
	t.n -= n
	for n >= len(t.frames[0]) {
		n -= len(t.frames[0])
		t.frames[0] = nil
		t.frames = t.frames[1:]
	}
	t.frames[0] = t.frames[0][n:]
	return t, 0
}

func (t *sharedTail) len() int {
	if t == nil {
		return 0
	}
	return t.n
}

// appendTo copies everything behind b.
func (t *sharedTail) appendTo(b *[]byte) *[]byte {
	if b == nil {
		b = getBuffer(t.n)
	} else {
		b = growBuffer(b, t.n)
	}
	for _, f := range t.frames {
		*b = append(*b, f...)
	}
	return b
}

// join puts behind at the end of t.
func (t *sharedTail) join(behind *sharedTail) *sharedTail {
	if behind != nil {
		t.frames = append(t.frames, behind.frames...)
		t.n += behind.n
	}
	return t
}
