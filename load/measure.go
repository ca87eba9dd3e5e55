package load

import (
	"context"
	"time"
)

// measure lets the run go on for its time and looks at it every second.
func (r *run) measure(ctx context.Context, report *Report, clock *clock, total *tally) {
	begin := time.Now()
	warm := begin.Add(r.plan.Warmup)
	end := warm.Add(r.plan.Duration)
	last := begin
	clock.lap()
	for {
		next := last.Add(time.Second)
		if last.Before(warm) && next.After(warm) {
			next = warm
		}
		if next.After(end) {
			next = end
		}
		ended := false
		t := time.NewTimer(time.Until(next))
		select {
		case <-t.C:
		case <-ctx.Done():
			ended = true
		case <-r.emptied:
			ended = true
		}
		t.Stop()
		w, sum, now := r.window(clock, last)
		w.Warmup = last.Before(warm)
		if w.Warmup {
			total.addFaults(sum)
		} else {
			total.add(sum)
			report.Seconds += w.Seconds
			report.CPU += w.CPU
			report.ServerCPU += w.ServerCPU
		}
		r.publish(report, w)
		last = now
		if w.Warmup && !last.Before(warm) {
			end = last.Add(r.plan.Duration) // where the machine was busy, the warm-up may have ended late
		}
		if ended || !last.Before(end) {
			break
		}
	}
	report.Sent, report.Received, report.Bytes = total.sent, total.received, total.bytes
	report.SentCompressed, report.ReceivedCompressed = total.asked, total.answered
	report.Latency = latencyOf(total.latency, true)
	report.Service = report.Latency
	if r.plan.Rate > 0 {
		report.Service = latencyOf(total.service, true)
	}
}

// accompany shows every second of what comes before the measurement, until it is over.
func (r *run) accompany(over <-chan struct{}, report *Report, clock *clock, total *tally) {
	clock.lap()
	last := r.start
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-over:
			return
		case <-t.C:
		}
		w, sum, now := r.window(clock, last)
		w.Warmup, w.Connecting = true, true
		total.addFaults(sum)
		r.publish(report, w)
		last = now
	}
}

// window is what has happened since the last one.
func (r *run) window(clock *clock, last time.Time) (w Window, sum *tally, now time.Time) {
	sum = newTally()
	for _, s := range r.shards {
		s.take(sum)
	}
	now = time.Now()
	w = Window{At: now.Sub(r.start).Seconds(), Seconds: now.Sub(last).Seconds(), Open: r.open.Load(),
		Sent: sum.sent, Received: sum.received, Bytes: sum.bytes, Compressed: sum.answered, Errors: sum.errors()}
	w.CPU, w.ServerCPU = clock.lap()
	l := latencyOf(sum.latency, false)
	w.P50, w.P99, w.Max = l.P50, l.P99, l.Max
	return w, sum, now
}

func (r *run) publish(report *Report, w Window) {
	report.Windows = append(report.Windows, w)
	if r.plan.Progress != nil {
		r.plan.Progress(w)
	}
}
