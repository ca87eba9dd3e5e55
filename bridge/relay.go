package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// How a relay is ended that would go on by itself.
var (
	errIdle     = errors.New("nothing has passed for too long (Idle)")
	errTotal    = errors.New("the connection has lasted too long (Total)")
	errShutdown = errors.New("the bridge is shutting down")
)

// A sideError says whose fault it is.
type sideError struct {
	side string
	err  error
}

func (e *sideError) Error() string { return e.side + ": " + e.err.Error() }
func (e *sideError) Unwrap() error { return e.err }

// A putError is one of the end that was written to.
type putError struct{ error }

func (e *putError) Unwrap() error { return e.error }

// A relay is two ends, and what passes between them.
type relay struct {
	front, back end // the client, and the target
	count       *counters
	idle, total time.Duration // 0: for ever
	linger      time.Duration

	dialled chan struct{}  // closed when back is there, or never will be
	inward  sync.WaitGroup // of the direction to the target

	in, out atomic.Int64 // bytes of this relay
	began   time.Time
	heard   atomic.Int64   // when something last passed, in nanoseconds since began
	closed  sync.WaitGroup // of the closing of the ends

	mu       sync.Mutex
	over     bool
	why      error         // nil: in good order
	patience time.Duration // what silence ends the relay; 0: none
	waiting  bool          // for the last words of a target, or of a UDP client: their end is no fault
	quiet    *time.Timer   // looks at the silence
	unsent   int           // bytes, when it last did
	lasting  *time.Timer   // ends it whatever passes; nil: nothing does
	leaving  *time.Timer   // so does this, of which one side has gone
}

// newRelay makes a relay of a rule's. Its count is that of the rule.
func newRelay(front end, rule *Rule, idle time.Duration, count *counters) *relay {
	return &relay{front: front, count: count, idle: idle, total: rule.Total, linger: rule.Linger, dialled: make(chan struct{})}
}

// connect dials the target, until the client leaves or ctx ends. It returns ctx's cause, or a sideError with whose fault it was.
func (r *relay) connect(ctx context.Context, dial func(context.Context) (end, error)) error {
	dialling, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.inward.Go(func() {
		if err := r.front.await(dialling); err != nil {
			stop(&sideError{"client", err})
		}
		<-r.dialled
		if r.back != nil {
			r.pass(r.back, r.front, "target", "client", &r.in, &r.count.in)
		}
	})
	back, err := dial(dialling)
	if err == nil {
		r.back = back
		return nil
	}
	if cause := context.Cause(dialling); cause != nil {
		return cause
	}
	return &sideError{"target", err}
}

// abandon is what follows where connect has failed, instead of run.
func (r *relay) abandon(why error) {
	close(r.dialled)
	r.front.close(why)
	r.inward.Wait()
}

// run passes on what comes until both directions have ended, or ctx ends. It returns why it was not in good order. A UDP client
// that says nothing for Idle has ended, or for Linger once draining has: it cannot say so.
func (r *relay) run(ctx, draining context.Context) error {
	r.began = time.Now()
	r.mu.Lock()
	_, silent := r.front.(*caller)
	r.patience, r.waiting = r.idle, silent
	r.quiet = time.AfterFunc(cmp.Or(r.idle/4, time.Hour), r.look) // wait may set it sooner
	if r.total > 0 {
		r.lasting = time.AfterFunc(r.total, func() { r.end(errTotal) })
	}
	r.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { r.end(errShutdown) })
	defer stop()
	if silent {
		settled := context.AfterFunc(draining, func() { r.settle(r.linger) })
		defer settled()
	}

	close(r.dialled)
	r.pass(r.front, r.back, "client", "target", &r.out, &r.count.out)
	r.inward.Wait()
	r.end(nil)
	r.closed.Wait()
	if _, ok := r.why.(*farewell); ok {
		return nil
	}
	return r.why
}

// pass passes one direction on until it has ended.
func (r *relay) pass(dst, src end, to, from string, own, all *atomic.Int64) {
	_, absent := dst.(*caller) // whoever sends to it does not know whether it is still there
	err := r.copy(dst, src, func(moved int64) {
		own.Add(moved)
		all.Add(moved)
		if !absent {
			r.heard.Store(int64(time.Since(r.began)))
		}
	})
	var put *putError
	var bye *farewell
	switch {
	case errors.Is(err, errGone):
		// The peer has what it wanted. The other one is not reset while it still reads what it was sent.
		r.last(r.linger)
		for {
			if _, err := src.next(); err != nil {
				return
			}
			r.lost(src)
		}
	case errors.As(err, &put):
		r.end(&sideError{to, put.error})
	case errors.As(err, &bye):
		r.end(bye)
	case err != io.EOF:
		r.end(&sideError{from, err})
	default:
		r.finish(dst, src)
	}
}

