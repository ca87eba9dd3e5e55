package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// run is one run under way.
type run struct {
	plan  Plan
	to    target
	mix   *mix
	cycle *cycle // with compression, instead of the mix
	op    byte   // of the messages
	start time.Time
	fan   *fan  // of the scenario fan-out
	live  *live // of the scenario live

	shards    []*shard
	handshake *hdrhistogram.Histogram
	joins     *hdrhistogram.Histogram
	lag       *hdrhistogram.Histogram
	histMu    sync.Mutex // guards them

	group   sync.WaitGroup
	sending atomic.Bool // messages are sent
	opened  atomic.Int64
	open    atomic.Int64
	emptied chan struct{} // closed when the last connection has gone
	once    sync.Once
	peers   []*peer
}

// now is nanoseconds since the run began, never 0.
func (r *run) now() int64 { return int64(time.Since(r.start)) + 1 }

// Run does what the plan says and returns what it has measured. When ctx ends, the
// run ends early; the report tells so. The error is about the plan, or says that no
// connection could be made or that none was left.
func Run(ctx context.Context, plan Plan) (*Report, error) {
	plan, to, err := plan.complete()
	if err != nil {
		return nil, err
	}
	r := &run{
		plan: plan, to: to, op: 2,
		handshake: newHistogram(), joins: newHistogram(), lag: newHistogram(), emptied: make(chan struct{}),
	}
	if plan.Text {
		r.op = 1
	}
	switch {
	case plan.Scenario == Upgrade || plan.Scenario == Idle:
	case plan.Compression == "":
		r.mix = newMix(plan.Sizes, plan.Text)
	default:
		if r.cycle, err = newCycle(plan.Sizes, plan.Text, plan.Compression == Takeover); err != nil {
			return nil, err
		}
	}
	r.start = time.Now()
	for i := range 4 * runtime.GOMAXPROCS(0) {
		r.shards = append(r.shards, newShard(uint64(i)))
	}
	if plan.Scenario == Fanout {
		if plan.Depth > fanWindow/2 {
			return nil, fmt.Errorf("load: a fan-out has a depth of %d at most", fanWindow/2)
		}
		r.fan = &fan{alive: make(map[*peer]bool), ring: make([]broadcast, fanWindow)}
		if plan.Rate > 0 {
			r.fan.ring = make([]broadcast, maxFlight)
		}
	}
	if plan.Scenario == Live {
		r.live = newLive(plan)
	}
	report := r.newReport()
	clock, err := newClock(plan.PID)
	if err != nil {
		return nil, err
	}
	if plan.Scenario == Upgrade {
		r.churn(ctx, report, clock)
	} else if err := r.hold(ctx, report, clock); err != nil {
		return nil, err
	}
	report.Opened = r.opened.Load()
	report.Stopped = ctx.Err() != nil
	report.Handshake, report.Joins = latencyOf(r.handshake, true), latencyOf(r.joins, true)
	report.Lag = latencyOf(r.lag, false)
	if report.Opened == 0 {
		return nil, fmt.Errorf("load: no connection: %s", likeliest(report.Errors))
	}
	return report, nil
}

// likeliest is the error that there is most of.
func likeliest(faults map[string]int64) string {
	best := "the run was stopped"
	for why, n := range faults {
		if n > faults[best] {
			best = why
		}
	}
	return best
}

func (r *run) record(h *hdrhistogram.Histogram, v int64) {
	r.histMu.Lock()
	defer r.histMu.Unlock()
	h.RecordValue(min(v, longest))
}

// hold opens the connections, loads them and ends them.
func (r *run) hold(ctx context.Context, report *Report, clock *clock) error {
	total := newTally()
	connected := make(chan struct{})
	r.group.Go(func() {
		defer close(connected)
		r.connect(ctx)
	})
	r.accompany(connected, report, clock, total)
	if len(r.peers) > 0 && ctx.Err() == nil {
		for _, s := range r.shards {
			s.take(total) // the handshakes' errors
		}
		if r.plan.Opened != nil {
			r.plan.Opened()
		}
		if r.plan.Scenario != Idle {
			r.sending.Store(true)
			r.begin(ctx)
		}
		over := make(chan struct{})
		r.group.Go(func() { r.watch(over) })
		r.measure(ctx, report, clock, total)
		r.sending.Store(false)
		report.Lost = r.settle(ctx)
		close(over)
		if r.plan.Settled != nil {
			r.plan.Settled()
		}
	}
	r.finish()
	r.group.Wait()
	for _, s := range r.shards {
		late := newTally()
		s.take(late)
		total.addFaults(late)
		report.SentLate += late.sent
	}
	report.Errors = total.faults
	if len(r.peers) == 0 {
		return fmt.Errorf("load: no connection: %s", likeliest(total.faults))
	}
	return nil
}

