//go:build !js

package ws

import (
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/ws/engine"
)

// A connection on a plain listener is greeted by the engine: accepted, read and
// answered by events, so that one that says nothing owns no goroutine, and one
// that asks for a WebSocket in one piece never does. Whatever is not that simple
// (a request in pieces, a refusal, an ordinary request) is handed to greet, with
// what has been read.

// acceptor takes connections from one listener.
type acceptor struct {
	s       *Server
	ln      engine.Listener
	listens bool        // ln is watched; guarded by s.mu
	starved atomic.Bool // there was no slot for a handshake
	failed  chan error
	gate    acceptGate
}

// acceptGate says how to go on after an accept that failed.
type acceptGate struct {
	pause  time.Duration
	logged time.Time
}

// acceptRound bounds the connections that are accepted before others have a turn.
const acceptRound = 64

// closedPoll is how often a listener that the engine watches is asked whether it
// has been closed: nothing tells.
const closedPoll = 50 * time.Millisecond

// serveEvents accepts from ln by events. handled is false where that cannot be.
func (s *Server) serveEvents(ln net.Listener) (handled bool, err error) {
	a := &acceptor{s: s, failed: make(chan error, 1)}
	s.mu.Lock()
	s.acceptors[a] = struct{}{} // before it can be starved: release looks here
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.acceptors, a)
		s.mu.Unlock()
	}()
	if s.engine().poller.Listen(&a.ln, ln, a) != nil {
		return false, nil
	}
	defer a.ln.Close()
	s.mu.Lock()
	a.listens = true
	s.mu.Unlock()
	look := time.NewTicker(closedPoll)
	defer look.Stop()
	for {
		select {
		case <-s.stopping:
			return true, ErrServerClosed
		case err := <-a.failed:
			if s.stopped() {
				return true, ErrServerClosed
			}
			return true, prefixed(err)
		case <-look.C:
			if !a.ln.Open() {
				a.fail(&net.OpError{Op: "accept", Net: ln.Addr().Network(), Addr: ln.Addr(), Err: net.ErrClosed})
			}
		}
	}
}

func (s *Server) engine() *Engine {
	if s.Engine != nil {
		return s.Engine
	}
	return processEngine
}

func (a *acceptor) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

// Readable implements engine.Events.
func (a *acceptor) Readable() bool {
	s := a.s
	for range acceptRound {
		if !a.slot() {
			return true // release comes back to it
		}
		sock, err := a.ln.Accept()
		if err == nil {
			a.gate.pause = 0
			s.welcome(a, sock)
			continue
		}
		s.release() // another listener may have found none meanwhile
		if engine.WouldBlock(err) {
			return true
		}
		if pause, ok := a.gate.retry(s, err); ok {
			time.AfterFunc(pause, a.ln.Kick)
		} else {
			a.fail(err)
		}
		return true
	}
	go a.ln.Kick()
	return true
}

// Writable implements engine.Events.
func (a *acceptor) Writable() {}

// Blocked implements engine.Events.
func (a *acceptor) Blocked() {}

// slot takes a place for a handshake, or notes that it waits for one.
func (a *acceptor) slot() bool {
	select {
	case a.s.slots <- struct{}{}:
		return true
	default:
	}
	a.starved.Store(true)
	select { // one may have become free before that
	case a.s.slots <- struct{}{}:
		a.starved.Store(false)
		return true
	default:
		return false
	}
}

// release gives a place for a handshake back.
func (s *Server) release() {
	<-s.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkSettled()
	for a := range s.acceptors {
		if a.starved.Swap(false) {
			a.ln.Kick()
		}
	}
}

// retry says how long to wait before the next accept; not ok means never.
func (g *acceptGate) retry(s *Server, err error) (pause time.Duration, ok bool) {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	if !ok || !t.Temporary() {
		return 0, false
	}
	g.pause = min(max(2*g.pause, minPause), maxPause)
	if now := time.Now(); g.logged.IsZero() || now.Sub(g.logged) > logPause {
		g.logged = now
		s.logger().Error("websocket server cannot accept, and goes on trying", "error", err)
	}
	return g.pause, true
}

// greeting is the Handler of a connection that has said nothing yet.
type greeting struct {
	s     *Server
	until time.Time
	late  atomic.Bool // HandshakeTimeout has passed
}

func (g *greeting) Opened(*Conn)                       {}
func (g *greeting) Message(*Conn, MessageType, []byte) {}
func (g *greeting) Closed(*Conn, error)                {}

// welcome begins the handshake of an accepted connection.
func (s *Server) welcome(a *acceptor, sock engine.Accepted) {
	g := &greeting{s: s, until: time.Now().Add(s.timeout())}
	c := &Conn{handler: g}
	c.read.stage = stageGreet
	c.read.polled = true
	c.flags.set(flagEvents)
	s.mu.Lock()
	s.silent[c] = g
	if s.silence == nil {
		s.silence = time.AfterFunc(s.timeout(), s.breakSilence)
	}
	s.mu.Unlock()
	err := s.engine().poller.Adopt(&c.desc, &a.ln, sock, (*evented)(c), func(nc net.Conn) { c.stream = nc })
	if err != nil {
		s.heard(c)
		s.release()
	} else if s.closed() {
		c.desc.Kick()
	}
}

// breakSilence finds the connections that have said nothing for too long.
func (s *Server) breakSilence() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.timeout()
	for c, g := range s.silent {
		if left := g.until.Sub(now); left > 0 {
			next = min(next, left)
		} else if !g.late.Swap(true) {
			c.desc.Kick()
		}
	}
	if len(s.silent) == 0 {
		s.silence = nil
	} else {
		s.silence.Reset(max(next, time.Millisecond))
	}
}