// finish ends a direction in good order, whose source has ended.
func (r *relay) finish(dst, src end) {
	told := dst.finish()
	switch {
	case src.gone():
		r.last(r.linger) // nobody is there for what dst may still say
		if !told {
			r.end(nil)
		}
	case told:
	case dst == r.front:
		r.end(nil)
	default:
		r.wait(r.linger)
	}
}

// copy passes on what comes from src, and returns what it ended with.
func (r *relay) copy(dst, src end, moved func(int64)) error {
	switch d := dst.(type) {
	case *messages:
		switch s := src.(type) {
		case *messages:
			return s.passTo(d, moved)
		case *stream:
			if s.raw != nil && d.unmaskedOut {
				return d.takeFrom(s, r.piece(false), moved)
			}
		}
	case *stream:
		switch s := src.(type) {
		case *messages:
			if to, ok := d.conn.(*net.TCPConn); ok && s.unmaskedIn && !s.whole {
				return s.giveTo(to, r.piece(!s.half), moved)
			}
		case *stream:
			if d.splices(s) {
				return d.splice(s, r.piece(false), moved)
			}
		}
	}
	for {
		p, err := src.next()
		if err != nil {
			return err
		}
		err = dst.put(p)
		switch {
		case err == nil:
			moved(int64(len(p)))
		case errors.Is(err, errDropped):
			r.count.dropped.Add(1)
		case errors.Is(err, errGone):
			r.lost(src)
			return err
		default:
			r.lost(src)
			return &putError{err}
		}
	}
}

// lost counts what came from src and could not be passed on, where that was a datagram.
func (r *relay) lost(src end) {
	switch src.(type) {
	case *caller, *datagrams:
		r.count.dropped.Add(1)
	}
}

// piece is how many bytes may pass before one hears of it: few where silence ends the relay, now or when its source can only be
// waited for.
func (r *relay) piece(waited bool) int64 {
	patience := r.idle
	if waited && (patience == 0 || r.linger < patience) {
		patience = r.linger
	}
	if patience == 0 {
		return piece
	}
	return min(max(int64(patience.Seconds()*slowest), watchedPiece), piece)
}

// wait ends the relay in good order when nothing passes for so long.
func (r *relay) wait(d time.Duration) {
	r.heard.Store(int64(time.Since(r.began)))
	r.settle(d)
}

// settle ends the relay in good order when nothing has passed for so long.
func (r *relay) settle(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		if r.patience == 0 || d < r.patience {
			r.patience = d
		}
		r.waiting = true
		r.quiet.Reset(0)
	}
}

// last ends the relay in good order after so long, whatever passes.
func (r *relay) last(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over && r.leaving == nil {
		r.leaving = time.AfterFunc(d, func() { r.end(nil) })
	}
}

// look ends the relay if nothing has passed for too long. It comes by several times in such a while, to see the kernel get rid of
// what it was given: that passes too.
func (r *relay) look() {
	r.mu.Lock()
	if r.over || r.patience == 0 {
		r.mu.Unlock()
		return
	}
	unsent := r.front.unsent() + r.back.unsent()
	if unsent < r.unsent {
		r.heard.Store(int64(time.Since(r.began)))
	}
	r.unsent = unsent
	left := r.patience - (time.Since(r.began) - time.Duration(r.heard.Load()))
	if left > 0 {
		r.quiet.Reset(min(left, max(r.patience/4, time.Millisecond)))
		r.mu.Unlock()
		return
	}
	why := fmt.Errorf("%w: %v", errIdle, r.patience)
	if r.waiting {
		why = nil
	}
	r.mu.Unlock()
	r.end(why)
}

// end ends both directions, once: the first reason counts.
func (r *relay) end(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	r.over, r.why = true, why
	r.quiet.Stop()
	for _, timer := range []*time.Timer{r.lasting, r.leaving} {
		if timer != nil {
			timer.Stop()
		}
	}
	// Each by itself: who does not answer a close frame holds up nobody.
	r.closed.Go(func() { r.front.close(why) })
	r.closed.Go(func() { r.back.close(why) })
}
