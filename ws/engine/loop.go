//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"runtime"
	"sync/atomic"
	"time"
)

// loop is the life of a Poller from its first descriptor to its last: the kernel's
// queue of events, and the lanes on which they are handled. There is one, and more
// where that pays; see crew.
type loop struct {
	poller *Poller
	kernel kernel
	open   int // descriptors; guarded by poller.mu

	alive    atomic.Int32 // lanes that use kernel
	several  atomic.Bool  // there is more than one
	calm     atomic.Bool  // little comes: see kernel.wait
	stopping atomic.Bool
	yields   bool // there is one processor only

	watchdog watchdog
}

// lane has one worker at a time, which calls the owners itself. word says how far it
// is in the batch that it has fetched: its generation, and its place, which is the
// batch and the index of the next event, or waiting. It claims each event by moving
// word on. When a handler blocks, the watchdog moves word to the next generation
// instead and starts another worker on a copy of the batch, which goes on at the
// next event; the old one finds that out when its handler returns, and ends.
type lane struct {
	loop   *loop
	word   atomic.Uint64
	worker atomic.Pointer[worker]
	count  atomic.Int64 // events handled
	extra  bool
	stop   atomic.Bool // an extra one is to end
	ended  atomic.Bool // it has

	last  uint64    // word at the watchdog's last tick
	since time.Time // when it was first seen to be that; both are the watchdog's
}

const (
	waiting   = 1<<32 - 1 // the place of a worker that waits for the kernel
	batchSize = 128
	indexBits = 8 // of a place; the rest counts batches

	sharedBatch = 32                    // at most, where several lanes share the work
	extraWait   = 50 * time.Millisecond // how long an extra lane waits before it looks about
)

func wordOf(gen, place uint32) uint64 { return uint64(gen)<<32 | uint64(place) }

// indexOf returns the index of the next event.
func indexOf(place uint32) uint32 { return place & (1<<indexBits - 1) }

// worker is a goroutine that handles a batch at a time. Its events do not change
// until it has claimed them all.
type worker struct {
	lane   *lane
	gen    uint32
	n      uint32
	begin  uint32 // the place of the batch's first event
	events events
	waits  waits
}

func newLoop(p *Poller) (*loop, error) {
	l := &loop{poller: p, yields: runtime.GOMAXPROCS(0) == 1}
	if err := l.kernel.open(); err != nil {
		return nil, err
	}
	l.watchdog.loop = l
	l.watchdog.crew.max = runtime.GOMAXPROCS(0)
	l.watchdog.mu.Lock()
	defer l.watchdog.mu.Unlock()
	l.watchdog.lanes = append(l.watchdog.lanes, l.newLane(false))
	return l, nil
}

func (l *loop) newLane(extra bool) *lane {
	n := &lane{loop: l, extra: extra}
	n.word.Store(wordOf(0, waiting))
	w := &worker{lane: n}
	n.worker.Store(w)
	l.alive.Add(1)
	go w.wait()
	return n
}

// end has the workers end, which wait: nothing is open that could call anybody.
func (l *loop) end() {
	l.stopping.Store(true)
	l.kernel.wake()
}

// wait fetches batch after batch. The word says waiting.
func (w *worker) wait() {
	n, l := w.lane, w.lane.loop
	defer w.waits.end()
	patience := time.Duration(-1)
	if n.extra {
		patience = extraWait
	}
	for {
		if l.yields || l.watchdog.dispatching.Load() {
			// Waiting in the kernel keeps what is runnable on this processor from
			// running until the scheduler takes it away.
			runtime.Gosched()
		}
		most := batchSize
		if l.several.Load() {
			most = sharedBatch
		}
		got := l.kernel.wait(w, most, patience)
		if l.stopping.Load() {
			l.watchdog.end()
			if l.alive.Load() > 1 {
				l.kernel.wake() // the next one
			}
			if l.alive.Add(-1) == 0 {
				l.kernel.close()
			}
			return
		}
		if got > 0 {
			w.n = uint32(got)
			// The watchdog must not take a place in this batch for one in the last.
			w.begin += 1 << indexBits
			n.word.Store(wordOf(w.gen, w.begin))
			l.watchdog.wakeUp()
			if !w.batch(0) {
				return
			}
		}
		if n.stop.Load() {
			n.ended.Store(true)
			if l.alive.Add(-1) == 0 {
				l.kernel.close()
			}
			return
		}
	}
}

