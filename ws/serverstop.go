//go:build !js

package ws

import "context"

// StopAccepting closes the listeners, from which the Serve methods return with
// [ErrServerClosed], and waits until everybody who had been accepted by then has
// had an answer, or ctx ends, whose error it then returns. Connections stay open,
// those that come of these handshakes too. HTTP ends the connections on which
// nothing is under way, and the others behind their next answer. Who connects and says nothing is waited for, so
// ctx should end soon.
//
// It is for what comes before [Server.Shutdown] where another process accepts from
// the same socket: Shutdown closes who has connected and has not yet sent a
// request.
func (s *Server) StopAccepting(ctx context.Context) error {
	s.mu.Lock()
	s.start()
	s.stop()
	web := s.web
	s.mu.Unlock()
	if web != nil {
		web.SetKeepAlivesEnabled(false)
	}
	select {
	case <-s.settled:
		return nil
	case <-ctx.Done():
		return prefixed(ctx.Err())
	}
}

// stop ends the accepting; the caller holds mu.
func (s *Server) stop() {
	if !s.stopped() {
		close(s.stopping)
	}
	for a := range s.acceptors {
		if a.listens {
			a.ln.Close() // before its number is closed: elsewhere the socket lives on, and would be watched for ever
		}
	}
	for ln := range s.listeners {
		ln.Close()
	}
	s.checkSettled()
}

// stopped reports whether StopAccepting, Shutdown or Close has begun.
func (s *Server) stopped() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// checkSettled notes when nobody accepts any more and no handshake is under way; the
// caller holds mu. An acceptor has a slot before it accepts, or ends its Serve only with one.
func (s *Server) checkSettled() {
	if s.stopped() && len(s.listeners)+len(s.slots) == 0 {
		select {
		case <-s.settled:
		default:
			close(s.settled)
		}
	}
}
