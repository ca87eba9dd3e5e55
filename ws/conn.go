//go:build !js

package ws

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/tidewire/tidewire/ws/deflate"
	"github.com/tidewire/tidewire/ws/engine"
	"github.com/tidewire/tidewire/ws/frame"
)

// Conn is one end of a WebSocket connection.
//
// One goroutine at a time may read; any number may write, ping and close.
type Conn struct {
	// What a write touches comes first, in few cache lines: a fan-out meets each
	// connection cold.
	out   writeState
	desc  engine.Descriptor
	set   *settings
	ended atomic.Pointer[CloseError] // set once, by whoever notices first
	flags flags
	ticks tickState

	stream net.Conn       // where the bytes come from and go to; see link
	socket *engine.Socket // the same, where it is a plain socket; see plain
	wheel  *Engine
	seat   int32 // index in the wheel's list, owned by the wheel
	place  int32 // in Server.conns; the Server's

	client      bool
	patient     bool          // a write under way must not be interrupted (TLS, plain streams)
	slowFirst   bool          // read a few bytes before taking a buffer (TLS)
	vanished    bool          // closeStream is done
	rtt         atomic.Uint32 // microseconds; 0: not measured yet
	pinged      atomic.Int64  // the mark of the latest ping
	subprotocol unique.Handle[string]

	read    readState
	handler Handler
	mu      sync.Mutex  // guards extra, vanished and, for link, stream
	extra   *extra      // what few connections need
	onGone  func(*Conn) // called once, when the stream is closed
}

// extra is allocated for the connections that use it.
type extra struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	gone   chan struct{} // closed with the stream
	pings  []*pingWait

	behind    []*Prepared // of Groups, for the end of a Writer's message
	behindLen int
}

// birth is what a handshake hands over.
type birth struct {
	stream      io.ReadWriteCloser
	buffered    []byte // read behind the handshake; copied
	set         *settings
	client      bool
	subprotocol string
	deflate     *deflate.Params // nil: none negotiated
	onGone      func(*Conn)
	wrap        func(net.Conn) net.Conn // of stream, which is a net.Conn then; nil: leaves it
}

// Params describes a connection whose handshake has already happened, for
// [NewConn].
type Params struct {
	ConnOptions
	// Client is true on the side that dialled: it masks what it sends.
	Client bool
	// Subprotocol is what the handshake chose, if anything.
	Subprotocol string
	// Deflate is what the handshake negotiated; nil means no compression.
	// ConnOptions.Compression then tunes it.
	Deflate *deflate.Params
	// Buffered holds bytes that were read from the stream behind the
	// handshake. They are copied.
	Buffered []byte
}

// NewConn runs the protocol over a stream whose handshake is done, and takes
// the stream over. A net.Conn is used with its deadlines; over any other stream
// the Conn owns one goroutine that reads, so that contexts are honoured, and
// closing the Conn closes the stream.
//
// A write whose context may end is interrupted by a deadline on a *net.TCPConn, on
// a *net.UnixConn, and on any net.Conn with a method InterruptibleWrites(), which
// says that the stream is whole after that. On others (crypto/tls is spoilt by
// it) such writes are made by a goroutine that lives as long as they take.
func NewConn(stream io.ReadWriteCloser, p Params) *Conn {
	return newConn(birth{
		stream:      stream,
		buffered:    p.Buffered,
		set:         settingsFor(&p.ConnOptions),
		client:      p.Client,
		subprotocol: p.Subprotocol,
		deflate:     p.Deflate,
	})
}

func newConn(b birth) *Conn {
	c := &Conn{}
	nc, ok := b.stream.(net.Conn)
	if !ok {
		nc = newPlainStream(b.stream)
	}
	if b.wrap != nil {
		nc = b.wrapped(nc)
	}
	c.stream = nc
	c.patient = !interruptsSafely(nc)
	_, c.slowFirst = nc.(*tls.Conn)
	c.begin(&b)
	return c
}

// wrapped returns what the connection runs over in place of nc. It closes nc if Wrap
// does not return: the handshake is over, and nobody else may answer on it.
func (b *birth) wrapped(nc net.Conn) net.Conn {
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit
			nc.Close()
		}
	}()
	if len(b.buffered) > 0 {
		nc = &replay{Conn: nc, ahead: append([]byte(nil), b.buffered...)}
		b.buffered = nil
	}
	w := b.wrap(nc)
	returned = true
	if w == nil {
		return nc
	}
	return w
}

