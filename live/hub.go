package live

import (
	"context"
	"crypto/rand"
	"errors"
	"hash/maphash"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/live/protocol"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/tunnel"
)

// Hub is where sessions, rooms and handlers meet. It is an http.Handler, and
// [Hub.Accept] is the door for a ws.Server of one's own. It is safe for concurrent
// use; what configures it comes first.
type Hub struct {
	set    Options
	broker Broker
	owned  bool // the broker is ours to close
	server ws.Server
	tunnel tunnel.Tunnel
	relay  relay

	confMu     sync.RWMutex // guards what follows, which does not change while serving
	kinds      []*kind
	handlers   map[string]Handler
	middleware []func(Handler) Handler

	addresses  addresses
	deadlines  deadlines
	orders     orders
	rooms      rooms
	neighbours neighbours
	recent     recentBudget
	outage     outage
	flights    flights
	panics     atomic.Int64
	traffic    traffic

	mu       sync.Mutex // guards what follows
	sessions map[*Session]struct{}
	leaving  int // who is none of them any more, and not gone
	users    map[string]*account
	draining bool
	empty    chan struct{} // closed when draining and all have gone
	cancels  []func()      // of what the broker calls
}

// NewHub returns a Hub. nil options mean the defaults.
func NewHub(o *Options) *Hub {
	h := &Hub{
		set:      o.withDefaults(),
		handlers: map[string]Handler{},
		sessions: map[*Session]struct{}{},
		users:    map[string]*account{},
		empty:    make(chan struct{}),
	}
	h.broker = h.set.Broker
	if h.broker == nil {
		h.broker, h.owned = NewMemory(nil), true
	}
	h.rooms.hub = h
	h.flights.seed = maphash.MakeSeed()
	h.neighbours.node = "n" + rand.Text()[:16]
	h.recent.most = h.set.RecentBytes
	h.server.Accept = h.Accept
	h.server.Budget, h.server.Engine, h.server.Logger = h.set.Accept.Budget, h.set.Accept.Engine, h.set.Logger
	h.listen()
	h.cancels = append(h.cancels, h.broker.Watch(h.available))
	if h.distributed() {
		h.hear(nodeTopic, func(p []byte) { h.neighbours.heard(string(p)) })
	}
	h.openTunnel()
	return h
}

// Serve accepts connections from a listener without net/http in between, until it
// fails or the Hub ends; see ws.Server.Serve.
func (h *Hub) Serve(ln net.Listener) error { return h.server.Serve(ln) }

// ServeHTTP accepts a WebSocket connection as a session, and, unless Options.NoTunnel is
// set, one that comes through plain HTTP POSTs (package tunnel).
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.server.ServeHTTP(w, r) }

// Accept is the Hub as ws.Server.Accept wants it.
func (h *Hub) Accept(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
	offered := r.Subprotocols()
	known := func(name string) bool { return slices.Contains(protocol.Subprotocols, name) }
	if len(offered) > 0 && !slices.ContainsFunc(offered, known) {
		return nil, nil, &ws.Refusal{Status: http.StatusBadRequest, Body: "the subprotocols here are tidewire.v1.json and tidewire.v1.cbor"}
	}
	addr := remote
	if h.set.Address != nil {
		addr = h.set.Address
	}
	s, err := h.admit(addr(r))
	if err != nil {
		return nil, nil, err
	}
	if h.set.Authenticate != nil {
		s.header = r.Headers()
	}
	return s, &h.set.Accept, nil
}

// admit makes a session, if there is room for one. It counts from the moment that
// its connection is open.
func (h *Hub) admit(addr netip.Addr) (*Session, error) {
	h.mu.Lock()
	full, draining := len(h.sessions) >= h.set.Limits.Sessions, h.draining
	h.mu.Unlock()
	if draining {
		return nil, &ws.Refusal{Status: http.StatusServiceUnavailable, Body: "this server is going"}
	}
	if full {
		return nil, &ws.Refusal{Status: http.StatusServiceUnavailable, Body: "too many sessions (live.Limits.Sessions)"}
	}
	if h.addresses.full(addr, h.set.Limits.AddressSessions) {
		return nil, &ws.Refusal{Status: http.StatusTooManyRequests, Body: "too many sessions of this address (live.Limits.AddressSessions)"}
	}
	return &Session{hub: h, addr: addr}, nil
}

