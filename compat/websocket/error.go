//go:build !js

package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/tidewire/tidewire/ws"
)

var (
	// ErrCloseSent is returned by writes behind our own close frame.
	ErrCloseSent = errors.New("websocket: close sent")

	// ErrReadLimit is returned by reading when a message is larger than
	// SetReadLimit allows.
	ErrReadLimit = errors.New("websocket: read limit exceeded")

	// ErrBadHandshake is returned by the Dialer, together with the response, when
	// the server did not answer as a WebSocket server does.
	ErrBadHandshake = errors.New("websocket: bad handshake")

	errMessageType = errors.New("websocket: message type must be TextMessage, BinaryMessage, CloseMessage, PingMessage or PongMessage")
	errControlType = errors.New("websocket: WriteControl sends CloseMessage, PingMessage and PongMessage only")
	errControlSize = errors.New("websocket: a control message carries at most 125 bytes")
	errWriterDone  = errors.New("websocket: this writer's message has ended")
	errTextUTF8    = errors.New("websocket: text message is not valid UTF-8; send it as BinaryMessage")
	errInflate     = errors.New("compressed message is corrupt")
	errNotUTF8     = errors.New("text message is not valid UTF-8")
)

// timeoutError is a net.Error for a deadline that has passed. It hides from
// Temporary what would make a loop try again in vain.
type timeoutError struct {
	what      string
	temporary bool
}

var (
	errReadTimeout    = &timeoutError{what: "read"}
	errWriteTimeout   = &timeoutError{what: "write"}
	errControlTimeout = &timeoutError{what: "write", temporary: true} // nothing has left
)

func (e *timeoutError) Error() string   { return "websocket: " + e.what + ": i/o timeout" }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return e.temporary }
func (e *timeoutError) Unwrap() error   { return os.ErrDeadlineExceeded }

// lostPeer is the error for a stream that ended without a close frame.
func lostPeer() error {
	return &CloseError{Code: CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}
}

// closedHere is the error of calls that Close has ended.
func (c *Conn) closedHere(op string) error {
	e := &net.OpError{Op: op, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: net.ErrClosed}
	if e.Addr != nil { // a stream of the program's own may have none
		e.Net = e.Addr.Network()
	}
	return e
}

// readError says in gorilla's terms why reading failed.
func (c *Conn) readError(err error) error {
	if _, ok := err.(*timeoutError); ok {
		return err // a handler's
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errReadTimeout
	}
	var ce *ws.CloseError
	if !errors.As(err, &ce) {
		return err
	}
	switch {
	case ce.By == ws.Policy && errors.Is(ce, ws.ErrTooBig):
		return ErrReadLimit
	case ce.By == ws.Policy:
		return fmt.Errorf("websocket: %w", ce.Cause)
	case ce.By == ws.Peer:
		return &CloseError{Code: int(ce.Code), Text: ce.Reason}
	case c.closed.Load():
		return c.closedHere("read")
	case ce.By == ws.Us || ce.Cause == nil || ce.Cause == io.EOF:
		return lostPeer()
	}
	return ce.Cause
}

// writeError says in gorilla's terms why writing failed, and whether that is for
// good.
func (c *Conn) writeError(err error) (_ error, fatal bool) {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		if c.closed.Load() {
			return c.closedHere("write"), true
		}
		return errWriteTimeout, true
	}
	var ce *ws.CloseError
	if !errors.As(err, &ce) {
		return err, false
	}
	switch {
	case ce.By == ws.Policy:
		return ErrCloseSent, true // the close frame of the refusal
	case c.closed.Load():
		return c.closedHere("write"), true
	case ce.By == ws.Network && ce.Cause != nil:
		return ce.Cause, true
	}
	return ErrCloseSent, true
}
