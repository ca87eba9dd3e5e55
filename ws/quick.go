//go:build !js

package ws

import (
	"context"
	"os"
	"sync"

	"github.com/tidewire/tidewire/ws/frame"
)

// While nothing else goes on in the sending half of a connection, a Write takes the
// writing direction, writes, and gives the direction back: two atomic operations in
// all. The state of the direction is calm then. Whoever takes out.mu, for whatever
// reason, ends the calm, and finds such a Write as any other flusher: flushing is
// set, and inflight. That Write notices when it gives the direction back, and sees to
// what was queued behind it. The calm begins anew when a flusher has
// written everything.

// writeLock is the mutex of a writeState. It is taken by writeState.lock.
type writeLock struct{ m sync.Mutex }

func (l *writeLock) Unlock() { l.m.Unlock() }

func (w *writeState) lock() {
	w.mu.m.Lock()
	if w.watch.state.Load()&calm != 0 {
		w.endCalm()
	}
}

func (w *writeState) endCalm() {
	for {
		s := w.watch.state.Load()
		if w.watch.state.CompareAndSwap(s, s&stateMask) {
			if s&stateMask != idle {
				w.flushing, w.inflight = true, int(s>>sizeShift)
			}
			return
		}
	}
}

// calmDown lets the next Write do without mu, if nothing speaks against it. It is
// called with mu held, and nothing pending.
func (c *Conn) calmDown() {
	w := &c.out
	if w.attached || w.corked || w.message || w.deflate != nil || w.closing != nil || w.failed != nil ||
		c.ended.Load() != nil || c.flags.delivering() {
		return
	}
	w.watch.state.CompareAndSwap(idle, calm)
}

// writeQuick is Write while nothing else goes on, and otherwise reports false.
func (c *Conn) writeQuick(ctx context.Context, typ MessageType, p []byte) (bool, error) {
	w := &c.out
	if w.watch.state.Load() != calm || len(p) >= shareLimit || c.ended.Load() != nil || c.patient && ctx.Done() != nil {
		return false, nil
	}
	b := getBuffer(frame.MaxHeaderSize + len(p))
	*b = c.appendPlain(*b, typ, p)
	taken := uint32(calm | busy | len(*b)<<sizeShift)
	if !w.watch.state.CompareAndSwap(calm, taken) {
		putBuffer(b)
		return false, nil
	}
	w.watch.heed(c.ownContext(ctx), (*writing)(c))
	n, err := 0, os.ErrDeadlineExceeded
	if ctx.Err() == nil {
		n, err = c.put(*b, nil)
	}
	if err == nil && w.watch.state.CompareAndSwap(taken, calm) {
		if mark := c.ticks.stuck.Load(); mark != 0 {
			c.ticks.stuck.CompareAndSwap(mark, 0)
		}
		putBuffer(b)
		return true, nil
	}
	w.lock()
	w.watch.end((*writing)(c))
	if c.flags.has(flagGone) {
		w.watch.drop()
	}
	return true, c.sent(ctx, b, n, err, true)
}