// begin makes a connection of c, which has a stream.
func (c *Conn) begin(b *birth) {
	c.set, c.wheel = b.set, b.set.Engine
	c.client, c.onGone = b.client, b.onGone
	if b.subprotocol != "" {
		c.subprotocol = unique.Make(b.subprotocol)
	}
	c.read.frames.Role = frame.Server
	if b.client {
		c.read.frames.Role = frame.Client
	}
	if b.deflate != nil {
		o := b.set.Compression
		if o == nil {
			o = &deflate.Options{}
		}
		c.read.frames.RSV = frame.RSV1
		c.read.inflate = deflate.NewDecompressor(*b.deflate, b.client)
		c.out.deflate = deflate.NewCompressor(o, *b.deflate, b.client)
	}
	if len(b.buffered) > 0 {
		c.read.keep(b.buffered)
	}
	c.ticks.heard.Store(c.wheel.now.Load())
	count.opened.Add(1)
	count.open.Add(1)
	c.wheel.join(c)
}

// interruptsSafely reports whether a deadline may end a write and the stream be
// written on afterwards. A *tls.Conn is poisoned by that, and a wrapper may hide
// one.
func interruptsSafely(nc net.Conn) bool {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	_, ok := nc.(interface{ InterruptibleWrites() })
	return ok
}

// Subprotocol returns the subprotocol that the handshake chose, or "".
func (c *Conn) Subprotocol() string {
	if c.subprotocol == (unique.Handle[string]{}) {
		return ""
	}
	return c.subprotocol.Value()
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.link().LocalAddr() }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.link().RemoteAddr() }

// NetConn returns the stream below, or nil if it is no net.Conn. Reading or
// writing it breaks the connection; it is there for socket options. Once a
// connection over a plain socket is attached, it is no longer the net.Conn that it
// was made of, and its SyscallConn is the way to them. From [Server.ServeTLS] it is
// a *tls.Conn, whose NetConn has a SyscallConn likewise. Its Close ends the
// connection, unless it fails because Attach has just put another one in its place:
// CloseNow never does.
func (c *Conn) NetConn() net.Conn {
	nc := c.link()
	if _, ok := nc.(*plainStream); ok {
		return nil
	}
	return nc
}

// link returns the stream. Who has neither the reading nor the writing direction
// must ask for it here: Attach replaces it.
func (c *Conn) link() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stream
}

// RTT returns the latest round trip that a ping measured, in whole microseconds and
// one at least, or 0 before the first.
func (c *Conn) RTT() time.Duration { return time.Duration(c.rtt.Load()) * time.Microsecond }

// Context returns a context that ends when the connection does; its cause
// ([context.Cause]) is the *CloseError.
func (c *Conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.more()
	if x.ctx == nil {
		x.ctx, x.cancel = context.WithCancelCause(context.Background())
		if ce := c.ended.Load(); ce != nil {
			x.cancel(ce)
		}
	}
	return x.ctx
}

// more returns extra, made on first use. The caller holds mu.
func (c *Conn) more() *extra {
	if c.extra == nil {
		c.extra = &extra{}
	}
	return c.extra
}

// goneChan returns a channel that closes with the stream.
func (c *Conn) goneChan() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.more()
	if x.gone == nil {
		x.gone = make(chan struct{})
		if c.vanished {
			close(x.gone)
		}
	}
	return x.gone
}

// plain reports whether the stream is a plain socket, and opens socket if it is.
// That waits for the first use, so that a handshake need not pay for it.
func (c *Conn) plain() bool {
	if f := c.flags.word.Load() & (flagPlain | flagOther); f != 0 {
		return f == flagPlain
	}
	return c.open()
}

func (c *Conn) open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.flags.has(flagPlain | flagOther) {
		c.socket = new(engine.Socket)
		if c.socket.Open(c.stream) {
			c.flags.set(flagPlain)
		} else {
			c.socket = nil
			c.flags.set(flagOther)
		}
	}
	return c.flags.has(flagPlain)
}
