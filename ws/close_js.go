package ws

import (
	"errors"
	"math"
	"time"

	"github.com/tidewire/tidewire/ws/frame"
)

// errLost is the cause where the browser saw no closing handshake. It tells a
// program no more than that.
var errLost = errors.New("the browser lost the connection, or refused what the peer sent; its console may say more")

// Close performs the closing handshake behind what is queued, within
// ConnOptions.CloseTimeout. Data messages that still arrive are discarded.
//
// It may be called from any goroutine and any number of times; the first call's
// code and reason count. Where Attach or Messages is reading, Close returns at
// once. Otherwise it returns nil when the handshake was completed, or the
// *CloseError that says what happened instead. A code that may not be sent, or a
// reason that is not UTF-8 or is longer than 123 bytes, is an error and closes
// nothing. [StatusNoStatusRcvd] closes without a code.
//
// A browser lets programs send none but 1000 and the codes from 3000 on. For any
// other the peer is sent the code plus 3000, in the private range: 4001 for 1001,
// 4009 for 1009. The same goes for what this package refuses. The CloseError of
// this end has the code itself.
func (c *Conn) Close(code StatusCode, reason string) error {
	if code != StatusNoStatusRcvd || reason != "" {
		if err := frame.CheckClose(code, reason); err != nil {
			return prefixed(err)
		}
	}
	c.sendClose(&CloseError{By: Us, Code: code, Reason: reason}, reason)
	if c.flags.delivering() {
		return nil
	}
	limit := time.NewTimer(c.set.CloseTimeout)
	defer limit.Stop()
	select {
	case <-c.gone:
	case <-limit.C:
		c.mu.Lock()
		ce := &CloseError{By: Us, Code: c.closing.Code, Reason: c.closing.Reason, Cause: errCloseTimeout}
		c.mu.Unlock()
		c.finish(ce)
		c.letGo()
	}
	if ce := c.ended.Load(); ce != nil && ce.Cause != nil {
		return ce
	}
	return nil
}

// CloseNow ends the connection at once and waits for nothing; a browser says
// goodbye to the peer all the same. It returns nil.
func (c *Conn) CloseNow() error {
	c.finish(&CloseError{By: Us, Code: StatusAbnormalClosure, Cause: errCloseNow})
	c.socket.close(StatusNoStatusRcvd, "")
	c.letGo()
	return nil
}

// sendClose begins the closing handshake, once, and does not wait.
func (c *Conn) sendClose(ce *CloseError, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil || c.letgo {
		return
	}
	c.closing = ce
	c.signal()
	c.endBy()
	c.socket.close(ce.Code, reason)
}

// closed is told by the browser that the connection is closed.
func (c *Conn) closed(code StatusCode, reason string, clean bool) {
	if c.isOpened() {
		c.mu.Lock()
		ours := c.closing
		c.mu.Unlock()
		switch {
		case !clean:
			c.broken(errLost)
		case ours != nil:
			c.finish(&CloseError{By: ours.By, Code: ours.Code, Reason: ours.Reason})
		default:
			c.finish(&CloseError{By: Peer, Code: code, Reason: reason})
		}
	}
	c.letGo()
}

// refuse ends the connection because of what the peer did. It returns the
// connection's error and does not wait.
func (c *Conn) refuse(code StatusCode, cause error) error {
	return c.refuseWith(code, shortReason(cause), cause)
}

// refuseWith is refuse with other words for the peer than for us.
func (c *Conn) refuseWith(code StatusCode, reason string, cause error) error {
	ce := &CloseError{By: Policy, Code: code, Cause: cause}
	if !c.finish(ce) {
		return c.ended.Load()
	}
	countRefusal(code, cause)
	c.sendClose(ce, reason)
	return ce
}

// broken ends the connection because it was lost.
func (c *Conn) broken(err error) error {
	ce := &CloseError{By: Network, Code: StatusAbnormalClosure, Cause: err}
	c.mu.Lock()
	if ours := c.closing; ours != nil && ours.By == Us {
		ce = &CloseError{By: Us, Code: ours.Code, Reason: ours.Reason, Cause: errNoReply}
	}
	c.mu.Unlock()
	c.finish(ce)
	return c.ended.Load()
}

// finish settles why the connection ended, and reports whether it was the first
// to. It does not wait.
func (c *Conn) finish(ce *CloseError) bool {
	ce.At = time.Now()
	if !c.ended.CompareAndSwap(nil, ce) {
		return false
	}
	if c.isOpened() {
		count.by[ce.By].Add(1)
	}
	c.endBy()
	c.mu.Lock()
	if ce.By == Us || ce.By == Policy {
		c.in.messages, c.in.stream = nil, nil
	}
	c.signal()
	c.mu.Unlock()
	c.unhold(math.MaxInt) // whatever it was; from now on nothing is counted
	c.cancel(ce)
	return true
}

// letGo stops listening to the browser, once.
func (c *Conn) letGo() {
	c.mu.Lock()
	was := c.letgo
	c.letgo = true
	c.mu.Unlock()
	if was {
		return
	}
	c.socket.drop()
	if c.isOpened() {
		c.wheel.leave(c)
		count.open.Add(-1)
	}
	close(c.gone)
}
