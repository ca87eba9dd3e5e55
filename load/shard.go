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
	sent, bytes atomic.Int64 // of sent, those that went uncompressed

	mu       sync.Mutex
	asked    Volume // compressed messages to the server
	answered Volume // compressed messages from it
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

// ask notes a compressed message that is sent.
func (s *shard) ask(plain, packed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked.add(Volume{1, int64(plain), int64(packed)})
}

// record notes a message that has come back, and what it was compressed to.
func (s *shard) record(r *run, now, due, sent int64, packed Volume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received++
	s.answered.add(packed)
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
	t.sent += s.asked.Messages
	t.asked.add(s.asked)
	t.answered.add(s.answered)
	s.asked, s.answered = Volume{}, Volume{}
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
	asked, answered       Volume
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
	t.asked.add(o.asked)
	t.answered.add(o.answered)
	t.latency.Merge(o.latency)
	t.service.Merge(o.service)
	t.addFaults(o)
}

func (t *tally) addFaults(o *tally) {
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
