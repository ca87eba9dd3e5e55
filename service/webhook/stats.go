package webhook

import (
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Counts are of one event, since the Webhook was made.
type Counts struct {
	Asked   int64         // questions, or things to tell
	Failed  int64         // got no answer, whatever became of the client then; Skipped are among them
	Refused int64         // refused by the application
	Skipped int64         // not sent at all: the breaker was open, or too many were under way
	Retried int64         // attempts beside the first
	Dropped int64         // never told
	Latency time.Duration // the sum of those that were sent, with all their attempts
}

// Stats is what a Webhook has done, and does.
type Stats struct {
	Connect, Join, Publish, Disconnect Counts

	BreakerOpen   bool  // nobody is asked at present, or one question to see whether there is an answer again
	BreakerOpened int64 // how often that began
	UnderWay      int   // questions
	Queued        int   // things to tell that wait
}

// Stats returns what the Webhook has done. It costs little, and waits for nothing.
func (w *Webhook) Stats() Stats {
	return Stats{
		Connect: w.count.connect.counts(), Join: w.count.join.counts(), Publish: w.count.publish.counts(), Disconnect: w.count.disconnect.counts(),
		BreakerOpen: w.breaker.State() != gobreaker.StateClosed, BreakerOpened: w.count.opened.Load(),
		UnderWay: int(w.underWay.Load()), Queued: len(w.queue),
	}
}

// counters are those behind Stats.
type counters struct {
	connect, join, publish, disconnect counter
	opened                             atomic.Int64
}

type counter struct {
	asked, failed, refused, skipped, retried, dropped, latency atomic.Int64
}

func (c *counters) of(e Event) *counter {
	switch e {
	case Connect:
		return &c.connect
	case Join:
		return &c.join
	case Publish:
		return &c.publish
	}
	return &c.disconnect
}

func (c *counter) counts() Counts {
	return Counts{
		Asked: c.asked.Load(), Failed: c.failed.Load(), Refused: c.refused.Load(), Skipped: c.skipped.Load(),
		Retried: c.retried.Load(), Dropped: c.dropped.Load(), Latency: time.Duration(c.latency.Load()),
	}
}
