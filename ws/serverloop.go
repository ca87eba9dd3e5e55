//go:build !js

package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// The pause after an accept that failed for want of descriptors or memory
// doubles between these bounds.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
	logPause = time.Minute // between complaints about it
)

// ListenAndServe listens on a TCP address and serves it.
func (s *Server) ListenAndServe(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return prefixed(err)
	}
	return s.Serve(ln)
}

// Serve accepts connections until the listener fails or the Server is closed,
// and closes the listener, from which nobody else may accept. The error is never
// nil; after Shutdown or Close it is [ErrServerClosed].
func (s *Server) Serve(ln net.Listener) error { return s.serve(ln, nil) }

// ServeTLS is Serve over TLS. The files may be empty where TLSConfig has the
// certificate. The handshake has a goroutine; once it is over, the connection owns
// none, as with Serve.
func (s *Server) ServeTLS(ln net.Listener, certFile, keyFile string) error {
	config := &tls.Config{}
	if s.TLSConfig != nil {
		config = s.TLSConfig.Clone()
	}
	// A browser opens WebSockets over HTTP/1.1, and so that others do not
	// negotiate anything else, nothing else is offered.
	config.NextProtos = []string{"http/1.1"}
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen = chosen.Clone(); chosen != nil {
				chosen.NextProtos = config.NextProtos
			}
			return chosen, err
		}
	}
	if certFile != "" || keyFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			ln.Close()
			return prefixed(err)
		}
		config.Certificates = []tls.Certificate{pair}
	} else if len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil {
		ln.Close()
		return errors.New("ws: ServeTLS needs a certificate: name its files, or set Server.TLSConfig")
	}
	return s.serve(ln, config)
}

func (s *Server) serve(ln net.Listener, config *tls.Config) error {
	defer ln.Close()
	s.mu.Lock()
	s.start()
	if s.stopped() {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[ln] = struct{}{}
	s.startWeb(ln.Addr())
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, ln)
		s.checkSettled()
		s.mu.Unlock()
	}()
	if config == nil {
		if handled, err := s.serveEvents(ln); handled {
			return err
		}
	}

	var gate acceptGate
	for {
		nc, err := ln.Accept()
		if err == nil {
			gate.pause = 0
			select {
			case s.slots <- struct{}{}:
			case <-s.closing:
				nc.Close()
				return ErrServerClosed
			}
			nc.SetDeadline(time.Now().Add(s.timeout()))
			if s.begin(nc) {
				go s.greet(nc, config, getBuffer(smallBuffer))
				continue
			}
			nc.Close()
			return ErrServerClosed
		}
		if s.stopped() {
			return ErrServerClosed
		}
		pause, ok := gate.retry(s, err)
		if !ok {
			return prefixed(err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.stopping:
			timer.Stop()
			return ErrServerClosed
		}
	}
}

// begin notes a connection that is in its handshake, unless the Server closes.
func (s *Server) begin(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosing() {
		return false
	}
	s.pending[nc] = true
	return true
}

// end forgets a connection whose handshake is over.
func (s *Server) end(nc net.Conn) {
	s.mu.Lock()
	delete(s.pending, nc)
	s.checkDrained()
	s.mu.Unlock()
	s.release()
}

// greet sees a fresh connection to its Handler, or to HTTP. Its deadline is set. b
// holds what has been read from it.
func (s *Server) greet(raw net.Conn, config *tls.Config, b *[]byte) {
	// Behind adopt, or Shutdown would not wait for the connection; also after
	// runtime.Goexit in Server.Accept.
	defer s.end(raw)
	c, h := s.handshake(raw, config, b)
	if c != nil {
		s.adopt(c, h)
	}
}

// handshake returns the connection that came of raw, if it became one.
func (s *Server) handshake(raw net.Conn, config *tls.Config, b *[]byte) (c *Conn, h Handler) {
	nc := raw
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			v = errExited // runtime.Goexit comes here too
		}
		s.panicked(raw.RemoteAddr(), v)
		(&Refusal{Status: http.StatusInternalServerError}).send(nc)
	}()
	if config != nil {
		t := tls.Server(&wire{nc: raw}, config)
		if err := t.Handshake(); err != nil {
			putBuffer(b)
			s.failTLS(raw, err)
			returned = true
			return nil, nil
		}
		nc = t
	}
	c, h = s.receive(raw, nc, b)
	returned = true
	return c, h
}

// receive reads a request from nc, which is raw or TLS over it, and answers it.
func (s *Server) receive(raw, nc net.Conn, b *[]byte) (*Conn, Handler) {
	b, end, err := readHead(nc, b, s.maxHeader(), "")
	defer putBuffer(b)
	s.mu.Lock()
	s.pending[raw] = false // Shutdown sets no deadline from here on
	closing := s.isClosing()
	s.mu.Unlock()
	if err != nil {
		if closing && len(*b) > 0 {
			refuseClosing().send(nc)
		} else {
			failHead(nc, err, len(*b), "Server")
		}
		return nil, nil
	}
	h := &hello{}
	fields, ref := h.fromHead((*b)[:end])
	if s.HTTP != nil && !h.upgrade {
		// What is malformed goes there too: how lenient to be with ordinary
		// requests is for net/http to say.
		s.passOn(nc, *b)
		return nil, nil
	}
	if ref == nil {
		ref = h.check()
	}
	var handler Handler
	var o *AcceptOptions
	var set *settings
	if ref == nil {
		handler, o, set, ref = s.decide(&Request{hello: h, fields: fields, nc: nc, ctx: s.ctx})
	}
	var d deal
	if ref == nil {
		t := o.terms()
		d, ref = h.settle(&t)
	}
	if ref != nil {
		ref.send(nc)
		return nil, nil
	}
	c, err := openConn(nc, h, &d, o.Header, birth{buffered: (*b)[end:], set: set, onGone: s.onGone, wrap: o.Wrap})
	if err != nil {
		return nil, nil
	}
	return c, handler
}

// failTLS gives up a connection that did not get through its TLS handshake.
func (s *Server) failTLS(raw net.Conn, err error) {
	var re tls.RecordHeaderError
	if errors.As(err, &re) && re.Conn != nil && all(string(re.RecordHeader[:]), inToken|inTarget|inValue) {
		refuse(http.StatusBadRequest, "this port speaks TLS: use wss:// or https://").send(raw)
		return
	}
	raw.Close()
	if !errors.Is(err, io.EOF) {
		s.logger().Debug("websocket server: TLS handshake failed", "remote", raw.RemoteAddr(), "error", err)
	}
}
