package bridge

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
)

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
