//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"unique"

	"golang.org/x/sys/unix"
)

// Listener takes connections from a net.Listener by events, without a net.Conn for
// each.
type Listener struct {
	d     Descriptor
	raw   syscall.RawConn
	addr  net.Addr
	local unique.Handle[netip.AddrPort]
	tcp   bool

	take func(fd uintptr) // accept; made once
	got  Accepted         // of the Accept under way
	err  error
}

// Accepted is a connection that nobody watches yet.
type Accepted struct {
	fd     int
	remote netip.AddrPort
}

// Listen watches ln, if it is exactly a *net.TCPListener or a *net.UnixListener,
// and calls ev's Readable when connections wait. ln stays open and the caller's;
// closing it ends Accept, but is not an event. Nobody else may accept from it: ln's
// own Accept would not wake any more. TCP_NODELAY and keepalive are switched on as
// package net would for each connection.
func (p *Poller) Listen(l *Listener, ln net.Listener, ev Events) error {
	switch ln := ln.(type) {
	case *net.TCPListener:
		l.raw, _ = ln.SyscallConn()
		l.tcp = true
		if a, ok := ln.Addr().(*net.TCPAddr); ok {
			l.local = unique.Make(a.AddrPort())
		}
	case *net.UnixListener:
		if ln.Addr().Network() == "unix" {
			l.raw, _ = ln.SyscallConn()
		}
	}
	if l.raw == nil {
		return errNoSocket
	}
	l.addr = ln.Addr()
	l.take = l.accept
	l.d.title = borrowed
	var err error
	if e := l.raw.Control(func(fd uintptr) {
		if l.tcp { // connections have what their listener has
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
			keepAlive(int(fd))
		}
		if err = p.watch(&l.d, int(fd), ev, 0); err == nil {
			leaveRuntime(int(fd))
		}
	}); e != nil {
		return e
	}
	return err
}

// Accept takes a connection without waiting. One goroutine at a time may call it.
func (l *Listener) Accept() (Accepted, error) {
	l.got.fd = -1
	if err := l.raw.Control(l.take); err != nil {
		return l.got, err
	}
	if l.err != nil && !WouldBlock(l.err) {
		return l.got, &net.OpError{Op: "accept", Net: l.addr.Network(), Addr: l.addr, Err: os.NewSyscallError("accept", l.err)}
	}
	return l.got, l.err
}

func (l *Listener) accept(fd uintptr) {
	for {
		l.got.fd, l.got.remote, l.err = accept(int(fd))
		if l.err != unix.EINTR && l.err != unix.ECONNABORTED {
			return
		}
	}
}

// zoned returns an IPv6 peer's address. An interface's number stands for its name.
func zoned(ip netip.Addr, zone uint32) netip.Addr {
	if ip.Is4In6() {
		return ip.Unmap()
	}
	if zone != 0 {
		if ifi, err := net.InterfaceByIndex(int(zone)); err == nil {
			return ip.WithZone(ifi.Name)
		}
	}
	return ip
}

// Close closes a connection that nobody is to watch.
func (a Accepted) Close() { unix.Close(a.fd) }

// Open reports whether the net.Listener is open.
func (l *Listener) Open() bool { return l.raw.Control(func(uintptr) {}) == nil }

// Kick has Readable called once more.
func (l *Listener) Kick() { l.d.Kick() }

// Close ends the watching.
func (l *Listener) Close() {
	l.raw.Control(func(fd uintptr) { l.d.loop.kernel.remove(int(fd)) })
	l.d.Close()
}

// Adopt watches a connection that l has accepted. Reading is nobody's: ev may be
// called before Adopt returns, and finds nc, the Conn that stands for d, in place
// because set is called with it first. On an error the connection is closed.
func (p *Poller) Adopt(d *Descriptor, l *Listener, a Accepted, ev Events, set func(nc net.Conn)) error {
	c := &Conn{d: d}
	if l.tcp {
		c.between(l.local, a.remote)
	} else {
		c.other = &[2]net.Addr{l.addr, &net.UnixAddr{Net: "unix"}}
	}
	set(c)
	if err := p.watch(d, a.fd, ev, 0); err != nil {
		unix.Close(a.fd)
		return err
	}
	return nil
}

// Surrender gives the socket to package net, and closes the Descriptor. Reading
// must be the caller's.
func (d *Descriptor) Surrender() (net.Conn, error) {
	if !d.use() {
		return nil, net.ErrClosed
	}
	defer d.Close()
	defer d.done()
	fd, err := unix.FcntlInt(uintptr(d.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	d.title = shared
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}
