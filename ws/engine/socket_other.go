//go:build !unix

package engine

import "net"

// Source gives a Socket the memory to read into.
type Source interface {
	Space() []byte
	Wait()
}

// Socket is never open on this platform: callers use the net.Conn.
type Socket struct{}

// Open reports false.
func (s *Socket) Open(nc net.Conn) bool { return false }

// Read is never reached.
func (s *Socket) Read(src Source) (int, error) { return 0, errNoSocket }

// Wakes is never reached.
func (s *Socket) Wakes(wake func(fd uintptr) bool) error { return errNoSocket }

// Progress hears of a Write that goes on.
type Progress interface{ Moved() }

// Write is never reached.
func (s *Socket) Write(head, rest []byte, p Progress) (int, error) { return 0, errNoSocket }

// TryWrite is never reached.
func (s *Socket) TryWrite(p []byte) (int, error) { return 0, errNoSocket }

// Unsent is never reached.
func (s *Socket) Unsent() int { return -1 }

// Available is never reached.
func (s *Socket) Available() int { return 0 }

// Unread is never reached.
func (s *Socket) Unread() bool { return false }

// Broken is never reached.
func (s *Socket) Broken() bool { return false }

// CloseWrite is never reached.
func (s *Socket) CloseWrite() error { return errNoSocket }

// Shutdown is never reached.
func (s *Socket) Shutdown() error { return errNoSocket }

// OpError is never reached.
func (s *Socket) OpError(err error) error { return err }

// Recv is never reached.
func Recv(fd uintptr, p []byte) (n, left int, err error) { return 0, -1, errNoSocket }

// WouldBlock is never reached.
func WouldBlock(err error) bool { return false }