// enter counts a session whose connection is open, or says why it may not stay.
func (h *Hub) enter(s *Session) (code ws.StatusCode, reason string) {
	s.id = "s" + rand.Text()[:16]
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return ws.StatusServiceRestart, "this server is going"
	}
	if len(h.sessions) >= h.set.Limits.Sessions {
		return ws.StatusTryAgainLater, "too many sessions (live.Limits.Sessions)"
	}
	if s.address = h.addresses.enter(s.addr, h.set.Limits.AddressSessions); s.address == nil {
		return ws.StatusTryAgainLater, "too many sessions of this address (live.Limits.AddressSessions)"
	}
	h.sessions[s] = struct{}{}
	return 0, ""
}

// leave ends the counting. It reports whether the session was counted: then gone is to follow.
func (h *Hub) leave(s *Session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.sessions[s]; !ok {
		return false
	}
	delete(h.sessions, s)
	h.discredit(s)
	h.addresses.leave(s.address)
	h.leaving++
	return true
}

// gone is for a session of which all is told.
func (h *Hub) gone() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving--
	h.emptied()
}

// emptied tells when nobody is there any more, and nobody can come. h.mu is held.
func (h *Hub) emptied() {
	if h.draining && len(h.sessions)+h.leaving == 0 {
		close(h.empty)
	}
}

// Len returns the number of sessions.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

// Panics returns how many handlers have panicked.
func (h *Hub) Panics() int64 { return h.panics.Load() }

// Rooms returns the number of rooms that this node holds: those with members here.
func (h *Hub) Rooms() int { return h.rooms.len() }

func (h *Hub) logger() *slog.Logger {
	if h.set.Logger != nil {
		return h.set.Logger
	}
	return slog.Default()
}

// distributed says whether there may be other nodes.
func (h *Hub) distributed() bool { return !h.owned }

// Shutdown ends the Hub gently: nobody is let in any more, and sessions are told to
// come back elsewhere ($drain) and closed with 1012, one after the other over
// Options.DrainWindow, or until shortly before ctx's deadline if that is sooner. It
// returns when all are closed and told of (Hooks.Disconnected). When ctx ends first
// it closes what is left at once and returns ctx's error.
func (h *Hub) Shutdown(ctx context.Context) error {
	if first, all := h.stop(); first {
		h.drain(ctx, all)
	}
	select {
	case <-h.empty:
	case <-ctx.Done():
		select {
		case <-h.empty: // both came true: the order is chance's
		default:
			h.Close()
			return context.Cause(ctx)
		}
	}
	h.end()
	return nil
}

// stop lets nobody in any more. It reports whether that is new, and returns who is
// there.
func (h *Hub) stop() (first bool, all []*Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if first = !h.draining; first {
		h.draining = true
		h.emptied()
	}
	return first, slices.Collect(maps.Keys(h.sessions))
}

// drain spreads the closing of sessions.
func (h *Hub) drain(ctx context.Context, all []*Session) {
	window := max(h.set.DrainWindow, 0)
	if at, ok := ctx.Deadline(); ok {
		window = min(window, time.Until(at)*9/10)
	}
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, s := range all {
		timer.Reset(time.Until(start.Add(window * time.Duration(i) / time.Duration(len(all)))))
		select {
		case <-timer.C:
			s.drain()
		case <-ctx.Done():
			return
		}
	}
}

// Close ends the Hub at once.
func (h *Hub) Close() error {
	_, all := h.stop()
	for _, s := range all {
		s.conn.CloseNow()
	}
	<-h.empty
	h.end()
	return nil
}

// end lets go of what served sessions.
func (h *Hub) end() {
	h.server.Close()
	h.deadlines.end()
	h.mu.Lock()
	cancels := h.cancels
	h.cancels = nil
	h.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
	if h.owned {
		h.broker.Close()
	}
}

// told turns any error into what a client is told of it.
func (h *Hub) told(s *Session, m *Message, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, ErrUnavailable) {
		return protocol.Errorf(protocol.CodeUnavailable, "what stores messages cannot be reached")
	}
	if errors.Is(err, context.Canceled) && s.conn.Context().Err() != nil {
		return protocol.Errorf(protocol.CodeInternal, "the session has ended")
	}
	h.logger().Error("live: a handler failed", "type", m.Type, "room", m.Room, "session", s.id, "user", s.User(), "error", err)
	return protocol.Errorf(protocol.CodeInternal, "the handler of %s failed", m.Type)
}
