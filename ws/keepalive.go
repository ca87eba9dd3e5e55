//go:build !js

package ws

import "sync/atomic"

// tickState is what the wheel reads of a connection, in ticks. Zero means
// "not now" where a field is a moment.
type tickState struct {
	heard   atomic.Uint32 // bytes last came
	waiting atomic.Bool   // somebody waits for bytes, and none are there
	begun   atomic.Uint32 // a message began and has not ended
	stuck   atomic.Uint32 // a write began and has not ended
	dead    atomic.Uint32 // the closing must be over

	pinged uint32 // the last keepalive ping; owned by the wheel
	missed int    // unanswered in a row; owned by the wheel
}

// needs is the wheel's quick look, under its lock: a few loads and no more.
func (c *Conn) needs(now uint32) bool {
	t := &c.ticks
	if dead := t.dead.Load(); dead != 0 {
		return int32(now-dead) >= 0
	}
	s := c.set
	if past(now, t.stuck.Load(), s.writeTicks) {
		return true
	}
	if past(now, t.begun.Load(), s.messageTicks) {
		return true
	}
	if s.pingTicks == 0 {
		return false
	}
	heard := t.heard.Load()
	return now-heard >= s.pingTicks && (t.pinged == 0 || now-t.pinged >= s.pingTicks || int32(heard-t.pinged) > 0)
}

// tend does what needs found. It never blocks.
func (c *Conn) tend(now uint32) {
	t := &c.ticks
	if dead := t.dead.Load(); dead != 0 {
		c.finish(&CloseError{By: Network, Code: StatusAbnormalClosure, Cause: errCloseTimeout})
		c.kill()
		return
	}
	if c.ended.Load() != nil {
		return
	}
	if past(now, t.stuck.Load(), c.set.writeTicks) {
		count.writeStuck.Add(1)
		c.finish(&CloseError{By: Network, Code: StatusAbnormalClosure, Cause: ErrWriteStuck})
		c.kill()
		return
	}
	if past(now, t.begun.Load(), c.set.messageTicks) && t.waiting.Load() {
		c.refuse(StatusPolicyViolation, ErrMessageStuck)
		return
	}
	heard := t.heard.Load()
	if c.set.pingTicks == 0 || now-heard < c.set.pingTicks {
		return
	}
	if t.pinged == 0 || int32(heard-t.pinged) >= 0 {
		t.missed = 0
	} else if t.waiting.Load() {
		// Only while somebody reads does silence prove anything: the pong may
		// lie unread behind a busy handler.
		if t.missed++; t.missed >= c.set.PingMisses {
			count.silent.Add(1)
			c.finish(&CloseError{By: Network, Code: StatusAbnormalClosure, Cause: ErrSilent})
			c.kill()
			return
		}
	}
	t.pinged = moment(now)
	c.sendPing(nil)
}
