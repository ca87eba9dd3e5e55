package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"
)

// A way is a rule at work.
type way struct {
	Rule
	bridge *Bridge
	admission
	counters
	door door
}

// enterBy says by which door clients of the rule come, and so at which port where it says 0.
func (w *way) enterBy(d door) {
	w.door, w.Listen = d, w.Listen.At(d.addr())
}

// admit gives a client a place, or says why not.
func (w *way) admit(from net.Addr) (leave func(), err error) {
	if err := w.enter(from); err != nil {
		w.turnAway(&w.refusedLimit, from, err)
		return nil, err
	}
	w.counters.open.Add(1)
	return func() {
		w.counters.open.Add(-1)
		w.admission.leave(from)
	}, nil
}

// turnAway counts a client who is not let in, and says why.
func (w *way) turnAway(as *atomic.Int64, from net.Addr, why error) {
	as.Add(1)
	w.bridge.log.Debug("refused", "listen", w.Listen.String(), "from", from.String(), "why", why)
}

// relay connects front to the target and passes on what comes until that is over, and closes front.
func (w *way) relay(front end, target Endpoint, g *guest) {
	w.accepted.Add(1)
	log := w.bridge.log.With("listen", w.Listen.String(), "target", target.Redacted(), "from", g.from.String())
	began := time.Now()
	r := newRelay(front, &w.Rule, w.idle(target), &w.counters)
	err := r.connect(w.bridge.closing, func(ctx context.Context) (end, error) { return w.dial(ctx, target, g, &w.counters) })
	if err != nil {
		w.unconnected(log, err)
		r.abandon(err)
		return
	}
	err = r.run(w.bridge.closing, w.bridge.draining)
	log = log.With("in", r.in.Load(), "out", r.out.Load(), "after", time.Since(began).Round(time.Millisecond).String())
	if err != nil {
		w.broken.Add(1)
		log.Info("broken off", "error", err)
		return
	}
	log.Info("ended")
}

// unconnected notes why there was no relay.
func (w *way) unconnected(log *slog.Logger, err error) {
	var of *sideError
	switch {
	case errors.As(err, &of) && of.side == "target":
		w.dialFailed.Add(1)
		log.Warn("the target cannot be reached", "error", of.err)
	case inOrder(err):
		log.Info("the client left before the target was reached")
	default:
		w.broken.Add(1)
		log.Info("broken off before the target was reached", "error", err)
	}
}
