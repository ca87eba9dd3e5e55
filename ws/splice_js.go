package ws

import (
	"context"
	"io"
)

// WriteFrom sends one message of n bytes that it reads from r.
func (c *Conn) WriteFrom(ctx context.Context, typ MessageType, r io.Reader, n int64) error {
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err == io.EOF {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return c.Write(ctx, typ, p)
}
