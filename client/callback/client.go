// Package callback is a WebSocket client of functions: set what should happen on
// a text message, on a disconnect and so on, call Connect, and send. It reconnects
// if asked to.
package callback

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/tidewire/tidewire/ws"
)

// Client is a WebSocket client driven by callbacks. Set its fields, then call
// Connect; they must not change after that. A nil callback ignores its event.
//
// Callbacks run one at a time and in order, on a goroutine of the client's. They
// may send and close. A callback that panics ends its connection with 1011 and is
// logged; OnConnectError has none, and a panic in it is like any other.
type Client struct {
	// URL is where to connect to: ws:// or wss://.
	URL string

	// Options holds headers, cookies, proxies, subprotocols, TLS settings,
	// compression and limits. nil means the defaults: certificates are verified
	// unless Options.InsecureSkipVerify says otherwise.
	Options *ws.DialOptions

	// Reconnect brings a lost connection back. nil means not to.
	Reconnect *Backoff

	OnConnected     func(c *Client)
	OnConnectError  func(err error, c *Client) // each attempt that failed
	OnDisconnected  func(err error, c *Client) // err is a *ws.CloseError
	OnTextMessage   func(message string, c *Client)
	OnBinaryMessage func(data []byte, c *Client) // data is the callback's until it returns
	OnPing          func(data string, c *Client) // already answered
	OnPong          func(data string, c *Client)

	mu     sync.Mutex
	conn   *ws.Conn // nil while disconnected
	cancel context.CancelFunc
	over   chan struct{} // closed when the client's goroutine has ended
}

var (
	// ErrNotConnected is returned by the sending calls while there is no
	// connection. Nothing was sent and nothing is kept for later.
	ErrNotConnected = errors.New("callback: not connected")
	// ErrStarted is returned by a second Connect.
	ErrStarted = errors.New("callback: Connect was called before")
)

// Connect connects and returns once there is a connection: nil, or why the
// attempt failed. With Reconnect it goes on trying until ctx ends. It waits for
// OnConnected too. ctx bounds Connect alone; the connection lives until Close, or
// until it is lost and Reconnect is nil. After an error there is none.
func (c *Client) Connect(ctx context.Context) error {
	run, cancel := context.WithCancel(context.Background())
	c.mu.Lock()
	if c.over != nil {
		c.mu.Unlock()
		cancel()
		return ErrStarted
	}
	c.over = make(chan struct{})
	c.cancel = cancel
	c.mu.Unlock()

	first := make(chan error, 1)
	stop := context.AfterFunc(ctx, cancel)
	go c.run(run, func(err error) {
		if !stop() && err == nil {
			err = context.Cause(ctx)
			c.Close() // too late: who is told of an error has no connection
		}
		first <- err
	})
	return <-first
}

// run is the client's goroutine. settled is called once, when Connect may return.
func (c *Client) run(ctx context.Context, settled func(error)) {
	defer close(c.over)
	defer c.cancel()
	for attempt := 0; ; attempt++ {
		conn, _, err := ws.Dial(ctx, c.URL, c.Options)
		if err == nil {
			attempt = 0
			h := &handler{client: c, closed: make(chan error, 1), settled: settled}
			c.setConn(conn)
			if ctx.Err() != nil {
				conn.CloseNow()
			}
			if err = conn.Attach(h); err == nil {
				settled = func(error) {}
				err = <-h.closed
			}
			c.setConn(nil) // also where a Close was faster than Attach
		} else if ctx.Err() == nil && c.OnConnectError != nil {
			c.failed(err)
		}
		if c.Reconnect == nil || ctx.Err() != nil || !c.Reconnect.wait(ctx, attempt) {
			settled(err)
			return
		}
	}
}

func (c *Client) setConn(conn *ws.Conn) {
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
}

// failed calls OnConnectError. There is no connection yet that would guard it.
func (c *Client) failed(err error) {
	defer func() {
		if v := recover(); v != nil {
			logger := slog.Default()
			if c.Options != nil && c.Options.Logger != nil {
				logger = c.Options.Logger
			}
			logger.Error("websocket client: OnConnectError panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	c.OnConnectError(err, c)
}

// handler is the client in the eyes of one connection.
type handler struct {
	client  *Client
	settled func(error)
	closed  chan error
}

func (h *handler) Opened(*ws.Conn) {
	defer h.settled(nil) // also if the callback panics
	if f := h.client.OnConnected; f != nil {
		f(h.client)
	}
}

func (h *handler) Message(_ *ws.Conn, typ ws.MessageType, p []byte) {
	switch c := h.client; {
	case typ == ws.Text && c.OnTextMessage != nil:
		c.OnTextMessage(string(p), c)
	case typ == ws.Binary && c.OnBinaryMessage != nil:
		c.OnBinaryMessage(p, c)
	}
}

func (h *handler) Ping(_ *ws.Conn, p []byte) {
	if f := h.client.OnPing; f != nil {
		f(string(p), h.client)
	}
}

func (h *handler) Pong(_ *ws.Conn, p []byte) {
	if f := h.client.OnPong; f != nil {
		f(string(p), h.client)
	}
}

func (h *handler) Closed(_ *ws.Conn, err error) {
	c := h.client
	c.setConn(nil)
	defer func() { h.closed <- err }() // also if the callback panics
	if c.OnDisconnected != nil {
		c.OnDisconnected(err, c)
	}
}

func (c *Client) current() (*ws.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil, ErrNotConnected
	}
	return c.conn, nil
}

// Connected reports whether there is a connection now.
func (c *Client) Connected() bool {
	_, err := c.current()
	return err == nil
}

// SendText sends a text message. It may be called from any goroutine and never
// waits: past Options.WriteQueue, Options.QueuePolicy applies.
func (c *Client) SendText(message string) error { return c.send(ws.Text, []byte(message)) }

// SendBinary is SendText for bytes. data is not kept.
func (c *Client) SendBinary(data []byte) error { return c.send(ws.Binary, data) }

func (c *Client) send(typ ws.MessageType, p []byte) error {
	conn, err := c.current()
	if err != nil {
		return err
	}
	return conn.Write(context.Background(), typ, p)
}

// Close closes the connection with 1000, stops reconnecting, and returns at once;
// OnDisconnected follows. It may be called at any time, inside callbacks too, and
// more than once.
func (c *Client) Close() {
	c.mu.Lock()
	conn, cancel := c.conn, c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if conn != nil {
		conn.Close(ws.StatusNormalClosure, "")
	}
}

// Wait returns when the client is done: closed, or disconnected for good. It must
// not be called inside a callback. Before Connect it returns at once.
func (c *Client) Wait() {
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	if over != nil {
		<-over
	}
}
