//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unique"

	"golang.org/x/sys/unix"
)

var errEvents = errors.New("engine: reading and writing are by events")

// Conn is the net.Conn of a Descriptor: addresses, socket options and closing. It
// neither reads nor writes.
type Conn struct {
	d     *Descriptor
	local unique.Handle[netip.AddrPort] // many connections share one
	ip    [16]byte                      // remote: a netip.AddrPort is twice as large
	port  uint16
	other *[2]net.Addr // local and remote, where they are not TCP's or have a zone
}

// newConn takes what is needed of nc, which is about to be closed.
func newConn(d *Descriptor, nc net.Conn) *Conn {
	c := &Conn{d: d}
	local, ok1 := nc.LocalAddr().(*net.TCPAddr)
	remote, ok2 := nc.RemoteAddr().(*net.TCPAddr)
	if !ok1 || !ok2 {
		c.other = &[2]net.Addr{nc.LocalAddr(), nc.RemoteAddr()}
		return c
	}
	c.between(unique.Make(local.AddrPort()), remote.AddrPort())
	return c
}

// between keeps TCP's addresses.
func (c *Conn) between(local unique.Handle[netip.AddrPort], remote netip.AddrPort) {
	c.local = local
	if remote.Addr().Zone() != "" {
		c.other = &[2]net.Addr{nil, net.TCPAddrFromAddrPort(remote)}
		return
	}
	c.ip, c.port = remote.Addr().As16(), remote.Port()
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr {
	if c.other != nil && c.other[0] != nil {
		return c.other[0]
	}
	local := c.local.Value()
	if local.Addr().IsUnspecified() && c.d.use() { // the listener's
		defer c.d.done()
		switch a, _ := unix.Getsockname(int(c.d.fd)); a := a.(type) {
		case *unix.SockaddrInet4:
			return &net.TCPAddr{IP: a.Addr[:], Port: a.Port}
		case *unix.SockaddrInet6:
			return &net.TCPAddr{IP: a.Addr[:], Port: a.Port, Zone: local.Addr().Zone()}
		}
	}
	return net.TCPAddrFromAddrPort(local)
}

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr {
	if c.other != nil {
		return c.other[1]
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(c.ip).Unmap(), c.port))
}

// SyscallConn gives access to the descriptor for socket options: Read and Write of
// what it returns fail.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{c.d}, nil }

type rawConn struct{ d *Descriptor }

func (r rawConn) Control(f func(fd uintptr)) error {
	if !r.d.use() {
		return net.ErrClosed
	}
	defer r.d.done()
	f(uintptr(r.d.fd))
	return nil
}

func (r rawConn) Read(func(uintptr) bool) error  { return errEvents }
func (r rawConn) Write(func(uintptr) bool) error { return errEvents }

// Close ends the connection, and has the owner called, who then closes the
// Descriptor.
func (c *Conn) Close() error {
	c.d.Shutdown()
	return nil
}

// Read fails.
func (c *Conn) Read([]byte) (int, error) { return 0, errEvents }

// Write fails.
func (c *Conn) Write([]byte) (int, error) { return 0, errEvents }

// SetDeadline fails: nothing waits here.
func (c *Conn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline fails: nothing waits here.
func (c *Conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline fails: nothing waits here.
func (c *Conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
