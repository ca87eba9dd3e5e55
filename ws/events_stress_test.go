//go:build !js

package ws_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// chaos is the handler of one connection of the stress test. It echoes, and does
// whatever a handler may do, at random.
type chaos struct {
	s      *stress
	id     uint32
	opened atomic.Int32
	closed atomic.Int32
	inside atomic.Int32
}

type stress struct {
	t       *testing.T
	mu      sync.Mutex
	conns   []*ws.Conn // of all ages
	refused sync.Map   // id and number of the messages for which a queue was too full
	handled atomic.Int64
	over    sync.WaitGroup
}

var noise = make([]byte, 50_000)

// any returns one of the connections, which may have ended.
func (s *stress) any() *ws.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[rand.IntN(len(s.conns))]
}

func (h *chaos) enter() func() {
	if h.inside.Add(1) != 1 {
		h.s.t.Error("two events of a connection at once")
	}
	if h.closed.Load() != 0 {
		h.s.t.Error("an event after Closed")
	}
	return func() { h.inside.Add(-1) }
}

func (h *chaos) Opened(c *ws.Conn) {
	defer h.enter()()
	if h.opened.Add(1) != 1 {
		h.s.t.Error("Opened came twice")
	}
	h.fault(c)
}

func (h *chaos) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	defer h.enter()()
	h.s.handled.Add(1)
	if typ == ws.Binary { // text is noise
		if id := binary.BigEndian.Uint32(p); id != h.id {
			h.s.t.Errorf("connection %d got a message of %d", h.id, id)
		}
		if errors.Is(c.Write(context.Background(), typ, p), ws.ErrQueueFull) {
			h.s.refused.Store([2]uint32{h.id, binary.BigEndian.Uint32(p[4:])}, true)
		}
	}
	h.fault(c)
}

func (h *chaos) Closed(c *ws.Conn, err error) {
	defer h.s.over.Done()
	defer h.enter()()
	if h.closed.Add(1); h.opened.Load() != 1 || err == nil {
		h.s.t.Errorf("Closed after %d Opened, with %v", h.opened.Load(), err)
	}
	h.closed.Store(1)
}

func (h *chaos) Drained(*ws.Conn) {
	if h.closed.Load() != 0 {
		h.s.t.Error("Drained after Closed")
	}
}

func (h *chaos) fault(c *ws.Conn) {
	switch rand.IntN(150) {
	case 0:
		panic("at random")
	case 1:
		runtime.Goexit()
	case 2:
		c.CloseNow()
	case 3:
		c.Close(ws.StatusGoingAway, "at random")
	case 4, 5, 6:
		time.Sleep(time.Duration(rand.IntN(4000)) * time.Microsecond)
	case 7, 8, 9, 10:
		h.s.any().TryWrite(ws.Text, noise[:rand.IntN(len(noise))])
	case 11:
		h.s.any().CloseNow()
	case 12:
		go h.s.any().Close(ws.StatusNormalClosure, "")
	case 13:
		for n := 0; n < 60 && c.TryWrite(ws.Text, noise); n++ { // until the queue is full
		}
	case 14:
		c.Write(context.Background(), ws.Text, noise)
	case 15:
		if w, err := c.Writer(context.Background(), ws.Text); err == nil {
			w.Write(noise)
			if rand.IntN(2) == 0 {
				w.Cancel()
			} else {
				w.Close()
			}
		}
	}
}

// TestStress runs connections that end in every way, whose handlers do what they
// like. Every message that comes back is right, every connection is told its end
// once, and nothing is left: no goroutine, no descriptor, no byte of the budget.
func TestStress(t *testing.T) {
	leakCheck(t)
	const peers, generations = 12, 12
	s := &stress{t: t}
	e, budget := ws.NewEngine(), ws.NewBudget(64<<20)
	o := ws.ConnOptions{
		Engine: e, Budget: budget, Logger: slog.New(slog.DiscardHandler), CloseTimeout: 100 * time.Millisecond,
		WriteQueue: 256 << 10, QueuePolicy: ws.RefuseWrite,
	}
	var all sync.WaitGroup
	for k := range peers {
		all.Go(func() {
			for g := range generations {
				a, b := streams[evented[(k+g)%2]](t)
				c := ws.NewConn(b, ws.Params{ConnOptions: o})
				s.mu.Lock()
				s.conns = append(s.conns, c)
				if len(s.conns) > 30 {
					s.conns = s.conns[1:]
				}
				s.mu.Unlock()
				h := &chaos{s: s, id: uint32(k*1000 + g)}
				s.over.Add(1)
				if c.Attach(h) != nil { // somebody was quicker
					s.over.Done()
				}
				s.peer(a.(net.Conn), h.id)
				a.Close()
			}
		})
	}
	all.Wait()
	over := make(chan struct{})
	go func() { s.over.Wait(); close(over) }()
	await(t, over, "every Closed")
	waitFor(t, func() bool { return e.Open() == 0 })
	waitFor(t, func() bool { return budget.Used() == 0 })
	t.Logf("%d messages", s.handled.Load())
}

// peer sends numbered messages and checks what comes back, until it or the other
// end has had enough.
func (s *stress) peer(nc net.Conn, id uint32) {
	nc.SetDeadline(time.Now().Add(patience))
	size := []int{8, 100, 5000, 60_000}[rand.IntN(4)]
	messages := 1 + rand.IntN(100)
	if size > 10_000 {
		messages = 1 + rand.IntN(15)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range messages {
			p := make([]byte, size)
			binary.BigEndian.PutUint32(p, id)
			binary.BigEndian.PutUint32(p[4:], uint32(i))
			wire := rawFrame(true, frame.Binary, p)
			if rand.IntN(4) == 0 {
				wire = append(wire, rawFrame(true, frame.Ping, []byte("?"))...)
			}
			cut := rand.IntN(len(wire))
			if rand.IntN(2) == 0 {
				cut = len(wire)
			}
			nc.Write(wire[:cut])
			if cut < len(wire) {
				runtime.Gosched()
			}
			if _, err := nc.Write(wire[cut:]); err != nil {
				return
			}
		}
		if rand.IntN(2) == 0 {
			nc.(interface{ CloseWrite() error }).CloseWrite()
		} else {
			nc.Write(rawFrame(true, frame.Close, []byte{3, 232}))
		}
	}()
	stop, next := rand.IntN(2*messages), 0
	head := make([]byte, frame.MaxHeaderSize)
	for next < messages && next < stop {
		h, err := frame.ReadHeader(nc, head)
		p := make([]byte, h.Length)
		if err == nil {
			_, err = io.ReadFull(nc, p)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.t.Errorf("%d waits for message %d of %d, of %d bytes, in vain", id, next, messages, size)
		}
		if err != nil || h.Opcode == frame.Close {
			break
		}
		if h.Opcode != frame.Binary {
			continue
		}
		got, i := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
		for next < int(i) {
			if _, ok := s.refused.Load([2]uint32{id, uint32(next)}); !ok {
				break
			}
			next++
		}
		if got != id || int(i) != next || len(p) != size {
			s.t.Errorf("%d got message %d of %d, %d bytes; it waits for %d", id, i, got, len(p), next)
			break
		}
		next++
	}
	if tcp, ok := nc.(*net.TCPConn); ok && rand.IntN(3) == 0 {
		tcp.SetLinger(0) // a reset
	}
	nc.Close()
	<-sent
}
