// Package inmemory holds benchmarks of what a library itself costs a server, without a kernel: the stream is in memory,
// gives the same bytes for ever and takes everything. `go test -run - -bench .` in this folder runs them, and the bench
// takes their results into its report.
package inmemory

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// endless is a net.Conn that gives head once and then wire for ever. As with a TCP connection, a deadline may end one of
// its writes; tidewire asks for that, and the others take it for granted.
type endless struct {
	head, wire []byte
	at         int
	closed     chan struct{} // Read ends with it, where it is not nil
}

func (c *endless) Read(p []byte) (int, error) {
	if c.closed != nil {
		select {
		case <-c.closed:
			return 0, io.EOF
		default:
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	if len(c.wire) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.wire[c.at:])
	if c.at += n; c.at == len(c.wire) {
		c.at = 0
	}
	return n, nil
}

func (c *endless) Write(p []byte) (int, error)      { return len(p), nil }
func (c *endless) InterruptibleWrites()             {}
func (c *endless) Close() error                     { return nil }
func (c *endless) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *endless) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *endless) SetDeadline(time.Time) error      { return nil }
func (c *endless) SetReadDeadline(time.Time) error  { return nil }
func (c *endless) SetWriteDeadline(time.Time) error { return nil }

// handshake is what browsers send, without their cookies and user agent.
const handshake = "GET /socket HTTP/1.1\r\n" +
	"Host: example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Origin: http://example.com\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// hijacker is the http.ResponseWriter of an endless stream.
type hijacker struct {
	http.ResponseWriter
	c *endless
}

func (h hijacker) Header() http.Header { return http.Header{} }
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.c, bufio.NewReadWriter(bufio.NewReader(h.c), bufio.NewWriter(h.c)), nil
}

func request(b *testing.B) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshake)))
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// discardHeader also takes the status, for libraries that answer through the
// http.ResponseWriter before they hijack.
type discardHeader struct{ hijacker }

func (discardHeader) WriteHeader(int)             {}
func (discardHeader) Write(p []byte) (int, error) { return len(p), nil }
