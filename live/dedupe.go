package live

import (
	"hash/maphash"
	"time"
)

// dedupe knows keys again for a window of time, and at most twice as long. It has
// two maps and forgets the older one whole.
type dedupe struct {
	window time.Duration
	most   int
	seeds  [2]maphash.Seed
	young  map[dedupeKey]uint64
	old    map[dedupeKey]uint64
	turned time.Time
}

// dedupeKey is 128 bits of hash: keys that a client could make collide would lose it
// a message.
type dedupeKey [2]uint64

func newDedupe(window time.Duration, most int) dedupe {
	return dedupe{
		window: window, most: most,
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		young: map[dedupeKey]uint64{},
	}
}

func (d *dedupe) key(s string) dedupeKey {
	return dedupeKey{maphash.String(d.seeds[0], s), maphash.String(d.seeds[1], s)}
}

func (d *dedupe) turn(now time.Time) {
	age := now.Sub(d.turned)
	if age < d.window {
		return
	}
	d.old, d.young, d.turned = d.young, map[dedupeKey]uint64{}, now
	if age >= 2*d.window {
		d.old = nil
	}
}

// find returns what was noted for k.
func (d *dedupe) find(k dedupeKey, now time.Time) (uint64, bool) {
	d.turn(now)
	if seq, ok := d.young[k]; ok {
		return seq, true
	}
	seq, ok := d.old[k]
	return seq, ok
}

// full reports whether note would forget a key too early.
func (d *dedupe) full() bool { return len(d.young)+len(d.old) >= d.most }

func (d *dedupe) note(k dedupeKey, seq uint64) { d.young[k] = seq }
