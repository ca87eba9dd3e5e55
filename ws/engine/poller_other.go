//go:build !linux && !((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"net"
	"sync/atomic"
)

// Events is the owner of a Descriptor.
type Events interface {
	Readable() bool
	Writable()
	Blocked()
}

// Poller watches nothing on this platform: callers use a goroutine for each
// connection.
type Poller struct{ stats Stats }

// Work does nothing.
func Work(int64) {}

// Stats stay zero.
type Stats struct{ Takeovers, Dispatched, Stale, Apart atomic.Int64 }

// Stats returns the counters.
func (p *Poller) Stats() *Stats { return &p.stats }

// Add takes nothing.
func (p *Poller) Add(*Descriptor, net.Conn, Events, bool) (net.Conn, error) { return nil, errNoSocket }

// Descriptor is never open on this platform.
type Descriptor struct{}

// Close does nothing.
func (d *Descriptor) Close() {}

// Kick is never reached.
func (d *Descriptor) Kick() {}

// Resume is never reached.
func (d *Descriptor) Resume() {}

// Idle is never reached.
func (d *Descriptor) Idle() bool { return false }

// Watched is never reached.
func (d *Descriptor) Watched() bool { return false }

// Read is never reached.
func (d *Descriptor) Read([]byte) (n int, more bool, err error) { return 0, false, errNoSocket }

// ReadPast is never reached.
func (d *Descriptor) ReadPast(p, spare []byte) (n int, more bool, err error) {
	return 0, false, errNoSocket
}

// Write is never reached.
func (d *Descriptor) Write([]byte) (int, error) { return 0, errNoSocket }

// WriteAll is never reached.
func (d *Descriptor) WriteAll([][]byte) (int, error) { return 0, errNoSocket }

// Sated is never reached.
func (d *Descriptor) Sated() {}

// Unread is never reached.
func (d *Descriptor) Unread() bool { return false }

// Unsent is never reached.
func (d *Descriptor) Unsent() int { return -1 }

// CloseWrite is never reached.
func (d *Descriptor) CloseWrite() error { return errNoSocket }

// Shutdown is never reached.
func (d *Descriptor) Shutdown() error { return errNoSocket }

// Surrender is never reached.
func (d *Descriptor) Surrender() (net.Conn, error) { return nil, errNoSocket }

// Listener is never open on this platform.
type Listener struct{}

// Accepted is a connection that nobody watches yet.
type Accepted struct{}

// Listen takes nothing.
func (p *Poller) Listen(*Listener, net.Listener, Events) error { return errNoSocket }

// Adopt is never reached.
func (p *Poller) Adopt(*Descriptor, *Listener, Accepted, Events, func(net.Conn)) error {
	return errNoSocket
}

// Accept is never reached.
func (l *Listener) Accept() (Accepted, error) { return Accepted{}, errNoSocket }

// Open is never reached.
func (l *Listener) Open() bool { return false }

// Kick is never reached.
func (l *Listener) Kick() {}

// Close is never reached.
func (l *Listener) Close() {}
