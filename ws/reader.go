//go:build !js

package ws

import (
	"context"
	"io"

	"github.com/tidewire/tidewire/ws/frame"
)

// messageReader streams one message.
type messageReader struct {
	c      *Conn
	ctx    context.Context
	ready  []byte // what an interrupted Read gathered, or an inflated message
	whole  bool   // ready is the whole message
	failed error
}

// Reader waits for the next message and returns a reader of its payload, which
// ends with io.EOF. ctx bounds the reads of that reader too; they return its
// error when it ends. What is left of a message when the next Read or Reader
// comes is discarded.
//
// The reader is for one goroutine at a time. A compressed message is inflated
// whole, within MaxMessage, before the first byte of it is returned.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.endRead()
	if err := c.discardReader(); err != nil {
		return 0, nil, c.readError(ctx, err)
	}
	r := &c.read
	for !r.open {
		_, err := c.parse()
		if err == nil && !r.open {
			err = c.fill()
		}
		if err != nil {
			return 0, nil, c.readError(ctx, err)
		}
	}
	r.stream = &messageReader{c: c, ctx: ctx}
	return r.typ, r.stream, nil
}

// Read implements io.Reader.
func (m *messageReader) Read(p []byte) (int, error) {
	if len(m.ready) > 0 {
		n := copy(p, m.ready)
		m.ready = m.ready[n:]
		return n, nil
	}
	if m.whole {
		return 0, io.EOF
	}
	if m.failed != nil || len(p) == 0 {
		return 0, m.failed
	}
	c := m.c
	if err := c.beginRead(m.ctx); err != nil {
		return 0, err
	}
	defer c.endRead()
	if c.read.stream != m {
		m.failed = errReaderStale
		return 0, m.failed
	}
	n, err := m.read(p)
	if err == io.EOF {
		m.failed = err
	} else if err != nil {
		err = c.readError(m.ctx, err)
	}
	return n, err
}

func (m *messageReader) read(p []byte) (int, error) {
	c := m.c
	r := &c.read
	if r.compressed {
		z, err := c.whole(nil, false)
		if err != nil {
			return 0, err
		}
		r.stream = nil
		n := copy(p, z)
		m.ready, m.whole = z[n:], true
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	}
	if r.parts.n > 0 {
		z := r.parts.appendTo(c, make([]byte, 0, r.parts.n))
		n := copy(p, z)
		m.ready = z[n:]
		return n, nil
	}
	for {
		ev, err := c.parse()
		switch {
		case err != nil:
			return 0, err
		case ev == evEnd:
			r.stream = nil
			if err := c.endMessage(false); err != nil {
				return 0, err
			}
			return 0, io.EOF
		case ev == evChunk:
			n := min(r.chunk(), len(p))
			if c.client {
				copy(p, r.rest[:n])
			} else {
				frame.MaskCopy(p, r.rest[:n], r.key, int(r.pos))
			}
			r.take(n)
			return n, c.checkText(p[:n])
		case len(r.rest) == 0 && r.left >= smallBuffer && len(p) >= smallBuffer:
			n, err := c.receive(clip(p, r.left))
			if err != nil {
				return 0, err
			}
			if !c.client {
				frame.Mask(p[:n], r.key, int(r.pos))
			}
			r.passed(n)
			return n, c.checkText(p[:n])
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
}

// discardReader reads past what is left of a message whose Reader was not read
// to its end.
func (c *Conn) discardReader() error {
	r := &c.read
	if r.stream == nil {
		return nil
	}
	if err := c.skip(); err != nil {
		return err
	}
	r.stream = nil
	return nil
}

// skip reads to the end of the current message, or of the next one, and throws
// it away. It goes on where an interrupted skip stopped.
func (c *Conn) skip() error {
	r := &c.read
	if r.compressed && r.open || r.parts.n > 0 {
		// The peer's compressor refers back to it.
		_, err := c.whole(nil, true)
		c.dropView()
		return err
	}
	for {
		ev, err := c.parse()
		if err != nil {
			return err
		}
		switch ev {
		case evEnd:
			return c.endMessage(false)
		case evChunk:
			if r.compressed {
				return c.skip()
			}
			n := r.chunk()
			if r.typ == Text {
				if !c.client {
					frame.Mask(r.rest[:n], r.key, int(r.pos))
				}
				if err := c.checkText(r.rest[:n]); err != nil {
					return err
				}
			}
			r.take(n)
		case evMore:
			if err := c.fill(); err != nil {
				return err
			}
		}
	}
}

// discardMessage is what Close does with data that arrives while it waits for
// the peer's close frame.
func (c *Conn) discardMessage() error {
	c.read.stream = nil
	return c.skip()
}