// connecting is how many handshakes are under way at once.
const connecting = 64

// connect opens all connections, spread over the ramp.
func (r *run) connect(ctx context.Context) {
	var mu sync.Mutex
	var dials sync.WaitGroup
	seats := make(chan struct{}, connecting)
	for n := range r.plan.Connections {
		if r.plan.Ramp > 0 && n > 0 {
			due := r.plan.Ramp * time.Duration(n) / time.Duration(r.plan.Connections)
			if !pause(ctx, due-time.Since(r.start)) {
				break
			}
		}
		select {
		case seats <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		dials.Go(func() {
			defer func() { <-seats }()
			c, rest, took, err := r.handshaken(ctx)
			if err != nil {
				r.shards[n%len(r.shards)].fault("connecting: " + kind(err))
				return
			}
			r.record(r.handshake, took)
			p := r.newPeer(c, n)
			mu.Lock()
			r.peers = append(r.peers, p)
			if r.fan != nil {
				r.fan.join(p)
			}
			mu.Unlock()
			r.group.Go(func() { p.read(rest) })
			if r.live != nil {
				r.live.enter(ctx, p)
			}
		})
	}
	dials.Wait()
	if r.fan != nil {
		r.fan.appoint(r.peers)
	}
	if r.live != nil {
		r.live.appoint(r)
	}
}

func (r *run) handshaken(ctx context.Context) (c net.Conn, rest []byte, took int64, err error) {
	begun := time.Now()
	c, rest, err = r.dial(ctx)
	if err == nil {
		r.opened.Add(1)
		r.open.Add(1)
	}
	return c, rest, int64(time.Since(begun)), err
}

// begin sends the first messages.
func (r *run) begin(ctx context.Context) {
	switch {
	case r.plan.Rate > 0:
		r.group.Go(func() { r.arrive(ctx) })
	case r.fan != nil:
		if r.fan.from != nil {
			r.fan.publish(r, r.plan.Depth, 0)
		}
	case r.live != nil:
		r.live.begin(r)
	default:
		for _, p := range r.peers {
			p.mu.Lock()
			for range r.plan.Depth {
				p.queue(p.choose(), 0)
			}
			p.flush()
			p.mu.Unlock()
		}
	}
}

// arrive sends messages when they are due, whatever the server does.
func (r *run) arrive(ctx context.Context) {
	sleep := newSleeper()
	rng := rand.New(rand.NewPCG(uint64(r.start.UnixNano()), 3))
	due := r.now()
	for i := 0; ctx.Err() == nil && r.sending.Load() && r.open.Load() > 0; {
		if wait := due - r.now(); wait > 0 {
			sleep(time.Duration(min(wait, int64(50*time.Millisecond))))
			continue
		}
		r.record(r.lag, r.now()-due)
		if r.fan != nil {
			if r.fan.from == nil {
				return
			}
			r.fan.publish(r, 1, due)
			due += r.interval(rng)
			continue
		}
		if r.live != nil {
			pub := r.live.next()
			if pub == nil {
				return
			}
			pub.publish(r, 1, due)
			due += r.interval(rng)
			continue
		}
		p := r.peers[i%len(r.peers)]
		i++
		p.mu.Lock()
		if p.over && r.open.Load() > 0 {
			p.mu.Unlock()
			continue // another one sends it
		}
		if len(p.flight)-p.head >= maxFlight {
			p.fail(fmt.Sprintf("%d messages had not come back", maxFlight))
			p.mu.Unlock()
			continue
		}
		p.queue(p.choose(), due)
		p.flush()
		p.mu.Unlock()
		due += r.interval(rng)
	}
}

// interval is how long after a message the next one is due.
func (r *run) interval(rng *rand.Rand) int64 {
	return int64(rng.ExpFloat64() * float64(time.Second) / r.plan.Rate)
}

// maxFlight bounds what an open loop keeps in mind for a connection that does not
// answer.
const maxFlight = 10_000

// look is how often the connections are looked at, and how late a message must be
// for its connection to get a closer look.
const look = 250 * time.Millisecond

// watch gives up on connections whose oldest message is late, and has those read again
// whose message seems to be. It returns when over closes.
func (r *run) watch(over <-chan struct{}) {
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-over:
			return
		}
		now := r.now()
		for _, p := range r.peers {
			p.mu.Lock()
			if m, waits := p.expected(); waits && !p.over {
				switch age := now - m.sent; {
				case age > int64(r.plan.Timeout):
					p.fail("no answer within the time-out")
				case age > int64(look):
					p.nudge()
				}
			}
			p.mu.Unlock()
		}
	}
}

