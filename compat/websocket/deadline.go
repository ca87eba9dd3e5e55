//go:build !js

package websocket

import (
	"context"
	"time"
)

// writeDeadline is a context that ends at a moment which can be moved. Programs
// move it before each write; as long as it has not passed, that costs no more than
// a timer's reset.
type writeDeadline struct {
	ctx    context.Context // nil: none yet, or it has ended
	cancel context.CancelFunc
	timer  *time.Timer
	armed  bool
}

// set moves the deadline; the zero time removes it.
func (d *writeDeadline) set(t time.Time) {
	if d.armed && !d.timer.Stop() || d.ctx != nil && d.ctx.Err() != nil {
		d.ctx = nil // it has passed, or is passing just now
	}
	d.armed = !t.IsZero()
	if !d.armed {
		return
	}
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancel(context.Background())
		d.timer = nil
	}
	wait := max(0, time.Until(t))
	if wait == 0 {
		d.cancel()
	}
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, d.cancel)
	} else {
		d.timer.Reset(wait)
	}
}

// context returns what bounds a write that begins now.
func (d *writeDeadline) context() context.Context {
	if !d.armed {
		return context.Background()
	}
	return d.ctx
}

// close frees the timer and ends every write that still waits.
func (d *writeDeadline) close() {
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.cancel != nil {
		d.cancel()
	}
}
