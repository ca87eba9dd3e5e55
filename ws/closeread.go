package ws

import (
	"context"
	"errors"
)

var errUnexpectedData = errors.New("a data message came on a connection that only writes (CloseRead)")

// CloseRead is for connections that only write. It reads on a goroutine of its
// own, so that pings and closes are answered, and refuses data messages by
// closing with 1008. The context it returns ends with ctx and with the
// connection; when ctx ends, reading stops and the connection stays.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	out, cancel := context.WithCancelCause(ctx)
	if err := c.beginLoop(out, nil); err != nil {
		cancel(err)
		return out
	}
	c.flags.set(flagQuiet)
	go func() {
		err := c.readNoData()
		c.flags.clear(flagQuiet | flagLoop)
		c.endRead()
		cancel(c.readError(out, err))
	}()
	return out
}
