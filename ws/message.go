package ws

import (
	"context"
	"errors"
	"unicode/utf8"
)

// Read returns the next message, in memory that is the caller's.
//
// It returns ctx's error when ctx ends first; the connection stays whole, and
// the next Read goes on where this one stopped, in the middle of a frame too.
// Once the connection has ended, every Read returns the same *CloseError.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	typ, p, err := c.ReadInto(ctx, nil)
	if err != nil {
		return 0, nil, err
	}
	if p == nil {
		p = []byte{}
	}
	return typ, p, nil
}

// ReadInto is Read into the caller's memory: the message is appended to buf,
// which is grown if it must be, and the result returned. A message that fits
// buf's capacity allocates nothing. On an error, buf is returned as it was.
func (c *Conn) ReadInto(ctx context.Context, buf []byte) (MessageType, []byte, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, buf, err
	}
	typ, p, err := c.readMessage(ctx, buf)
	c.endRead()
	return typ, p, err
}

// checkMessage refuses what no message may be.
func checkMessage(typ MessageType, p []byte) error {
	switch typ {
	case Text:
		if !utf8.Valid(p) {
			return errTextUTF8
		}
	case Binary:
	default:
		return errMessageType
	}
	return nil
}

var (
	errReaderStale = errors.New("ws: this Reader is over: a later message is being read")
	errWriterDone  = errors.New("ws: Writer is closed")
	errCancelled   = errors.New("ws: a Writer was cancelled in the middle of its message")
	errTextUTF8    = errors.New("ws: text message is not valid UTF-8; send it as Binary")
	errMessageType = errors.New("ws: message type must be Text or Binary")
)
