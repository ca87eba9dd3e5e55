package ws

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
// with the other events.
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
