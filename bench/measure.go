package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/bench/meter"
	"github.com/tidewire/tidewire/bench/servers"
	"github.com/tidewire/tidewire/load"
)

// sample is what one run has measured. What a workload does not measure is 0.
type sample struct {
	CPU  float64 // of the server, seconds per unit
	Rate float64 // units per second
	P50  float64 // seconds
	P99  float64
	Load float64 // CPU of the load generator, seconds per unit

	Counted              bool
	Reads, Writes, Calls float64 // system calls per unit, the last one all of them

	// Stalled is P99 of a second run, with connections that read nothing, Calm that of a third without
	// them, and Moved is how many times the one the other is. The server is fresh in neither.
	Stalled, Calm, Moved float64

	// Bytes of memory per connection: once they are open, after a message each, and after a collection.
	Open, Used, Collected float64
}

// bench is what all runs share.
type bench struct {
	self      string // the program, to be started as a server
	cert, key string // PEM files
	counting  bool   // system calls can be counted
}

// length is how long the parts of a run take.
type length struct {
	warmup, measure time.Duration
	count           time.Duration // 0 means that no calls are counted
}

// run starts a server, does the workload with it and ends it.
func (b *bench) run(ctx context.Context, w workload, server servers.Server, l length) (s sample, err error) {
	job := w.job
	if w.tls {
		job.Cert, job.Key = b.cert, b.key
	}
	p, err := meter.Start(b.self, server, job)
	if err != nil {
		return s, err
	}
	defer p.Stop()
	plan := w.plan
	plan.URL, plan.Timeout, plan.Dial = "ws://"+p.Address+"/", 10*time.Second, dialer(plan.Connections)
	if runtime.GOOS == "linux" {
		plan.PID = p.PID
	}
	if w.tls {
		plan.URL, plan.TLS = "wss://"+p.Address+"/", &tls.Config{InsecureSkipVerify: true} // made for this run
	}
	if w.memory {
		return b.idle(ctx, p, plan)
	}
	if plan.Scenario == load.Fanout {
		plan.Opened = func() { time.Sleep(registered) }
	}
	if plan.Scenario == load.Live {
		plan.Timeout = 30 * time.Second // a server that falls behind has much to bring in the end
	}
	plan.Warmup, plan.Duration = l.warmup, l.measure
	r, err := load.Run(ctx, plan)
	if err := cmp.Or(err, sound(r)); err != nil {
		return s, err
	}
	n := float64(r.Received)
	s = sample{CPU: r.ServerCPU / n, Rate: n / r.Seconds, Load: r.CPU / n, P50: float64(r.Latency.P50) / 1e9, P99: float64(r.Latency.P99) / 1e9}
	if w.stalled > 0 {
		if s.Stalled, err = b.again(ctx, plan, w.stalled); err == nil {
			s.Calm, err = b.again(ctx, plan, 0)
		}
		if err != nil {
			return s, err
		}
		s.Moved = s.Stalled / s.Calm
	}
	if l.count > 0 {
		err = b.count(ctx, p, plan, l.count, &s)
	}
	return s, err
}

// again runs the plan once more, with so many connections besides that read nothing, and returns P99.
func (b *bench) again(ctx context.Context, plan load.Plan, stalled int) (p99 float64, err error) {
	plan.Connections, plan.Stalled = plan.Connections+stalled, stalled
	r, err := load.Run(ctx, plan)
	if err := cmp.Or(err, sound(r)); err != nil {
		return 0, fmt.Errorf("again, with %d that read nothing: %w", stalled, err)
	}
	return float64(r.Latency.P99) / 1e9, nil
}

