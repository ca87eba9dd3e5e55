//go:build !js

package websocket

import (
	"errors"
	"io"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// NextReader waits for the next message and returns its type, TextMessage or
// BinaryMessage, and a reader of its payload, which ends with io.EOF. What is left
// of the message before is discarded; its reader returns io.EOF from then on.
//
// An error is final: every later read returns the same one, a timeout included.
// Leave the read loop when it comes.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	if c.message != nil {
		c.message.release()
	}
	c.message = nil
	if c.readFault != nil {
		return -1, nil, c.readFault
	}
	typ, compressed, err := c.raw.Next()
	if err != nil {
		return -1, nil, c.stopReading(err)
	}
	m := &messageReader{c: c}
	if compressed {
		m.inflate = newInflater(c.raw, typ == ws.Text)
	}
	c.message = m
	return int(typ), m, nil
}

// stopReading makes err the answer to every later read.
func (c *Conn) stopReading(err error) error {
	if errors.Is(err, ws.ErrReading) {
		return err // another goroutine reads, and may go on
	}
	c.readFault = c.readError(err)
	return c.readFault
}

// messageReader reads one message.
type messageReader struct {
	c       *Conn
	inflate *inflater // nil: the message is not compressed
	size    int64     // bytes after inflation
}

// Read implements io.Reader.
func (m *messageReader) Read(p []byte) (int, error) {
	c := m.c
	if c.message != m {
		return 0, io.EOF
	}
	if c.readFault != nil {
		return 0, c.readFault
	}
	var n int
	var err error
	if m.inflate == nil {
		n, err = c.raw.Read(p)
	} else if n, err = m.inflate.Read(p); err == nil || err == io.EOF {
		m.size += int64(n)
		if c.readLimit > 0 && m.size > c.readLimit {
			n, err = 0, c.raw.Refuse(ws.StatusMessageTooBig, "", ws.ErrTooBig)
		}
	}
	switch err {
	case nil:
	case io.EOF:
		m.release()
		c.message = nil
	default:
		m.release()
		err = c.stopReading(err)
	}
	return n, err
}

// release gives the inflater back. After it the message cannot be read.
func (m *messageReader) release() {
	if m.inflate != nil {
		m.inflate.release()
		m.inflate = nil
	}
}

// ReadMessage reads the next message whole, into memory that is the caller's. See
// NextReader for errors.
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	messageType, r, err := c.NextReader()
	if err != nil {
		return messageType, nil, err
	}
	p, err = io.ReadAll(r)
	return messageType, p, err
}

// SetReadDeadline makes reading fail once t has passed, reads under way included;
// the zero time never passes. As in gorilla, a read that has timed out is the last:
// every later one fails the same way, even if the deadline is moved.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(t) }

// SetReadLimit sets the largest message accepted, in bytes; 0 and less mean no
// limit, which is the default. A larger message is refused with 1009, and reading
// returns ErrReadLimit. A compressed message counts both as it travels and
// inflated.
func (c *Conn) SetReadLimit(limit int64) {
	c.readLimit = limit
	c.raw.SetReadLimit(limit)
}
