package ws

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall/js"
	"time"
)

// Conn is one end of a WebSocket connection: here, the browser's WebSocket. The
// browser answers pings, compresses and checks what arrives; it does not let a
// program ping, see frames, or hold the peer back while nobody reads.
//
// One goroutine at a time may read; any number may write and close. What arrives
// while nobody reads waits in memory, within the Budget.
type Conn struct {
	set         *settings
	socket      socket
	wheel       *Engine
	seat        int32 // index in the wheel's list, owned by the wheel; -1: none
	subprotocol string
	remote      address

	handler Handler
	flags   flags
	loopCtx context.Context
	reading atomic.Bool // somebody owns reading

	ended  atomic.Pointer[CloseError] // set once, by whoever notices first
	opened chan struct{}              // closed when the handshake is done
	gone   chan struct{}              // closed when the browser's WebSocket is let go
	ctx    context.Context
	cancel context.CancelCauseFunc
	ticks  tickState

	mu      sync.Mutex    // guards what follows
	changed chan struct{} // closed and dropped when a waiter should look again
	letgo   bool
	closing *CloseError // set when the closing handshake begins
	in      inbox
	out     outbox
}

// address names an end of a connection: a browser does not tell IP addresses.
type address string

func (a address) Network() string { return "websocket" }
func (a address) String() string  { return string(a) }

// newConn begins a handshake. The Conn is of use once opened is closed.
func newConn(url string, remote address, offer []string, set *settings) (*Conn, error) {
	c := &Conn{
		set:    set,
		wheel:  set.Engine,
		seat:   -1,
		remote: remote,
		opened: make(chan struct{}),
		gone:   make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	var err error
	c.socket, err = openSocket(url, offer, c.event)
	return c, err
}

// event is called by the browser, and must not block.
func (c *Conn) event(_ js.Value, args []js.Value) any {
	switch e := args[0]; e.Get("type").String() {
	case "open":
		c.subprotocol = c.socket.value.Get("protocol").String()
		count.opened.Add(1)
		count.open.Add(1)
		c.wheel.join(c)
		close(c.opened)
	case "message":
		c.arrived(e.Get("data"))
	case "close":
		c.closed(StatusCode(e.Get("code").Int()), e.Get("reason").String(), e.Get("wasClean").Bool())
	}
	return nil
}

// isOpened reports whether the handshake is done.
func (c *Conn) isOpened() bool {
	select {
	case <-c.opened:
		return true
	default:
		return false
	}
}

// signal wakes those who wait for a message, for room, for the message lock or
// for the end. Called with mu held.
func (c *Conn) signal() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// pollTime is how often a write that waits looks at bufferedAmount: a browser
// does not tell when it shrinks.
const pollTime = 5 * time.Millisecond

// wait lets mu go until something changes, or with poll for pollTime at most.
// The caller looks again.
func (c *Conn) wait(ctx context.Context, poll bool) error {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	ch := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	var soon <-chan time.Time
	if poll {
		t := time.NewTimer(pollTime)
		defer t.Stop()
		soon = t.C
	}
	select {
	case <-ch:
		return nil
	case <-soon:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Subprotocol returns the subprotocol that the handshake chose, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// LocalAddr returns the origin of the page. Its network is "websocket".
func (c *Conn) LocalAddr() net.Addr {
	if l := js.Global().Get("location"); l.Type() == js.TypeObject {
		return address(l.Get("origin").String())
	}
	return address("")
}

// RemoteAddr returns the URL that was dialled, without its user and its query.
// Its network is "websocket".
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// NetConn returns nil: a browser shows no stream below.
func (c *Conn) NetConn() net.Conn { return nil }

// Context returns a context that ends when the connection does; its cause
// ([context.Cause]) is the *CloseError.
func (c *Conn) Context() context.Context { return c.ctx }
