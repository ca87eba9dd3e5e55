package ws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Handler receives the events of an attached connection. One connection's events
// come one at a time, in order; different connections' come concurrently.
//
// A handler may write, to its own connection and to others, and close. Its own
// replies leave together once everything that has arrived is handled, or after
// about a millisecond. A handler that panics has its connection closed with 1011
// and the panic logged with its stack.
type Handler interface {
	// Opened is called once, before anything else.
	Opened(c *Conn)
	// Message is called for each message. p is the handler's until Message
	// returns, and may be changed.
	Message(c *Conn, typ MessageType, p []byte)
	// Closed is called once, after everything else. err is the *CloseError that
	// says who ended the connection and why.
	Closed(c *Conn, err error)
}

// PingHandler is a Handler that wants to see pings. They are answered in any
// case. p is valid until Ping returns.
type PingHandler interface {
	Ping(c *Conn, p []byte)
}

// PongHandler is a Handler that wants to see pongs. p is valid until Pong
// returns.
type PongHandler interface {
	Pong(c *Conn, p []byte)
}

// DrainedHandler is a Handler that wants to know when a connection whose queue
// was full has taken everything: after a TryWrite that said no, or a Write that
// returned ErrQueueFull, it is time to go on. Drained may be called concurrently
// with the other events, and is over before Closed is called.
type DrainedHandler interface {
	Drained(c *Conn)
}

// HandlerFunc is a [Handler] that cares about messages alone.
type HandlerFunc func(c *Conn, typ MessageType, p []byte)

// Opened does nothing.
func (f HandlerFunc) Opened(c *Conn) {}

// Message calls f.
func (f HandlerFunc) Message(c *Conn, typ MessageType, p []byte) { f(c, typ, p) }

// Closed does nothing.
func (f HandlerFunc) Closed(c *Conn, err error) {}

var (
	errPanic  = errors.New("handler panicked")
	errExited = errors.New("handler ended its goroutine (runtime.Goexit)")
)

// Attach hands reading to h and returns at once: from here on, the connection is
// driven by events. Read, Reader, Messages and CloseRead return ErrAttached.
//
// A connection over a plain TCP or Unix socket, or over TLS from [Server.ServeTLS],
// owns no goroutine from then on. One over any other stream owns one; that goes for
// a tls.Conn from elsewhere too (net/http's ServeTLS, a Dial to wss://), which
// reads its socket by itself and waits for it.
//
// On an attached connection Write never waits: what the peer does not take is
// queued up to ConnOptions.WriteQueue, and past that ConnOptions.QueuePolicy
// applies. Close sends and returns.
func (c *Conn) Attach(h Handler) error {
	if err := c.beginLoop(context.Background(), h); err != nil {
		return err
	}
	if !c.toEngine(false) {
		go c.enter(h)
	}
	return nil
}

// serve is the goroutine of an attached connection.
func (c *Conn) serve(h Handler) {
	err := errExited
	defer func() { // runtime.Goexit in a handler comes here too
		c.endRun(err)
		c.awaitDrained()
		c.guard(func() { h.Closed(c, c.ended.Load()) })
		c.depart()
	}()
	c.guard(func() { h.Opened(c) })
	err = c.run(func(typ MessageType, p []byte) bool {
		c.guard(func() { h.Message(c, typ, p) })
		return true
	})
}

// endRun settles how an attached connection ended whose loop is over.
func (c *Conn) endRun(err error) {
	switch {
	case c.ended.Load() != nil:
	case err == errExited:
		c.refuseWith(StatusInternalError, errPanic.Error(), err)
	default:
		c.broken(err)
	}
	c.uncork()
}

// guard calls into user code, and closes the connection with 1011 if that
// panics.
func (c *Conn) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	f()
}

func (c *Conn) panicked(v any) {
	count.panicks.Add(1)
	c.logger().Error("websocket handler panicked",
		"remote", c.RemoteAddr(), "panic", v, "stack", string(debug.Stack()))
	// What panicked is nothing to tell the peer.
	c.refuseWith(StatusInternalError, errPanic.Error(), fmt.Errorf("%w: %v", errPanic, v))
}

func (c *Conn) logger() *slog.Logger {
	if l := c.set.Logger; l != nil {
		return l
	}
	return slog.Default()
}
