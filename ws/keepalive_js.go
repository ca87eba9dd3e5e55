package ws

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// A browser answers pings and lets programs send none, so that the wheel sees to
// writes that are stuck and to closing handshakes alone.

var errNoPing = errors.New("ws: a browser does not let programs ping")

// Ping returns an error: a browser does not let programs ping.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) { return 0, errNoPing }

// RTT returns 0: a browser does not let programs ping.
func (c *Conn) RTT() time.Duration { return 0 }

// tickState is what the wheel needs to know of a connection.
type tickState struct {
	dead   atomic.Uint32 // the closing must be over; 0: not now
	passed int64         // bytes that the browser has passed on; owned by the wheel
	moved  uint32        // when that last changed; owned by the wheel
}

// monitor is of no use here: nothing is held back.
type monitor struct{}

// endBy bounds what is left of the connection's life, once.
func (c *Conn) endBy() {
	c.ticks.dead.CompareAndSwap(0, moment(c.wheel.now.Load()+ticks(c.set.CloseTimeout)+1))
}

// needs is the wheel's quick look, under its lock.
func (c *Conn) needs(now uint32) bool {
	t := &c.ticks
	if dead := t.dead.Load(); dead != 0 {
		return int32(now-dead) >= 0
	}
	left := int64(c.socket.buffered())
	passed := c.out.sent.Load() - left
	if left == 0 || passed != t.passed {
		t.passed, t.moved = passed, moment(now)
		return false
	}
	return past(now, t.moved, c.set.writeTicks)
}

// tend does what needs found. It never blocks.
func (c *Conn) tend(now uint32) {
	cause := ErrWriteStuck
	if c.ticks.dead.Load() != 0 {
		cause = errCloseTimeout
	}
	if c.finish(&CloseError{By: Network, Code: StatusAbnormalClosure, Cause: cause}) && cause == ErrWriteStuck {
		count.writeStuck.Add(1)
	}
	c.socket.close(StatusNoStatusRcvd, "")
	c.letGo()
}
