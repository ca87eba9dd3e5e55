package live

import (
	"math"
	"sync/atomic"
	"time"
)

// traffic counts the messages of a Hub. Both directions are counted on other cores, so they are apart.
type traffic struct {
	_   [64]byte
	in  flow
	_   [64]byte
	out flow
	_   [64]byte
}

type flow struct{ messages, bytes atomic.Int64 }

func (f *flow) add(messages, bytes int) {
	f.messages.Add(int64(messages))
	f.bytes.Add(int64(messages) * int64(bytes))
}

// frequency is how often something happens: an average in which what was counts less with time.
type frequency struct {
	perSecond float64
	last      time.Time
}

const frequencyMemory = 30 // seconds in which what was comes to count 1/e

func (f *frequency) tick(now time.Time) {
	f.perSecond, f.last = f.at(now)+1.0/frequencyMemory, now
}

// at is how often it happens now; 0 when that is less than once in some hours.
func (f *frequency) at(now time.Time) float64 {
	r := f.perSecond * math.Exp(-max(0, now.Sub(f.last).Seconds())/frequencyMemory)
	if r < 1e-4 {
		return 0
	}
	return r
}
