package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// listenPlain opens the socket of a rule that is no WebSocket's.
func listenPlain(w *way) (door, error) {
	if w.Listen.packets() {
		return listenPackets(w)
	}
	ln, err := w.listen()
	if err != nil {
		return nil, err
	}
	return &streamDoor{way: w, ln: ln}, nil
}

// listen opens the rule's socket for streams.
func (w *way) listen() (net.Listener, error) {
	ln, err := listen(w.Listen)
	if err != nil {
		return nil, err
	}
	return &candid{Listener: ln, log: w.bridge.log}, nil
}

// A candid listener says so when it fails, as where there are no descriptors left: once a minute, however often that is.
type candid struct {
	net.Listener
	log  *slog.Logger
	said time.Time
}

func (c *candid) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil && !errors.Is(err, net.ErrClosed) && time.Since(c.said) >= time.Minute {
		c.said = time.Now()
		c.log.Warn("clients cannot be accepted", "listen", c.Addr().String(), "error", err)
	}
	return conn, err
}

// listen opens a socket for streams.
func listen(e Endpoint) (net.Listener, error) {
	if e.network() != "unix" {
		return net.Listen(e.listens(), e.addr)
	}
	ln, err := net.Listen("unix", e.addr)
	if err != nil {
		// What a process leaves that was killed refuses clients. Any other answer is that of somebody who is there: too
		// busy for one more, for other users, or for datagrams.
		if info, e2 := os.Lstat(e.addr); e2 == nil && info.Mode().Type() == fs.ModeSocket {
			c, e3 := net.Dial("unix", e.addr)
			if e3 == nil {
				c.Close()
			}
			if !refused(e3) {
				return nil, fmt.Errorf("%w: somebody listens there", err)
			}
			os.Remove(e.addr)
			ln, err = net.Listen("unix", e.addr)
		}
	}
	return ln, err
}

// accept takes connections until the listener is closed, and waits where there are no descriptors left.
func accept(ln net.Listener, stopped <-chan struct{}, f func(net.Conn)) error {
	var rest pause
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			rest = 0
			f(conn)
		case errors.Is(err, net.ErrClosed):
			return nil
		case isTemporary(err):
			rest.take(stopped)
		default:
			return err
		}
	}
}

// A pause is what one takes after an error that may pass, the longer the more there are in a row.
type pause time.Duration

// take waits, but not when stopped is closed.
func (p *pause) take(stopped <-chan struct{}) {
	*p = min(max(2**p, pause(5*time.Millisecond)), pause(time.Second))
	select {
	case <-time.After(time.Duration(*p)):
	case <-stopped:
	}
}

func isTemporary(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && e.Temporary()
}

// A streamDoor listens for TCP, TLS or Unix streams.
type streamDoor struct {
	way  *way
	ln   net.Listener
	once sync.Once
}

func (d *streamDoor) addr() net.Addr { return d.ln.Addr() }
func (d *streamDoor) close()         { d.once.Do(func() { d.ln.Close() }) }

func (d *streamDoor) serve() error {
	w := d.way
	return accept(d.ln, w.bridge.closing.Done(), func(conn net.Conn) {
		g := &guest{from: conn.RemoteAddr(), to: conn.LocalAddr()}
		leave, err := w.admit(g.from)
		if err != nil {
			newStream(conn).close(err)
			return
		}
		w.bridge.relays.Go(func() {
			defer leave()
			if w.TLS != nil {
				if conn = w.greet(conn); conn == nil {
					return
				}
			}
			w.relay(w.stream(conn), w.Target, g)
		})
	})
}

// greet is the server's side of a TLS handshake. It returns nil where that fails.
func (w *way) greet(conn net.Conn) net.Conn {
	secure := tls.Server(conn, w.TLS)
	ctx, cancel := context.WithTimeout(w.bridge.closing, w.DialTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		w.turnAway(&w.refusedRequest, conn.RemoteAddr(), err)
		conn.Close()
		return nil
	}
	return secure
}

// A packetDoor listens for datagrams. Each address that sends some is a client.
type packetDoor struct {
	way  *way
	conn *net.UDPConn

	mu      sync.Mutex
	callers map[netip.AddrPort]*caller
	shut    bool
}

func listenPackets(w *way) (*packetDoor, error) {
	conn, err := net.ListenPacket(w.Listen.listens(), w.Listen.addr)
	if err != nil {
		return nil, err
	}
	d := &packetDoor{way: w, conn: conn.(*net.UDPConn), callers: map[netip.AddrPort]*caller{}}
	tellArrival(d.conn)
	return d, nil
}

func (d *packetDoor) addr() net.Addr { return d.conn.LocalAddr() }

// close lets no new client in. The socket stays for those who are in.
func (d *packetDoor) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	d.release()
}

// release closes the socket when nobody needs it any more. d.mu is held.
func (d *packetDoor) release() {
	if d.shut && len(d.callers) == 0 {
		d.conn.Close()
	}
}

func (d *packetDoor) serve() error {
	b := d.way.bridge
	in := &arrivals{conn: d.conn}
	receiveFrom(in, b.closing.Done(), b.log.With("listen", d.way.Listen.String()), func(p []byte, from netip.AddrPort) {
		c := d.caller(from, in)
		if c == nil || !c.offer(p) {
			d.way.dropped.Add(1)
		}
	})
	return nil
}

// receiveFrom takes datagrams until the socket is closed, and waits where it fails. p is f's until that returns.
func receiveFrom(conn packetReader, stopped <-chan struct{}, log *slog.Logger, f func(p []byte, from netip.AddrPort)) {
	p := make([]byte, bufferSize)
	var rest pause
	for {
		n, from, err := conn.ReadFromUDPAddrPort(p)
		switch {
		case err == nil:
			rest = 0
			f(p[:n], from)
		case errors.Is(err, net.ErrClosed):
			return
		case refused(err): // an ICMP message, about somebody who has gone
		default:
			if rest == 0 {
				log.Warn("datagrams cannot be received", "error", err)
			}
			rest.take(stopped)
		}
	}
}

// packetReader is what receives datagrams, such as a *net.UDPConn.
type packetReader interface {
	ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error)
}

// arrivals receives datagrams, and knows to which address the last one came.
type arrivals struct {
	conn *net.UDPConn
	oob  [64]byte
	size int
}

func (a *arrivals) ReadFromUDPAddrPort(p []byte) (n int, from netip.AddrPort, err error) {
	n, a.size, _, from, err = a.conn.ReadMsgUDPAddrPort(p, a.oob[:])
	return n, from, err
}

// answering is that of the last datagram.
func (a *arrivals) answering() []byte { return answering(a.oob[:a.size]) }

// caller returns the client of that address, who may be new; nil if there can be none.
func (d *packetDoor) caller(from netip.AddrPort, in *arrivals) *caller {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.callers[from]; c != nil || d.shut {
		return c
	}
	addr := net.UDPAddrFromAddrPort(from)
	leave, err := d.way.admit(addr)
	if err != nil {
		return nil
	}
	c := newCaller(d.conn, from, in.answering(), &d.way.counters)
	d.callers[from] = c
	w := d.way
	w.bridge.relays.Go(func() {
		defer leave()
		defer d.forget(from)
		w.relay(c, w.Target, &guest{from: addr, to: d.conn.LocalAddr()})
	})
	return c
}

func (d *packetDoor) forget(from netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.callers, from)
	d.release()
}
