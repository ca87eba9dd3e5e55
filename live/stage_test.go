package live_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws/wstest"
)

// stage is where a history is played: its clock, and its network.
type stage struct {
	play   func(t *testing.T, f func(t *testing.T))
	listen func(t *testing.T) (net.Listener, dialer)
	haste  time.Duration // by how much waits are shorter
	steps  int
	rest   func(w *world) // until nothing more happens
}

// dialer connects to a hub, over a connection that can be hurt.
type dialer func(ctx context.Context) (net.Conn, link, error)

// link is a connection as its network sees it.
type link interface {
	reset()
	// stall holds back what the client sends, what it is sent, or both, until the next call.
	stall(out, in bool)
}

// virtual is a network in memory under virtual time.
var virtual = &stage{
	play: bubble,
	listen: func(*testing.T) (net.Listener, dialer) {
		ln := wstest.Listen(wstest.PipeOptions{Buffer: 8 << 10})
		return ln, func(ctx context.Context) (net.Conn, link, error) {
			c, err := ln.DialContext(ctx, "tcp", "hub")
			if err != nil {
				return nil, nil, err
			}
			return c, pipe{c.(*wstest.PipeConn)}, nil
		}
	},
	haste: 1,
	steps: 400,
	rest: func(w *world) {
		for range 5 {
			time.Sleep(30 * time.Second)
			w.broker.announce()
		}
		synctest.Wait()
	},
}

type pipe struct{ c *wstest.PipeConn }

func (p pipe) reset() { p.c.Reset() }
func (p pipe) stall(out, in bool) {
	p.c.SetFaults(wstest.Faults{Stall: out})
	p.c.Peer().SetFaults(wstest.Faults{Stall: in})
}

// loopback is TCP in real time, which the engine drives at both ends.
var loopback = &stage{
	play: func(t *testing.T, f func(t *testing.T)) { f(t) },
	listen: func(t *testing.T) (net.Listener, dialer) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return thin{ln}, func(ctx context.Context) (net.Conn, link, error) { return newRelay(ctx, ln.Addr().String()) }
	},
	haste: 25,
	steps: 250,
	rest: func(w *world) {
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			w.broker.announce()
			if w.behind() == "" {
				time.Sleep(50 * time.Millisecond) // what comes too often shows itself
				return
			}
		}
	},
}

// thin is a listener whose connections hold little that is on its way.
type thin struct{ net.Listener }

func (l thin) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// relay stands between a client's socket and a hub's, as a network does.
type relay struct {
	ends [2]*net.TCPConn // the client's, the hub's

	mu     sync.Mutex
	moved  sync.Cond
	stalls [2]bool // what comes from that end
	ended  int     // directions that are over
	over   bool
}

func newRelay(ctx context.Context, hub string) (net.Conn, link, error) {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer front.Close()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", front.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	near, err := front.Accept()
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	far, err := d.DialContext(ctx, "tcp", hub)
	if err != nil {
		c.Close()
		near.Close()
		return nil, nil, err
	}
	r := &relay{ends: [2]*net.TCPConn{near.(*net.TCPConn), far.(*net.TCPConn)}}
	r.moved.L = &r.mu
	for i, e := range r.ends {
		e.SetReadBuffer(16 << 10)
		e.SetWriteBuffer(4 << 10)
		go r.carry(i)
	}
	return c, r, nil
}

// carry brings what comes from one end to the other.
func (r *relay) carry(from int) {
	p := make([]byte, 2<<10)
	for {
		n, err := r.ends[from].Read(p)
		r.mu.Lock()
		for r.stalls[from] && !r.over {
			r.moved.Wait()
		}
		if err == io.EOF {
			r.ended++
		}
		ended := r.ended
		r.mu.Unlock()
		if err == io.EOF && ended == 1 && r.ends[1-from].CloseWrite() == nil {
			return
		}
		if err == nil {
			_, err = r.ends[1-from].Write(p[:n])
		}
		if err != nil {
			r.reset()
			return
		}
	}
}

// reset ends both connections. What was sent and is still under way may be lost.
func (r *relay) reset() {
	r.mu.Lock()
	r.over = true
	r.moved.Broadcast()
	r.mu.Unlock()
	for _, e := range r.ends {
		e.SetLinger(0)
		e.Close()
	}
}

func (r *relay) stall(out, in bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalls = [2]bool{out, in}
	r.moved.Broadcast()
}
