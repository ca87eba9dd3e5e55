package tunnel

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// conn is the server's end of a connection. What it reads comes through a pipe; what it
// writes is the body of the answer that opened it.
type conn struct {
	net.Conn // the end of the pipe that is read
	in       net.Conn
	secret   string
	origin   string
	remote   net.Addr
	hijacked bool
	over     chan struct{}

	posts sync.Mutex // guards last, and keeps posts one behind the other
	last  uint64

	control *http.ResponseController
	once    sync.Once

	mu    sync.Mutex // guards what follows, and is held while writing
	w     http.ResponseWriter
	head  []byte // of the handshake's answer, until all of it is there
	begun bool   // it was, and the line with the secret is written
	ended bool   // the answer must not be written to any more
}

func newConn(w http.ResponseWriter, r *http.Request, secret string) *conn {
	c := &conn{
		secret: secret, origin: r.Header.Get("Origin"),
		over: make(chan struct{}), control: http.NewResponseController(w), w: w,
	}
	c.Conn, c.in = net.Pipe()
	c.remote = c.Conn.RemoteAddr()
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.remote = net.TCPAddrFromAddrPort(at)
	}
	return c
}

// RemoteAddr returns the address that the opening request came from.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetWriteDeadline bounds writes. What is cut off by it cannot be gone on with.
func (c *conn) SetWriteDeadline(at time.Time) error {
	if err := c.control.SetWriteDeadline(at); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func (c *conn) SetDeadline(at time.Time) error {
	return errors.Join(c.SetReadDeadline(at), c.SetWriteDeadline(at))
}

// Write writes to the answer, at once. The answer to the handshake becomes the line with
// the secret.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return 0, net.ErrClosed
	}
	out := p
	if !c.begun {
		c.head = append(c.head, p...)
		head, rest, whole := bytes.Cut(c.head, []byte("\r\n\r\n"))
		if !whole {
			return len(p), nil
		}
		out = append(c.begin(head), rest...)
		c.head, c.begun = nil, true
	}
	if _, err := c.w.Write(out); err != nil {
		return 0, err
	}
	if err := c.control.Flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// begin begins the answer, and returns its first line. head is what Next has answered
// to the handshake.
func (c *conn) begin(head []byte) []byte {
	protocol := ""
	h := c.w.Header()
	for line := range strings.SplitSeq(string(head), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.ToLower(name) {
		case "sec-websocket-protocol":
			protocol = value
		case "set-cookie":
			h.Add("Set-Cookie", value)
		}
	}
	if c.origin != "" {
		allow(c.w, c.origin) // Next has let it in
	}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx passes it on as it comes
	c.w.WriteHeader(http.StatusOK)
	return []byte(c.secret + " " + protocol + "\n")
}

// allow lets a page of another origin see the answer.
func allow(w http.ResponseWriter, origin string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Add("Vary", "Origin")
}

// Close ends the connection, and the answer: nothing is written to it any more.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.control.SetWriteDeadline(time.Unix(1, 0)) // a write that is under way
		c.mu.Lock()
		c.ended = true
		c.mu.Unlock()
		c.control.SetWriteDeadline(time.Now().Add(time.Second)) // the end of the answer
		c.in.Close()
		c.Conn.Close()
		close(c.over)
	})
	return nil
}

// feed has the connection read p. What it does not take in time is its end.
func (c *conn) feed(p []byte, timeout time.Duration) bool {
	if len(p) == 0 {
		return true
	}
	c.in.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := c.in.Write(p); err != nil {
		c.Close()
		return false
	}
	return true
}

// post has the connection read the n-th post, unless it has.
func (c *conn) post(n uint64, body []byte, timeout time.Duration) (status int) {
	c.posts.Lock()
	defer c.posts.Unlock()
	switch {
	case n <= c.last:
		return http.StatusNoContent
	case n > c.last+1:
		return http.StatusConflict
	case !c.feed(body, timeout):
		return http.StatusNotFound
	}
	c.last = n
	return http.StatusNoContent
}
