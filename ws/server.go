//go:build !js

package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ErrServerClosed is returned by the Serve methods after Shutdown or Close.
var ErrServerClosed = errors.New("ws: Server closed")

const (
	defaultMaxHandshakes = 4096
	defaultHTTPTimeout   = 60 * time.Second
	httpIdleTimeout      = 2 * time.Minute
)

// Server accepts WebSocket connections and drives them by events, without
// net/http in between: [Server.Serve] takes them from a listener, and
// [Server.ServeHTTP] from any http.Server. [Server.Shutdown] covers both.
//
// Requests on the Server's own listener that ask for no WebSocket go to HTTP, on
// the same port.
//
// The zero value of each field is its default. They must not change once the
// Server serves. Each Server must be ended with Shutdown or Close.
type Server struct {
	// Accept decides about a request whose handshake is sound: the Handler that
	// the connection is attached to and its options (nil for the defaults), or
	// an error, which may be a *[Refusal]. A nil Handler without an error is
	// answered with 404. It is called concurrently. The HandshakeTimeout in the
	// options matters to ServeHTTP only. nil refuses all with 404.
	Accept func(*Request) (Handler, *AcceptOptions, error)

	// HTTP serves the requests that ask for no WebSocket. nil answers them with
	// 426.
	HTTP http.Handler

	// TLSConfig is for ServeTLS. Its NextProtos are replaced by "http/1.1". nil
	// means the defaults of crypto/tls.
	TLSConfig *tls.Config

	// HandshakeTimeout bounds the whole handshake, TLS included, and the reading
	// of an ordinary request's head. 0 means 10 s.
	HandshakeTimeout time.Duration

	// HTTPTimeout bounds the reading of an ordinary request, its body included.
	// 0 means 60 s; negative means for ever.
	HTTPTimeout time.Duration

	// MaxHeader bounds the head of any request, in bytes. 0 means 8 KiB.
	MaxHeader int

	// MaxHandshakes bounds how many connections may be in their handshake at
	// once. The others wait: one for each listener, and the rest in the
	// kernel's backlog. 0 means 4096.
	MaxHandshakes int

	// Budget is for connections whose options name none. nil means the
	// process's.
	Budget *Budget

	// Engine is for connections whose options name none. nil means the
	// process's.
	Engine *Engine

	// Logger hears of failed accepts, panics, and what the http.Server for HTTP
	// has to say; also for connections whose options name none. nil means
	// slog.Default().
	Logger *slog.Logger

	mu        sync.Mutex // guards what follows
	started   bool
	ctx       context.Context // ends with the Server
	cancel    context.CancelFunc
	stopping  chan struct{}             // closed when StopAccepting, Shutdown or Close begins
	settled   chan struct{}             // closed when nobody accepts and no handshake is under way, after that
	closing   chan struct{}             // closed when Shutdown or Close begins
	drained   chan struct{}             // closed when nothing is left, after that
	slots     chan struct{}             // one for each handshake on a listener
	listeners map[net.Listener]struct{} // being accepted from
	cut       bool                      // Close was called
	pending   map[net.Conn]bool         // in their handshake; true while the request is being read
	accepting int                       // handshakes through ServeHTTP
	acceptors map[*acceptor]struct{}    // of listeners that the engine watches
	silent    map[*Conn]*greeting       // accepted by the engine, and have said nothing yet
	silence   *time.Timer               // for silent
	conns     []*Conn                   // open; a Conn knows its place, plus one
	onGone    func(*Conn)
	web       *http.Server // serves HTTP; nil if there is none
	queue     *handoff     // what web accepts from
}

// start makes the Server ready; the caller holds mu.
func (s *Server) start() {
	if s.started {
		return
	}
	s.started = true
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.stopping = make(chan struct{})
	s.settled = make(chan struct{})
	s.closing = make(chan struct{})
	s.drained = make(chan struct{})
	n := s.MaxHandshakes
	if n <= 0 {
		n = defaultMaxHandshakes
	}
	s.slots = make(chan struct{}, n)
	s.listeners = map[net.Listener]struct{}{}
	s.pending = map[net.Conn]bool{}
	s.acceptors = map[*acceptor]struct{}{}
	s.silent = map[*Conn]*greeting{}
	s.onGone = s.remove
}

