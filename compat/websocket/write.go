//go:build !js

package websocket

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/ws/frame"
)

func isControl(messageType int) bool {
	return messageType == CloseMessage || messageType == PingMessage || messageType == PongMessage
}

func isData(messageType int) bool { return messageType == TextMessage || messageType == BinaryMessage }

// WriteMessage sends one message of any type and returns when the stream has taken
// it. It completes the message that NextWriter has open, if any. Text must be
// UTF-8. data is neither changed nor kept.
func (c *Conn) WriteMessage(messageType int, data []byte) error {
	if err := checkType(messageType, data); err != nil {
		return err
	}
	c.endWriter()
	ctx := c.writeContext()
	h := frame.Header{Fin: true, Opcode: frame.Opcode(messageType)}
	level := c.compressLevel(messageType)
	if level == 0 {
		return c.writeFrame(ctx, h, data)
	}
	b, err := c.deflated(data, level)
	if err != nil {
		return err
	}
	defer putBuffer(b)
	h.RSV = frame.RSV1
	return c.writeFrame(ctx, h, *b)
}

// checkType refuses what may not be sent as a message of that type.
func checkType(messageType int, data []byte) error {
	switch {
	case isControl(messageType):
		if len(data) > frame.MaxControlPayload {
			return errControlSize
		}
	case !isData(messageType):
		return errMessageType
	case messageType == TextMessage && !utf8.Valid(data):
		return errTextUTF8
	}
	return nil
}

// WriteControl sends a close, ping or pong, between the frames of a message too. It
// waits until deadline; the zero time waits for ever. An error that is a timeout
// and Temporary says that another write did not finish in time and nothing was
// sent. Behind a CloseMessage every write returns ErrCloseSent.
func (c *Conn) WriteControl(messageType int, data []byte, deadline time.Time) error {
	if !isControl(messageType) {
		return errControlType
	}
	if len(data) > frame.MaxControlPayload {
		return errControlSize
	}
	ctx := context.Background()
	if !deadline.IsZero() {
		if !time.Now().Before(deadline) {
			return errControlTimeout
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	select {
	case c.token <- struct{}{}:
	case <-ctx.Done():
		return errControlTimeout
	}
	defer c.release()
	return c.writeFrameLocked(ctx, frame.Header{Fin: true, Opcode: frame.Opcode(messageType)}, data)
}

// writeFrame sends one frame.
func (c *Conn) writeFrame(ctx context.Context, h frame.Header, p []byte) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.release()
	return c.writeFrameLocked(ctx, h, p)
}

// writeFrameLocked sends one frame. The caller holds token.
func (c *Conn) writeFrameLocked(ctx context.Context, h frame.Header, p []byte) error {
	if err := c.fault(); err != nil {
		return err
	}
	err := c.wrote(c.raw.WriteFrame(ctx, h, p))
	if err == nil && h.Opcode == frame.Close {
		c.stopWriting(ErrCloseSent)
	}
	return err
}

// acquire waits for the writers before and takes token.
func (c *Conn) acquire(ctx context.Context) error {
	select {
	case c.token <- struct{}{}:
	case <-ctx.Done():
		return c.wrote(ctx.Err())
	}
	return nil
}

func (c *Conn) release() { <-c.token }

// wrote turns the result of a write into gorilla's, and remembers what is final.
func (c *Conn) wrote(err error) error {
	if err == nil {
		return nil
	}
	err, fatal := c.writeError(err)
	if fatal {
		c.stopWriting(err)
	}
	return err
}

func (c *Conn) fault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeFault
}

// stopWriting makes err the answer to every later write, if it is the first.
func (c *Conn) stopWriting(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeFault == nil {
		c.writeFault = err
	}
}

// SetWriteDeadline makes writes fail once t has passed, writes under way included;
// the zero time never passes. As in gorilla, a write that has timed out is the last:
// every later one fails the same way.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline.set(t)
	return nil
}

// writeContext returns a context that ends at the write deadline.
func (c *Conn) writeContext() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deadline.context()
}
