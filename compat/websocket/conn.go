//go:build !js

package websocket

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// Conn is a WebSocket connection.
//
// One goroutine at a time may read and set the handlers, the read limit and the
// read deadline. Any number may write, send control messages and close.
type Conn struct {
	ws     *ws.Conn
	raw    *ws.Takeover
	closed atomic.Bool // Close was called

	// Reading.
	message   *messageReader // the message under way
	readFault error          // what every later read returns
	readLimit int64
	onPing    func(appData string) error
	onPong    func(appData string) error
	onClose   func(code int, text string) error

	// Writing. token is held by whoever writes a frame; a channel, because
	// WriteControl waits for it no longer than its deadline.
	token      chan struct{}
	fragment   int // bytes of the frames that NextWriter sends
	mu         sync.Mutex
	writer     *messageWriter // the message under way
	writeFault error          // what every later write returns
	deadline   writeDeadline
	compress   bool
	level      int
}

const (
	// controlWait is what the default handlers give their answers.
	controlWait = time.Second
	// defaultFragment is the size of NextWriter's frames where WriteBufferSize
	// is 0.
	defaultFragment = 4 << 10
	defaultLevel    = 1
)

// connOptions turns everything off that gorilla does not have: its programs bring
// their own keepalive, deadlines and limits. The process's memory budget stays.
func connOptions(compress bool) ws.ConnOptions {
	o := ws.ConnOptions{
		MaxMessage:     -1,
		WriteTimeout:   -1,
		MessageTimeout: -1,
		PingInterval:   -1,
		ControlRate:    -1,
	}
	if compress {
		o.Compression = noTakeover
	}
	return o
}

// noTakeover is gorilla's way of compressing: each message stands alone.
var noTakeover = &deflate.Options{NoContextTakeover: true, PeerNoContextTakeover: true, Threshold: -1}

func newConn(c *ws.Conn, writeBufferSize int) *Conn {
	g := &Conn{
		ws:       c,
		token:    make(chan struct{}, 1),
		fragment: writeBufferSize,
		compress: true,
		level:    defaultLevel,
	}
	if g.fragment <= 0 {
		g.fragment = defaultFragment
	}
	g.SetPingHandler(nil)
	g.SetPongHandler(nil)
	g.SetCloseHandler(nil)
	g.raw = c.TakeOver(ws.Controls{
		Ping:  func(p []byte) error { return g.onPing(string(p)) },
		Pong:  func(p []byte) error { return g.onPong(string(p)) },
		Close: func(code ws.StatusCode, reason string) error { return g.onClose(int(code), reason) },
	})
	return g
}

// Subprotocol returns the subprotocol that the handshake chose, or "".
func (c *Conn) Subprotocol() string { return c.ws.Subprotocol() }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.ws.LocalAddr() }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.ws.RemoteAddr() }

// NetConn returns the stream below. Reading or writing it breaks the connection;
// it is there for socket options.
func (c *Conn) NetConn() net.Conn { return c.ws.NetConn() }

// UnderlyingConn returns the stream below.
//
// Deprecated: Use NetConn.
func (c *Conn) UnderlyingConn() net.Conn { return c.ws.NetConn() }

// Close closes the stream at once, without a closing handshake. To part politely,
// write a CloseMessage first and read until an error comes. A second Close
// returns an error that wraps net.ErrClosed.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.closedHere("close")
	}
	c.sayGoodbye()
	c.raw.Close()
	c.mu.Lock()
	c.deadline.close()
	c.mu.Unlock()
	return nil
}

// sayGoodbye sends the close_notify of TLS, unless a write that is under way or
// stuck would hold it up.
func (c *Conn) sayGoodbye() {
	stream, ok := c.ws.NetConn().(*tls.Conn)
	if !ok {
		return
	}
	select {
	case c.token <- struct{}{}:
		if c.ws.Buffered() == 0 {
			stream.CloseWrite()
		}
		<-c.token
	default:
	}
}
