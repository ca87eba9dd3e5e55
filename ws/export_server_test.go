//go:build !js

package ws

// Surrendered is how many handshakes goroutines see to.
func Surrendered(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// Handshakes is how many are under way.
func Handshakes(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.slots)
}

// Closing reports whether Shutdown or Close has begun.
func Closing(s *Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isClosing()
}

// Pokes returns a function for each listener of s that has it look for connections.
func Pokes(s *Server) (pokes []func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.acceptors {
		pokes = append(pokes, a.ln.Kick)
	}
	return pokes
}

// HoldsBuffer reports whether c, which nobody reads, holds a read buffer.
func HoldsBuffer(c *Conn) bool { return c.read.intake != nil && c.read.intake.buf != nil }