// count adds the system calls. They are counted in a run of their own, because counting costs the server: from when the
// connections idle until they do so again. In Upgrade they never idle.
func (b *bench) count(ctx context.Context, p *meter.Process, plan load.Plan, d time.Duration, s *sample) error {
	var counter *meter.Counter
	var calls meter.Calls
	var failed error
	begin := func() { counter, failed = meter.Count(p.PID) }
	stop := func() {
		if counter != nil {
			var err error
			calls, err = counter.Stop()
			failed, counter = cmp.Or(failed, err), nil
		}
	}
	defer stop()
	plan.Warmup, plan.Duration = 0, d
	if plan.Scenario == load.Upgrade {
		begin()
		plan.Progress = func(load.Window) { stop() } // there is one, because d is below a second
	} else {
		opened := plan.Opened
		plan.Opened = func() {
			if opened != nil {
				opened()
			}
			begin()
		}
		plan.Settled = stop
	}
	r, err := load.Run(ctx, plan)
	if err := cmp.Or(err, failed, sound(r)); err != nil {
		return err
	}
	n := float64(r.Sent + r.SentLate)
	switch plan.Scenario {
	case load.Upgrade:
		n = float64(r.Received)
	case load.Fanout:
		n *= float64(plan.Connections)
	case load.Live:
		n *= float64(plan.Connections) / float64(max(1, plan.Rooms))
	}
	s.Counted, s.Reads, s.Writes, s.Calls = true, float64(calls.Reads)/n, float64(calls.Writes)/n, float64(calls.All)/n
	return nil
}

// registered is how long a server may take to know a connection of a fan-out, once it has answered its handshake.
const registered = 50 * time.Millisecond

// sound says what went wrong in a run.
func sound(r *load.Report) error {
	switch {
	case r == nil:
		return nil
	case r.Stopped:
		return errors.New("stopped")
	case !r.OK():
		return fmt.Errorf("%d messages lost, errors: %v", r.Lost, r.Errors)
	case r.Opened == 0 || r.Received == 0:
		return errors.New("nothing was measured")
	}
	return nil
}

// idle holds connections and looks at the server's memory.
func (b *bench) idle(ctx context.Context, p *meter.Process, plan load.Plan) (s sample, err error) {
	n := float64(plan.Connections)
	// The first collection leaves about a megabyte behind, of which none is the connections'.
	if err := p.Collect(); err != nil {
		return s, err
	}
	before, err := p.Memory()
	if err != nil {
		return s, err
	}
	var failed error
	look := func() float64 {
		now, err := p.Memory()
		failed = cmp.Or(failed, err)
		return float64(now-before) / n
	}
	// An open loop goes round the connections in order. More messages than there are connections,
	// and each has had one, even if the loop is a little late.
	plan.Rate = max(2000, min(n, 10_000))
	plan.Duration = time.Duration((1.3*n + 100) / plan.Rate * float64(time.Second))
	plan.Opened = func() { s.Open = look() }
	plan.Settled = func() {
		s.Used = look()
		failed = cmp.Or(failed, p.Collect())
		s.Collected = look()
	}
	r, err := load.Run(ctx, plan)
	if err == nil && r.Received < int64(plan.Connections) && sound(r) == nil {
		err = fmt.Errorf("only %d messages to %d connections", r.Received, plan.Connections)
	}
	return s, cmp.Or(err, failed, sound(r))
}

// dialer makes connections from as many addresses of the loopback as it takes.
func dialer(connections int) func(context.Context, string, string) (net.Conn, error) {
	const sources = 16
	var dialled atomic.Int64
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		n := dialled.Add(1) - 1
		d := net.Dialer{Control: lateBind}
		if runtime.GOOS == "linux" { // others have 127.0.0.1 alone
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + n%sources)}), 0))
		}
		return d.DialContext(ctx, network, address)
	}
}

// median returns the middle of the values, and half of their range as a part of it.
func median(values []float64) (middle, spread float64) {
	if len(values) == 0 {
		return 0, 0
	}
	v := slices.Sorted(slices.Values(values))
	middle = v[len(v)/2]
	if len(v)%2 == 0 {
		middle = (v[len(v)/2-1] + v[len(v)/2]) / 2
	}
	if middle > 0 {
		spread = (v[len(v)-1] - v[0]) / 2 / middle
	}
	return middle, spread
}
