//go:build !js

package websocket

import (
	"errors"
	"time"
)

// The handlers are called by the goroutine that reads, from within NextReader,
// ReadMessage, ReadJSON and the Read of a message. A handler that returns an error
// stops reading: that error is what every read returns from then on.

// PingHandler returns the handler of pings.
func (c *Conn) PingHandler() func(appData string) error { return c.onPing }

// SetPingHandler sets what is called for a ping. nil restores the default, which
// answers with a pong, within a second.
func (c *Conn) SetPingHandler(h func(appData string) error) {
	if h == nil {
		h = c.answerPing
	}
	c.onPing = h
}

// answerPing sends a pong. A peer that takes it too slowly, or that we have sent a
// close frame, goes without.
func (c *Conn) answerPing(appData string) error {
	err := c.WriteControl(PongMessage, []byte(appData), time.Now().Add(controlWait))
	if err == ErrCloseSent || errors.Is(err, errControlTimeout) {
		return nil
	}
	return err
}

// PongHandler returns the handler of pongs.
func (c *Conn) PongHandler() func(appData string) error { return c.onPong }

// SetPongHandler sets what is called for a pong. nil restores the default, which
// does nothing.
func (c *Conn) SetPongHandler(h func(appData string) error) {
	if h == nil {
		h = func(string) error { return nil }
	}
	c.onPong = h
}

// CloseHandler returns the handler of close frames.
func (c *Conn) CloseHandler() func(code int, text string) error { return c.onClose }

// SetCloseHandler sets what is called for the peer's close frame; code is
// CloseNoStatusReceived if the frame has none. nil restores the default, which
// answers with a close frame of the same code. Behind the handler reading returns
// a *CloseError in any case.
//
// A handler that does not answer leaves the connection open for writing.
func (c *Conn) SetCloseHandler(h func(code int, text string) error) {
	if h == nil {
		h = c.answerClose
	}
	c.onClose = h
}

func (c *Conn) answerClose(code int, _ string) error {
	// If it cannot be sent, there is nothing more to say.
	c.WriteControl(CloseMessage, FormatCloseMessage(code, ""), time.Now().Add(controlWait))
	return nil
}
