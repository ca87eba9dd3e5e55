//go:build !js

package ws

import (
	"context"
	"net/http"
	"slices"
)

const closingReason = "server is shutting down"

// Shutdown ends the Server gently: it stops accepting, sends a close frame with
// 1001 (going away) to every connection, and waits until all are closed and
// ordinary requests are answered. When ctx ends first, it closes what is left as
// Close does and returns ctx's error. Connections whose peers do not answer are
// closed after their CloseTimeout.
//
// It may be called any number of times, from any goroutine; called from a
// Handler it waits for that Handler too.
func (s *Server) Shutdown(ctx context.Context) error {
	conns, web := s.beginClose(false)
	for _, c := range conns {
		c.sendClose(StatusGoingAway, closingReason)
	}
	err := error(nil)
	if web != nil {
		err = web.Shutdown(ctx)
	}
	if err == nil {
		select {
		case <-s.drained:
		case <-ctx.Done():
			select {
			case <-s.drained: // both came true: the order is chance's
			default:
				err = ctx.Err()
			}
		}
	}
	if err != nil {
		s.Close()
		return prefixed(err)
	}
	s.cancel()
	return nil
}

// Close ends the Server at once: listeners, handshakes, connections and ordinary
// requests, without closing handshakes. It returns nil.
func (s *Server) Close() error {
	conns, web := s.beginClose(true)
	if web != nil {
		web.Close()
	}
	for _, c := range conns {
		c.abort()
	}
	s.cancel()
	return nil
}

// beginClose stops accepting, and cuts the handshakes under way or stops waiting
// for their requests. It returns the open connections, and the http.Server to end
// if there is one.
func (s *Server) beginClose(cut bool) ([]*Conn, *http.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
	s.stop()
	if !s.isClosing() {
		close(s.closing)
	}
	s.cut = s.cut || cut
	for nc, reading := range s.pending {
		if cut {
			nc.Close()
		} else if reading {
			nc.SetReadDeadline(longAgo) // a request that has arrived is answered
		}
	}
	for c := range s.silent { // a request that has arrived is answered
		if cut {
			c.desc.Shutdown()
		}
		c.desc.Kick()
	}
	conns := slices.Clone(s.conns)
	s.checkDrained()
	return conns, s.web
}
