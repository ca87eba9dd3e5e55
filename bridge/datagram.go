package bridge

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// datagrams is an end that is a connected UDP socket.
type datagrams struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	count *counters
	buf   scratch
	lasting
}

// lasting is what datagrams have in common: nobody says when they are over.
type lasting struct{}

func (lasting) await(context.Context) error { return nil }
func (lasting) finish() bool                { return false }
func (lasting) unsent() int                 { return 0 }
func (lasting) gone() bool                  { return false }

func newDatagrams(conn *net.UDPConn, count *counters) *datagrams {
	raw, _ := conn.SyscallConn()
	return &datagrams{conn: conn, raw: raw, count: count}
}

func (d *datagrams) next() ([]byte, error) {
	for {
		p, _, err := receive(d.conn, d.raw, &d.buf, 0)
		if refused(err) { // what an earlier datagram met with
			d.count.dropped.Add(1)
			continue
		}
		return p, err
	}
}

func (d *datagrams) put(p []byte) error {
	_, err := d.conn.Write(p)
	if refused(err) { // so was an earlier one, and this one has not been sent
		d.count.dropped.Add(1)
		_, err = d.conn.Write(p)
	}
	return lost(err)
}

// lost is errDropped for a datagram that could not be sent where the next one may.
func lost(err error) error {
	if err == nil || errors.Is(err, net.ErrClosed) {
		return err
	}
	return errDropped
}

func (d *datagrams) close(error) { d.conn.Close() }

const maxQueued = 256 << 10 // bytes that wait for a UDP client's target

// A caller is an end that is one of the clients of a UDP socket that listens: those datagrams that come from its address.
type caller struct {
	conn  *net.UDPConn
	from  netip.AddrPort
	as    []byte // which address of ours it knows, as answering has it
	count *counters
	lasting

	mu     sync.Mutex
	queue  [][]byte
	queued int // bytes, and a little for each
	over   bool
	more   chan struct{}
	ended  chan struct{} // closed when over
}

func newCaller(conn *net.UDPConn, from netip.AddrPort, as []byte, count *counters) *caller {
	return &caller{conn: conn, from: from, as: as, count: count, more: make(chan struct{}, 1), ended: make(chan struct{})}
}

const queuedCost = 64 // of a datagram beside its bytes

// offer gives it a datagram that has come, which is copied, and reports whether there was room.
func (c *caller) offer(p []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.queued+len(p)+queuedCost > maxQueued {
		return false
	}
	c.queue = append(c.queue, append([]byte(nil), p...))
	c.queued += len(p) + queuedCost
	select {
	case c.more <- struct{}{}:
	default:
	}
	return true
}

func (c *caller) next() ([]byte, error) {
	for {
		c.mu.Lock()
		if len(c.queue) > 0 {
			p := c.queue[0]
			c.queue[0] = nil
			c.queue = c.queue[1:]
			c.queued -= len(p) + queuedCost
			c.mu.Unlock()
			return p, nil
		}
		c.queue = nil
		c.mu.Unlock()
		select {
		case <-c.more:
		case <-c.ended:
			return nil, net.ErrClosed
		}
	}
}

func (c *caller) put(p []byte) error {
	_, _, err := c.conn.WriteMsgUDPAddrPort(p, c.as, c.from)
	return lost(err)
}

// close drops what waits.
func (c *caller) close(error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	c.count.dropped.Add(int64(len(c.queue)))
	c.queue, c.queued = nil, 0
	close(c.ended)
}