// closed reports whether Shutdown or Close has begun.
func (s *Server) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// heard takes a connection out of those that have said nothing.
func (s *Server) heard(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.silent, c)
	s.checkDrained()
}

// greet reads a request and answers it, if it is there in one piece and asks for a
// WebSocket. It reports whether the connection has become one.
func (c *Conn) greet(g *greeting) bool {
	s, r := g.s, &c.read
	if r.inside { // runtime.Goexit in Server.Accept
		s.panicked(c.RemoteAddr(), errExited)
		c.surrender(s, &Refusal{Status: http.StatusInternalServerError}, nil)
		return false
	}
	r.lend()
	n, more, err := c.desc.Read(r.Space())
	if err != nil || n == 0 {
		if !engine.WouldBlock(err) || g.late.Load() || s.closed() {
			c.abandon(s)
		} else {
			r.giveBack()
		}
		return false
	}
	r.rest = r.rest[:n]
	end := headEnd(r.rest, 0)
	h := hellos.Get().(*hello)
	defer h.giveBack()
	var fields []byte
	var ref *Refusal
	if end > 0 && end <= s.maxHeader() {
		fields, ref = h.fromHead(r.rest[:end])
	}
	if !h.upgrade || ref != nil || h.check() != nil {
		c.surrender(s, nil, nil)
		return false
	}
	r.inside = true
	handler, o, set, ref := s.decideSafely(&Request{hello: h, fields: fields, nc: c.stream, ctx: s.ctx})
	r.inside = false
	var d deal
	if ref == nil {
		t := o.terms()
		d, ref = h.settle(&t)
	}
	if ref != nil {
		c.surrender(s, ref, nil)
		return false
	}
	if o.Wrap != nil { // what it returns is no socket of the engine's
		c.surrender(s, nil, s.opener(h, &d, handler, o, set, r.rest[end:]))
		return false
	}
	r.rest = r.rest[end:]
	r.drained = !more
	r.looping, r.attached = true, true
	r.watch.state.Store(busy)
	r.stage = stageNew
	c.handler = handler
	c.flags.set(flagLoop)
	c.begin(&birth{set: set, subprotocol: d.subprotocol, deflate: d.deflate, onGone: s.onGone})
	w := &c.out
	w.lock()
	w.attached = true
	*w.grow(smallBuffer) = appendAnswer(*w.pending, h.key, &d, o.Header)
	c.flushLater()
	s.enlist(c)
	s.release()
	return true
}

// abandon closes a connection whose handshake came to nothing.
func (c *Conn) abandon(s *Server) {
	c.drop()
	s.heard(c)
	s.release()
}

func (c *Conn) drop() {
	r := &c.read
	if r.intake != nil {
		r.rest = nil
		r.giveBack()
	}
	r.stage = stageGone
	c.desc.Close()
}

// opener returns what makes a connection of the stream that is to be wrapped. The
// request's memory is about to be used again.
func (s *Server) opener(h *hello, d *deal, handler Handler, o *AcceptOptions, set *settings, behind []byte) func(nc net.Conn) {
	own := hello{key: strings.Clone(h.key)}
	deal := deal{strings.Clone(d.subprotocol), strings.Clone(d.extension), d.deflate}
	b := birth{buffered: append([]byte(nil), behind...), set: set, onGone: s.onGone, wrap: o.Wrap}
	return func(nc net.Conn) {
		returned := false
		defer func() {
			if !returned { // a panic or runtime.Goexit in Wrap
				v := recover()
				if v == nil {
					v = errExited
				}
				s.panicked(nc.RemoteAddr(), v)
			}
		}()
		if c, err := openConn(nc, &own, &deal, o.Header, b); err == nil {
			s.adopt(c, handler)
		}
		returned = true
	}
}

// surrender has a goroutine go on with the handshake, or answer it with ref, or by
// open.
func (c *Conn) surrender(s *Server, ref *Refusal, open func(nc net.Conn)) {
	nc, err := c.desc.Surrender()
	if err != nil {
		c.abandon(s)
		return
	}
	nc.SetDeadline(c.handler.(*greeting).until)
	read := getBuffer(smallBuffer)
	reading := ref == nil && open == nil
	if reading {
		*read = append(*read, c.read.rest...)
	}
	s.mu.Lock()
	s.pending[nc] = reading
	if s.isClosing() {
		nc.SetReadDeadline(longAgo)
	}
	cut := s.cut
	s.mu.Unlock()
	if cut {
		nc.Close()
	}
	c.drop()
	s.heard(c)
	go func() {
		if reading {
			s.greet(nc, nil, read)
			return
		}
		defer s.end(nc)
		putBuffer(read)
		if open != nil {
			open(nc)
			return
		}
		ref.send(nc)
	}()
}

// decideSafely is decide, with a panic in Accept answered by 500.
func (s *Server) decideSafely(r *Request) (h Handler, o *AcceptOptions, set *settings, ref *Refusal) {
	remote := r.nc.RemoteAddr
	defer func() {
		if v := recover(); v != nil {
			s.panicked(remote(), v)
			ref = &Refusal{Status: http.StatusInternalServerError}
		}
	}()
	return s.decide(r)
}

func (s *Server) panicked(remote net.Addr, v any) {
	s.logger().Error("websocket server panicked in Accept",
		"remote", remote, "panic", v, "stack", string(debug.Stack()))
}
