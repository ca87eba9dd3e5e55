package load

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// shard counts for some of the connections, so that they do not wait for each other.
type shard struct {
	sent, bytes atomic.Int64

	mu       sync.Mutex
	received int64
	latency  *hdrhistogram.Histogram // from when a message was due
	service  *hdrhistogram.Histogram // from when it was sent
	faults   map[string]int64
	random   *rand.Rand
}

// longest is the latency beyond which none is told apart.
const longest = int64(2 * time.Minute)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1000, longest, 3) }

func newShard(seed uint64) *shard {
	return &shard{
		latency: newHistogram(), service: newHistogram(), faults: make(map[string]int64),
		random: rand.New(rand.NewPCG(seed, 2)),
	}
}

// fraction is a random number in [0, 1).
func (s *shard) fraction() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.Float64()
}

// record notes a message that has come back.
func (s *shard) record(r *run, now, due, sent int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received++
	s.latency.RecordValue(min(now-due, longest))
	if r.plan.Rate > 0 { // else it is the same
		s.service.RecordValue(min(now-sent, longest))
	}
}

// maxFaults bounds how many kinds of errors are told apart.
const maxFaults = 40

func (s *shard) fault(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.faults[why]; !known && len(s.faults) >= maxFaults {
		why = "others"
	}
	s.faults[why]++
}

// take moves what was counted since the last call into a tally.
func (s *shard) take(t *tally) {
	t.sent += s.sent.Swap(0)
	t.bytes += s.bytes.Swap(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.received += s.received
	s.received = 0
	t.latency.Merge(s.latency)
	s.latency.Reset()
	t.service.Merge(s.service)
	s.service.Reset()
	for why, n := range s.faults {
		t.faults[why] += n
		delete(s.faults, why)
	}
}

// tally is a sum over shards and time.
type tally struct {
	sent, received, bytes int64
	latency, service      *hdrhistogram.Histogram
	faults                map[string]int64
}

func newTally() *tally {
	return &tally{latency: newHistogram(), service: newHistogram(), faults: make(map[string]int64)}
}

func (t *tally) add(o *tally) {
	t.sent += o.sent
	t.received += o.received
	t.bytes += o.bytes
	t.latency.Merge(o.latency)
	t.service.Merge(o.service)
	for why, n := range o.faults {
		t.faults[why] += n
	}
}

func (t *tally) errors() int64 {
	n := int64(0)
	for _, k := range t.faults {
		n += k
	}
	return n
}
