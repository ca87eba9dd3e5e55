package ws

import (
	"context"
	"io"
	"syscall/js"
)

// messageReader reads one message out of the browser's memory.
type messageReader struct {
	c      *Conn
	ctx    context.Context
	data   js.Value
	size   int
	off    int
	failed error
}

// Reader waits for the next message and returns a reader of its payload, which
// ends with io.EOF. ctx bounds the reads of that reader too. What is left of a
// message when the next Read or Reader comes is discarded.
//
// The reader is for one goroutine at a time. A browser passes messages on whole,
// so that a Reader saves no waiting here, but it copies no more than is asked for.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	c.setStream(nil)
	a, err := c.next(ctx)
	if err != nil {
		return 0, nil, err
	}
	m := &messageReader{c: c, ctx: ctx, data: a.data, size: a.size}
	c.setStream(m)
	return a.typ, m, nil
}

// Read implements io.Reader.
func (m *messageReader) Read(p []byte) (int, error) {
	if m.failed != nil || len(p) == 0 {
		return 0, m.failed
	}
	c := m.c
	if err := c.beginRead(m.ctx); err != nil {
		return 0, err
	}
	defer c.endRead()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.in.stream != m:
		m.failed = errReaderStale
	case m.off == m.size:
		m.failed = io.EOF
		c.in.stream = nil
	default:
		n := js.CopyBytesToGo(p, m.data.Call("subarray", m.off))
		m.off += n
		return n, nil
	}
	m.data = js.Value{}
	return 0, m.failed
}