// settle waits for what is under way and returns what did not come.
func (r *run) settle(ctx context.Context) int64 {
	deadline := time.Now().Add(r.plan.Timeout)
	for {
		lost, dead := int64(0), int64(0)
		if r.fan != nil {
			lost = int64(r.fan.pending())
			if soon := time.Now().Add(time.Second); r.fan.orphaned() && soon.Before(deadline) {
				deadline = soon // the server may have dropped them with the sender
			}
		}
		if soon := time.Now().Add(time.Second); r.live != nil && r.live.orphaned() && soon.Before(deadline) {
			deadline = soon // likewise
		}
		for _, p := range r.peers {
			p.mu.Lock()
			n := int64(len(p.flight) - p.head)
			if p.member != nil {
				n = p.member.pending()
			}
			lost += n
			if p.over {
				dead += n // nothing more comes there
			}
			p.mu.Unlock()
		}
		if lost == dead || r.open.Load() == 0 || time.Now().After(deadline) || !pause(ctx, 5*time.Millisecond) {
			return lost
		}
	}
}

// finish ends all connections, with a close frame first.
func (r *run) finish() {
	for _, p := range r.peers {
		p.finish()
	}
	deadline := time.NewTimer(r.plan.Timeout)
	defer deadline.Stop()
	late := false
	for _, p := range r.peers {
		if !late {
			select {
			case <-p.ended:
				continue
			case <-deadline.C:
				late = true
			}
		}
		p.mu.Lock()
		p.fail("the close frame was not answered")
		p.mu.Unlock()
		<-p.ended
	}
}

// gone notes that a connection has ended.
func (r *run) gone(p *peer) {
	if r.open.Add(-1) == 0 && r.plan.Scenario != Upgrade {
		r.once.Do(func() { close(r.emptied) })
	}
	if r.live != nil {
		free, last := r.live.leave(p)
		if last {
			r.once.Do(func() { close(r.emptied) })
		}
		if r.plan.Rate == 0 {
			for _, f := range free {
				r.group.Go(func() { f.from.publish(r, f.n, 0) })
			}
		}
	}
	if r.fan != nil {
		free, last := r.fan.leave(p, p.next)
		switch {
		case last:
			r.once.Do(func() { close(r.emptied) })
		case free > 0 && r.plan.Rate == 0:
			r.group.Go(func() { r.fan.publish(r, free, 0) })
		}
	}
}

// churn makes connections and closes them, over and over.
func (r *run) churn(ctx context.Context, report *Report, clock *clock) {
	inner, stop := context.WithCancel(ctx)
	r.sending.Store(true)
	for n := range r.plan.Connections {
		r.group.Go(func() {
			s := r.shards[n%len(r.shards)]
			for r.sending.Load() && inner.Err() == nil {
				c, rest, took, err := r.handshaken(inner)
				if err != nil {
					if inner.Err() == nil {
						s.fault("connecting: " + kind(err))
						pause(inner, 10*time.Millisecond) // a server that refuses gets no storm
					}
					continue
				}
				now := r.now()
				r.record(r.handshake, took)
				s.record(r, now, now-took, now-took, Volume{})
				p := r.newPeer(c, n)
				p.finish()
				closed := time.AfterFunc(r.plan.Timeout, func() {
					p.mu.Lock()
					p.fail("the close frame was not answered")
					p.mu.Unlock()
				})
				p.read(rest)
				closed.Stop()
			}
		})
	}
	total := newTally()
	r.measure(ctx, report, clock, total)
	r.sending.Store(false)
	stop()
	r.group.Wait()
	report.Errors = total.faults
}

// pause waits, and returns false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
