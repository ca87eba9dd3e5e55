//go:build !js

package ws

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// HTTPHandler returns a handler that accepts WebSocket connections and runs f
// on each. The HTTP handler itself returns as soon as the handshake is done, so
// that net/http lets its buffers go; f runs on a goroutine of its own.
//
// ctx carries the values of the request's context and ends with the connection;
// [context.Cause] then gives the *[CloseError]. When f returns nil, the
// connection is closed with 1000. When it returns an error, it is closed with
// 1011 and the error is logged, unless it is a *[CloseError], or ctx's own. When
// f panics, the panic is logged with its stack and the connection is closed
// with 1011.
//
// The ReadTimeout and WriteTimeout of the http.Server do not apply to f, and its
// Shutdown does not wait for f; see [Server] for one that does.
func HTTPHandler(f func(ctx context.Context, c *Conn) error, o *AcceptOptions) http.Handler {
	return &httpHandler{f, o}
}

type httpHandler struct {
	f func(ctx context.Context, c *Conn) error
	o *AcceptOptions
}

func (h *httpHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := Accept(w, r, h.o)
	if err != nil {
		return // has been answered
	}
	go h.run(&connContext{values: context.WithoutCancel(r.Context()), conn: c}, c)
}

func (h *httpHandler) run(ctx context.Context, c *Conn) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			c.panicked(v)
		}
		c.Close(StatusInternalError, "") // runtime.Goexit comes here too
	}()
	err := h.f(ctx, c)
	returned = true
	if err == nil {
		c.Close(StatusNormalClosure, "")
		return
	}
	var ce *CloseError
	if !errors.As(err, &ce) && !(c.ended.Load() != nil && errors.Is(err, context.Canceled)) {
		c.logger().Error("websocket handler failed", "remote", c.RemoteAddr(), "error", err)
	}
	c.Close(StatusInternalError, "")
}

// connContext has the values of a request's context and the life of a
// connection. It costs nothing until somebody asks for Done.
type connContext struct {
	values context.Context
	conn   *Conn
}

func (x *connContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (x *connContext) Done() <-chan struct{}       { return x.conn.Context().Done() }
func (x *connContext) Err() error                  { return x.conn.Context().Err() }

// Value looks in the connection's context too, so that package context finds
// the one that it can cancel, and the cause.
func (x *connContext) Value(key any) any {
	if v := x.values.Value(key); v != nil {
		return v
	}
	return x.conn.Context().Value(key)
}