// isClosing reports whether Shutdown or Close has begun; the caller holds mu.
func (s *Server) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

func (s *Server) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
}

func (s *Server) timeout() time.Duration {
	if s.HandshakeTimeout <= 0 {
		return defaultHandshakeTimeout
	}
	return s.HandshakeTimeout
}

func (s *Server) maxHeader() int {
	if s.MaxHeader <= 0 {
		return defaultMaxHeader
	}
	return s.MaxHeader
}

// decide asks Accept. It returns settings that hold the Server's defaults.
func (s *Server) decide(r *Request) (Handler, *AcceptOptions, *settings, *Refusal) {
	defer func() { *r = Request{} }() // its memory is about to be used again
	if s.Accept == nil {
		return nil, nil, nil, refuse(http.StatusNotFound, "this server has no WebSocket endpoint")
	}
	h, o, err := s.Accept(r)
	if err != nil {
		return nil, nil, nil, refusalOf(err)
	}
	if h == nil {
		return nil, nil, nil, refuse(http.StatusNotFound, "there is no WebSocket endpoint at this address")
	}
	if o == nil {
		o = &defaultAccept
	}
	co := o.ConnOptions
	if co.Budget == nil {
		co.Budget = s.Budget
	}
	if co.Engine == nil {
		co.Engine = s.Engine
	}
	if co.Logger == nil {
		co.Logger = s.Logger
	}
	return h, o, settingsFor(&co), nil
}

// ServeHTTP accepts a WebSocket connection through net/http, and passes other
// requests on to HTTP. See [Accept] for what it asks of w.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.HTTP != nil && !wantsUpgrade(r) {
		s.HTTP.ServeHTTP(w, r)
		return
	}
	var h hello
	if ref := h.fromHTTP(r); ref != nil {
		ref.answer(w)
		return
	}
	s.mu.Lock()
	s.start()
	if s.isClosing() {
		s.mu.Unlock()
		refuseClosing().answer(w)
		return
	}
	s.accepting++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.accepting--
		s.checkDrained()
		s.mu.Unlock()
	}()
	handler, o, set, ref := s.decide(&Request{hello: &h, http: r})
	if ref != nil {
		ref.answer(w)
		return
	}
	c, err := acceptHTTP(w, &h, o, set, s.onGone)
	if err != nil {
		return // has been answered
	}
	s.adopt(c, handler)
}

// wantsUpgrade reports whether a request asks for a WebSocket, rightly or not.
func wantsUpgrade(r *http.Request) bool {
	for _, v := range r.Header["Upgrade"] {
		if hasToken(v, "websocket") {
			return true
		}
	}
	return r.Method == http.MethodConnect && r.Header.Get(":protocol") == "websocket" // RFC 8441
}

func refuseClosing() *Refusal {
	return refuse(http.StatusServiceUnavailable, "this server is shutting down")
}

// adopt attaches a new connection and remembers it.
func (s *Server) adopt(c *Conn, h Handler) {
	if c.Attach(h) != nil {
		c.CloseNow()
		return
	}
	s.enlist(c)
}

// enlist remembers an attached connection. Where the Server is being closed, so is
// the connection.
func (s *Server) enlist(c *Conn) {
	s.mu.Lock()
	delete(s.silent, c)
	if !c.flags.has(flagGone) { // else onGone has come before
		s.conns = append(s.conns, c)
		c.place = int32(len(s.conns))
	}
	closing, cut := s.isClosing(), s.cut
	s.mu.Unlock()
	if cut {
		c.CloseNow()
	} else if closing {
		c.sendClose(StatusGoingAway, closingReason)
	}
}

// remove forgets a connection that is gone.
func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := int(c.place) - 1; i >= 0 {
		last := len(s.conns) - 1
		s.conns[i] = s.conns[last]
		s.conns[i].place = c.place
		s.conns[last] = nil
		s.conns = s.conns[:last]
		c.place = 0
	}
	if len(s.conns) == 0 {
		s.conns = nil
	}
	s.checkDrained()
}

// checkDrained notes when nothing is left to wait for; the caller holds mu.
func (s *Server) checkDrained() {
	if s.isClosing() && len(s.conns)+len(s.silent)+len(s.pending)+s.accepting == 0 {
		select {
		case <-s.drained:
		default:
			close(s.drained)
		}
	}
}
