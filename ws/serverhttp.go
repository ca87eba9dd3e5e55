//go:build !js

package ws

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// startWeb starts the http.Server that serves HTTP; the caller holds mu.
func (s *Server) startWeb(addr net.Addr) {
	if s.HTTP == nil || s.web != nil {
		return
	}
	timeout := orDefault(s.HTTPTimeout, defaultHTTPTimeout)
	s.queue = &handoff{conns: make(chan net.Conn), done: make(chan struct{}), addr: addr}
	s.web = &http.Server{
		Handler:           s, // an idle connection may ask for a WebSocket later
		ReadHeaderTimeout: s.timeout(),
		ReadTimeout:       max(timeout, 0),
		IdleTimeout:       httpIdleTimeout,
		MaxHeaderBytes:    s.maxHeader(),
		ErrorLog:          slog.NewLogLogger(s.logger().Handler(), slog.LevelWarn),
	}
	go s.web.Serve(s.queue)
}

// passOn gives a connection to the http.Server, with what was read from it.
func (s *Server) passOn(nc net.Conn, read []byte) {
	nc.SetDeadline(time.Time{})
	r := replay{Conn: nc, ahead: append([]byte(nil), read...)}
	var conn net.Conn = &r
	if t, ok := nc.(*tls.Conn); ok {
		conn = &replayTLS{r, t}
	}
	select {
	case s.queue.conns <- conn:
	case <-s.queue.done:
		nc.Close()
	}
}

// handoff is the listener that an http.Server accepts from when somebody else
// did the accepting.
type handoff struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
	addr  net.Addr
}

func (q *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

func (q *handoff) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

func (q *handoff) Addr() net.Addr { return q.addr }

// replay is a connection from which something was read already.
type replay struct {
	net.Conn
	ahead []byte
}

// replayer is a connection that Accept can see through.
type replayer interface {
	unwrap() (nc net.Conn, ahead []byte)
}

func (c *replay) unwrap() (net.Conn, []byte) { return c.Conn, c.ahead }

func (c *replay) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.ahead = nil
	}
	return n, nil
}

// ReadFrom keeps sendfile(2) for net/http.
func (c *replay) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite lets net/http end its half before it closes.
func (c *replay) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// replayTLS is a replay of a TLS connection: ConnectionState is what net/http
// fills Request.TLS from.
type replayTLS struct {
	replay
	tls *tls.Conn
}

func (c *replayTLS) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }
