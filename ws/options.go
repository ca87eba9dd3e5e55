package ws

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/ws/deflate"
)

// The defaults that [ConnOptions] documents.
const (
	defaultMaxMessage     = 1 << 20
	defaultWriteQueue     = 1 << 20
	defaultWriteTimeout   = 30 * time.Second
	defaultMessageTimeout = 60 * time.Second
	defaultCloseTimeout   = 5 * time.Second
	defaultPingInterval   = 25 * time.Second
	defaultPingMisses     = 2
	defaultControlRate    = 1000
)

// defaultHandshakeTimeout is the default of every HandshakeTimeout.
const defaultHandshakeTimeout = 10 * time.Second

// QueuePolicy says what Write does on an attached connection whose write queue
// is full. Write never blocks there; see [Conn.Attach].
type QueuePolicy byte

const (
	// CloseSlow closes the slow connection with 1013 (try again later).
	CloseSlow QueuePolicy = iota
	// RefuseWrite makes Write return ErrQueueFull and queue nothing.
	RefuseWrite
)

// ConnOptions bounds and configures a connection, whichever door it comes
// through. The zero value of each field is its default. It is read once, when
// the connection is made.
type ConnOptions struct {
	// MaxMessage is the largest message accepted, in bytes after inflation.
	// A larger one closes the connection with 1009. 0 means 1 MiB; negative
	// means no bound but the Budget's.
	MaxMessage int64

	// WriteQueue is how many bytes may wait for a slow peer. 0 means 1 MiB. A
	// single message that finds the queue empty may be larger. Past the bound
	// Write blocks, or QueuePolicy applies on an attached connection.
	WriteQueue int

	// QueuePolicy applies to attached connections. 0 means CloseSlow.
	QueuePolicy QueuePolicy

	// WriteTimeout is how long bytes may wait for a peer that takes none,
	// before the connection is given up. 0 means 30 s; negative means for ever.
	WriteTimeout time.Duration

	// MessageTimeout is how long a message may take from its first byte to its
	// last while somebody reads. 0 means 60 s; negative means for ever.
	MessageTimeout time.Duration

	// CloseTimeout bounds the closing handshake, and the draining after a
	// refusal. 0 means 5 s.
	CloseTimeout time.Duration

	// PingInterval is the silence after which a ping is sent. 0 means 25 s;
	// negative switches keepalive off. It is kept to a quarter of a second.
	PingInterval time.Duration

	// PingMisses is how many pings in a row may go unanswered, while somebody
	// reads, before the connection counts as dead. 0 means 2. Those do not count
	// between which the peer has taken bytes that waited in a socket: the
	// ping waits behind others then.
	PingMisses int

	// ControlRate is how many pings, pongs and closes are accepted in a second
	// before the connection is closed with 1008. 0 means 1000; negative means
	// no bound.
	ControlRate int

	// Compression negotiates permessage-deflate (RFC 7692). nil means off.
	Compression *deflate.Options

	// Engine drives keepalive and timeouts. nil means the process's own.
	// A test under testing/synctest gives one of its own.
	Engine *Engine

	// Budget is shared by the connections that name it. nil means the
	// process's own; see [Budget].
	Budget *Budget

	// Logger hears of what no error return can tell: a handler that panicked,
	// a connection closed for lack of memory. nil means slog.Default().
	Logger *slog.Logger
}

// settings is ConnOptions with the defaults filled in, shared by the
// connections that were made with the same options.
type settings struct {
	ConnOptions
	source       ConnOptions
	pingTicks    uint32 // 0: keepalive off
	writeTicks   uint32 // 0: for ever
	messageTicks uint32 // 0: for ever
}

// defaultSettings serves the zero ConnOptions without an allocation.
var defaultSettings = newSettings(ConnOptions{})

// lastSettings saves a server whose connections share one set of options the
// allocation per connection.
var lastSettings atomic.Pointer[settings]

func settingsFor(o *ConnOptions) *settings {
	if *o == (ConnOptions{}) {
		return defaultSettings
	}
	if s := lastSettings.Load(); s != nil && s.source == *o {
		return s
	}
	s := newSettings(*o)
	lastSettings.Store(s)
	return s
}

func newSettings(o ConnOptions) *settings {
	source := o
	if o.MaxMessage == 0 {
		o.MaxMessage = defaultMaxMessage
	}
	if o.WriteQueue <= 0 {
		o.WriteQueue = defaultWriteQueue
	}
	o.WriteTimeout = orDefault(o.WriteTimeout, defaultWriteTimeout)
	o.MessageTimeout = orDefault(o.MessageTimeout, defaultMessageTimeout)
	o.PingInterval = orDefault(o.PingInterval, defaultPingInterval)
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = defaultCloseTimeout
	}
	if o.PingMisses <= 0 {
		o.PingMisses = defaultPingMisses
	}
	if o.ControlRate == 0 {
		o.ControlRate = defaultControlRate
	}
	if o.Engine == nil {
		o.Engine = processEngine
	}
	if o.Budget == nil {
		o.Budget = processBudget
	}
	return &settings{
		ConnOptions:  o,
		source:       source,
		pingTicks:    ticks(o.PingInterval),
		writeTicks:   ticks(o.WriteTimeout),
		messageTicks: ticks(o.MessageTimeout),
	}
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}
