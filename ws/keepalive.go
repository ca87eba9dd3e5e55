//go:build !js

package ws

import (
	"sync/atomic"
	"time"
)

// tickState is what the wheel reads of a connection, in ticks. Zero means
// "not now" where a field is a moment.
type tickState struct {
	heard atomic.Uint32 // bytes last came
	begun atomic.Uint32 // a message began and has not ended
	stuck atomic.Uint32 // a write began and has not ended; see markStuck
	dead  atomic.Uint32 // the closing must be over

	looked uint32 // heard, plus one, when the socket was last looked at for a reset; owned by the wheel
	paused uint32 // since when nobody reads a message that has begun; owned by the reader
	pinged uint32 // the last keepalive ping; owned by the wheel
	unsent int32  // bytes in the socket's queue at the last look; owned by the wheel
	missed int32  // unanswered in a row, -1 where the next one does not count; owned by the wheel
}

// excuse takes time in which nobody read off the message that has begun.
func (t *tickState) excuse(ticks uint32) {
	if begun := t.begun.Load(); ticks != 0 && begun != 0 {
		t.begun.Store(moment(begun + ticks))
	}
}

// needs is the wheel's quick look, under its lock: a few loads and no more.
func (c *Conn) needs(now uint32) bool {
	t := &c.ticks
	if dead := t.dead.Load(); dead != 0 {
		return int32(now-dead) >= 0
	}
	s := c.set
	if s.writeTicks != 0 {
		c.markStuck(now)
	}
	if past(now, t.stuck.Load(), min(s.writeTicks, 1)) {
		return true // look at the socket's queue
	}
	if past(now, t.begun.Load(), s.messageTicks) {
		return true
	}
	heard := t.heard.Load()
	if c.mayHideReset(now, heard) {
		return true
	}
	return c.pingDue(now, heard)
}

// pingDue reports whether the silence has lasted since what came last, and since the
// last ping if nothing has come after that.
func (c *Conn) pingDue(now, heard uint32) bool {
	t, limit := &c.ticks, c.set.pingTicks
	return limit != 0 && now-heard >= limit && (t.pinged == 0 || now-t.pinged >= limit || int32(heard-t.pinged) > 0)
}

// markStuck sees for the wheel that a write is under way which was not at its last
// turn, so that no write need tell. The flusher takes the mark back behind end: one
// of the two sees the other.
func (c *Conn) markStuck(now uint32) {
	t, w := &c.ticks.stuck, &c.out.watch
	if w.state.Load()&stateMask == idle || t.Load() != 0 {
		return
	}
	mark := moment(now - 1)
	t.CompareAndSwap(0, mark)
	if w.state.Load()&stateMask == idle {
		t.CompareAndSwap(mark, 0)
	}
}

// mayHideReset reports whether a loop that sleeps inside Socket.Wakes has read since
// the last look: a reset that came in one edge with data gives no second one, and
// nothing else would wake the loop.
func (c *Conn) mayHideReset(now, heard uint32) bool {
	t := &c.ticks
	return heard+1 != t.looked && heard != now && c.flags.has(flagWaiting) && c.flags.has(flagWakes)
}

// tend does what needs found. It never blocks.
func (c *Conn) tend(now uint32) {
	t := &c.ticks
	if dead := t.dead.Load(); dead != 0 {
		c.out.lock()
		failed := c.out.failed
		c.out.mu.Unlock()
		if failed != nil {
			c.finish(failed)
		}
		c.closeTimedOut()
		c.killApart()
		return
	}
	if c.ended.Load() != nil {
		return
	}
	if stuck := t.stuck.Load(); past(now, stuck, 1) && (c.flags.has(flagEvents) || c.plain()) {
		// A peer that takes little at a time frees nothing for the next write(2)
		// for long; the kernel knows what it has acknowledged.
		if q := int32(c.unsent()); q != t.unsent {
			t.unsent, t.missed = q, -1
			t.stuck.CompareAndSwap(stuck, moment(now))
		}
	}
	if past(now, t.stuck.Load(), c.set.writeTicks) {
		count.writeStuck.Add(1)
		c.finish(&CloseError{By: Network, Code: StatusAbnormalClosure, Cause: ErrWriteStuck})
		c.killApart()
		return
	}
	if past(now, t.begun.Load(), c.set.messageTicks) && c.waits() {
		c.refuse(StatusPolicyViolation, ErrMessageStuck)
		return
	}
	heard := t.heard.Load()
	if c.mayHideReset(now, heard) {
		t.looked = heard + 1
		if c.socket.Broken() {
			c.retryRead()
		}
	}
	if !c.pingDue(now, heard) { // something else brought us here
		return
	}
	if t.pinged == 0 || int32(heard-t.pinged) >= 0 {
		t.missed = 0
	} else if c.waits() {
		// Only while somebody reads does silence prove anything: the pong may
		// lie unread behind a busy handler. Nor does it where the peer has
		// taken bytes since the ping was sent, which may wait behind them.
		q := int32(c.unsent())
		if q >= 0 && q < t.unsent {
			t.missed = -1
		}
		t.unsent = q
		if t.missed++; int(t.missed) >= c.set.PingMisses {
			count.silent.Add(1)
			c.finish(&CloseError{By: Network, Code: StatusAbnormalClosure, Cause: ErrSilent})
			c.killApart()
			return
		}
	}
	t.pinged = moment(now)
	c.sendPing(nil)
}

// unsent returns how many bytes the peer has not acknowledged yet, or -1.
func (c *Conn) unsent() int {
	c.mu.Lock() // Attach replaces one by the other
	defer c.mu.Unlock()
	if c.flags.has(flagEvents) {
		return c.desc.Unsent()
	}
	if c.socket == nil {
		return -1
	}
	return c.socket.Unsent()
}

// waits reports whether somebody waits for bytes, and none are there.
func (c *Conn) waits() bool {
	if c.flags.has(flagEvents) {
		return c.desc.Idle()
	}
	if c.flags.delivering() {
		return c.flags.has(flagWaiting)
	}
	// Any other reader calls nobody but the one in WriteTo, and so does nothing but wait.
	return c.read.watch.state.Load() != idle && !c.flags.has(flagPassing)
}

// killApart is kill for the wheel, which every connection depends on: the Close of
// a stream that is no plain socket may block.
func (c *Conn) killApart() {
	if c.flags.has(flagEvents) || c.plain() {
		c.kill()
	} else {
		go c.kill()
	}
}

// retryRead has the loop inside Socket.Wakes read once more.
func (c *Conn) retryRead() {
	w := c.read.watch.watching()
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.flags.has(flagWakes) {
		c.flags.set(flagRetry)
		c.link().SetReadDeadline(longAgo)
	}
}

// retries takes the wheel's wish for another read, and its deadline, back.
func (c *Conn) retries() bool {
	w := c.read.watch.watching()
	w.mu.Lock()
	defer w.mu.Unlock()
	again := c.flags.clear(flagRetry)
	if again {
		c.link().SetReadDeadline(time.Time{})
	}
	return again
}