// resume goes on with a batch at next, and then waits.
func (w *worker) resume(next uint32) {
	if w.batch(next) {
		w.wait()
	}
}

// retire counts a worker that was replaced as returned.
func (w *worker) retire() {
	w.lane.loop.poller.stats.Apart.Add(-1)
	w.lane.loop.watchdog.blocked.Add(-1)
}

// batch handles the events from next on, sets the word to waiting, and reports
// whether the worker is still the one.
func (w *worker) batch(next uint32) bool {
	n := w.lane
	n.count.Add(int64(w.n - next))
	whole := false
	defer func() {
		if !whole { // runtime.Goexit in user code
			w.replace()
		}
	}()
	for ; next < w.n; next++ {
		fd, gen, what := w.events.at(int(next))
		if !n.word.CompareAndSwap(wordOf(w.gen, w.begin+next), wordOf(w.gen, w.begin+next+1)) {
			whole = true
			w.retire()
			return false
		}
		if fd >= 0 {
			w.handle(fd, gen, what)
		}
	}
	whole = true
	if !n.word.CompareAndSwap(wordOf(w.gen, w.begin+w.n), wordOf(w.gen, waiting)) {
		w.retire()
		return false
	}
	return true
}

// replace starts a worker in place of one whose goroutine is ending in a handler,
// unless the watchdog has.
func (w *worker) replace() {
	word := w.lane.word.Load()
	if uint32(word>>32) != w.gen || !w.lane.succeed(w, uint32(word)) {
		w.retire()
	}
}

// succeed puts another worker in the stead of one that is at that place, and reports
// whether it was still there.
func (n *lane) succeed(w *worker, place uint32) bool {
	heir := &worker{lane: n, gen: w.gen + 1}
	if !n.word.CompareAndSwap(wordOf(w.gen, place), wordOf(heir.gen, place)) {
		return false
	}
	// w cannot touch its batch before its next claim, which fails.
	heir.n, heir.begin, heir.events = w.n, w.begin, w.events
	n.worker.Store(heir)
	go heir.resume(indexOf(place))
	return true
}

// handle brings one event to its owner.
func (w *worker) handle(fd int32, gen uint32, what uint8) {
	l := w.lane.loop
	d := l.poller.table.get(int(fd))
	if d == nil || d.gen != gen || !d.use() {
		l.poller.stats.Stale.Add(1)
		return
	}
	defer d.done()
	if what&canWrite != 0 && d.want.Load() {
		d.ev.Writable()
	}
	slow, vain := d.slow.Load(), false
	if slow&freshBit != 0 {
		slow = d.slow.And(^uint32(freshBit)) &^ freshBit
		vain = what&canRead == 0
		what |= canRead
	}
	if what&canRead == 0 {
		return
	}
	if what&hungUp != 0 {
		d.hup.Store(true)
	}
	if d.busy.Add(1) != 1 {
		return // whoever reads reads on
	}
	d.vain = vain
	if slow > 0 || l.watchdog.dispatching.Load() {
		if l.dispatch(d) {
			return
		}
	}
	d.run(w)
}

// maxApart bounds the goroutines of events that are dispatched: past it, the
// worker handles them, and the watchdog adds a goroutine a millisecond if they
// block.
const maxApart = 4096

// dispatch reads on a goroutine of its own.
func (l *loop) dispatch(d *Descriptor) bool {
	s := &l.poller.stats
	if s.Apart.Load() >= maxApart || !d.use() {
		return false
	}
	s.Dispatched.Add(1)
	s.Apart.Add(1)
	if n := d.slow.Load(); n > 0 {
		d.slow.Store(n - 1)
	}
	go func() {
		defer s.Apart.Add(-1)
		d.apart()
	}()
	return true
}

// current reports whether the worker has not been replaced.
func (w *worker) current() bool { return uint32(w.lane.word.Load()>>32) == w.gen }
