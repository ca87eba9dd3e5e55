//go:build !js

package ws

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// controlRate counts control frames by the second.
type controlRate struct {
	second uint32
	n      int32
}

// maxPongQueue is how many bytes may wait before further pings go unanswered: a
// peer that pings and does not read must not fill the queue.
const maxPongQueue = 64 << 10

// controlFrame answers a control frame. p is unmasked, and lies in the read
// buffer.
func (c *Conn) controlFrame(op frame.Opcode, p []byte) error {
	r := &c.read
	if limit := c.set.ControlRate; limit > 0 {
		second := c.wheel.now.Load() / uint32(time.Second/tick)
		if second != r.control.second {
			r.control = controlRate{second: second}
		}
		if r.control.n++; int(r.control.n) > limit {
			return c.refuse(StatusPolicyViolation, ErrControlFlood)
		}
	}
	switch op {
	case frame.Close:
		return c.closeFrame(p)
	case frame.Ping:
		c.sendPong(p)
		if h, ok := c.handler.(PingHandler); ok {
			c.guard(func() { h.Ping(c, p) })
		}
	case frame.Pong:
		c.pongArrived(p)
		if h, ok := c.handler.(PongHandler); ok {
			c.guard(func() { h.Pong(c, p) })
		}
	}
	return nil
}

// sendPong queues the answer to a ping (RFC 6455 section 5.5.3), in order and
// without waiting.
func (c *Conn) sendPong(p []byte) {
	w := &c.out
	w.lock()
	if c.cannotWrite() != nil || w.queued() > maxPongQueue+c.set.WriteQueue {
		w.mu.Unlock()
		return
	}
	c.appendFrame(frame.Header{Fin: true, Opcode: frame.Pong}, p)
	c.flushLater()
}

// A ping of ours carries eight bytes: its mark, the time it left in nanoseconds
// since the Engine was made. No two pings of a connection share one.

// pingWait is a Ping under way.
type pingWait struct {
	mark int64
	done chan struct{} // closed by the pong, or by the end of the connection
	rtt  time.Duration // 0 when it was the end
}

// sendPing queues a ping, without waiting. wait, if given, is told of the pong.
func (c *Conn) sendPing(wait *pingWait) error {
	w := &c.out
	w.lock()
	if err := c.cannotWrite(); err != nil {
		w.mu.Unlock()
		return err
	}
	mark := max(int64(time.Since(c.wheel.born)), c.pinged.Load()+1)
	c.pinged.Store(mark)
	if wait != nil {
		wait.mark = mark
		c.mu.Lock()
		if ce := c.ended.Load(); ce != nil { // after cannotWrite looked
			c.mu.Unlock()
			w.mu.Unlock()
			return ce
		}
		x := c.more()
		x.pings = append(x.pings, wait)
		c.mu.Unlock()
	}
	var p [8]byte
	binary.BigEndian.PutUint64(p[:], uint64(mark))
	c.appendFrame(frame.Header{Fin: true, Opcode: frame.Ping}, p[:])
	c.flushLater()
	return nil
}

// Ping sends a ping, waits for its pong and returns the round trip. Pongs are
// seen by whoever reads: without a concurrent Read, Messages loop or Attach, Ping
// waits until ctx ends.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, c.orEnd(err)
	}
	wait := &pingWait{done: make(chan struct{})}
	if err := c.sendPing(wait); err != nil {
		return 0, err
	}
	select {
	case <-wait.done:
		if wait.rtt == 0 {
			return 0, c.ended.Load()
		}
		return wait.rtt, nil
	case <-ctx.Done():
		c.takePing(wait.mark)
		return 0, c.orEnd(ctx.Err())
	}
}

// takePing returns the Ping that waits for mark, which waits no more.
func (c *Conn) takePing(mark int64) *pingWait {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil {
		return nil
	}
	for i, p := range c.extra.pings {
		if p.mark == mark {
			c.extra.pings = append(c.extra.pings[:i], c.extra.pings[i+1:]...)
			return p
		}
	}
	return nil
}

// pongArrived matches a pong to our pings. One that answers none is legal (RFC
// 6455 section 5.5.3) and ignored.
func (c *Conn) pongArrived(p []byte) {
	if len(p) != 8 {
		return
	}
	mark := int64(binary.BigEndian.Uint64(p))
	rtt := max(1, time.Since(c.wheel.born)-time.Duration(mark))
	wait := c.takePing(mark)
	if wait != nil || mark == c.pinged.Load() {
		c.rtt.Store(uint32(min(max(rtt.Round(time.Microsecond)/time.Microsecond, 1), math.MaxUint32)))
	}
	if wait != nil {
		wait.rtt = rtt
		close(wait.done)
	}
}
