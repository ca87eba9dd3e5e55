//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"runtime"
	"sync/atomic"
)

// loop is the life of a Poller from its first descriptor to its last: the kernel's
// queue of events, and the worker that takes events from it.
//
// The worker calls the owners itself. word says how far it is in the batch that it
// has fetched: its generation, and its place, which is the batch and the index of the
// next event, or waiting. It claims each event by moving word on. When a handler blocks, the watchdog moves
// word to the next generation instead and starts another worker on a copy of the
// batch, which goes on at the next event; the old one finds that out when its
// handler returns, and ends.
type loop struct {
	poller *Poller
	kernel kernel
	open   int // descriptors; guarded by poller.mu

	word     atomic.Uint64
	worker   atomic.Pointer[worker]
	stopping atomic.Bool
	yields   bool // there is one processor only

	watchdog watchdog
}

const (
	waiting   = 1<<32 - 1 // the place of a worker that waits for the kernel
	batchSize = 128
	indexBits = 8 // of a place; the rest counts batches
)

func wordOf(gen, place uint32) uint64 { return uint64(gen)<<32 | uint64(place) }

// indexOf returns the index of the next event.
func indexOf(place uint32) uint32 { return place & (1<<indexBits - 1) }

// worker is a goroutine that handles a batch at a time. Its events do not change
// until it has claimed them all.
type worker struct {
	loop   *loop
	gen    uint32
	n      uint32
	begin  uint32 // the place of the batch's first event
	events events
}

func newLoop(p *Poller) (*loop, error) {
	l := &loop{poller: p, yields: runtime.GOMAXPROCS(0) == 1}
	if err := l.kernel.open(); err != nil {
		return nil, err
	}
	l.watchdog.loop = l
	l.word.Store(wordOf(0, waiting))
	w := &worker{loop: l}
	l.worker.Store(w)
	go w.wait()
	return l, nil
}

// end has the worker end, which waits: nothing is open that could call anybody.
func (l *loop) end() {
	l.stopping.Store(true)
	l.kernel.wake()
}

// wait fetches batch after batch. The word says waiting.
func (w *worker) wait() {
	l := w.loop
	for {
		if l.yields || l.watchdog.dispatching.Load() {
			// Waiting in the kernel keeps what is runnable on this processor from
			// running until the scheduler takes it away.
			runtime.Gosched()
		}
		n := l.kernel.wait(&w.events)
		if l.stopping.Load() {
			l.watchdog.end()
			l.kernel.close()
			return
		}
		if n == 0 {
			continue
		}
		w.n = uint32(n)
		// The watchdog must not take a place in this batch for one in the last.
		w.begin += 1 << indexBits
		l.word.Store(wordOf(w.gen, w.begin))
		l.watchdog.wakeUp()
		if !w.batch(0) {
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
	w.loop.poller.stats.Apart.Add(-1)
	w.loop.watchdog.blocked.Add(-1)
}

// batch handles the events from next on, sets the word to waiting, and reports
// whether the worker is still the one.
func (w *worker) batch(next uint32) bool {
	l := w.loop
	whole := false
	defer func() {
		if !whole { // runtime.Goexit in user code
			w.replace()
		}
	}()
	for ; next < w.n; next++ {
		fd, gen, what := w.events.at(int(next))
		if !l.word.CompareAndSwap(wordOf(w.gen, w.begin+next), wordOf(w.gen, w.begin+next+1)) {
			whole = true
			w.retire()
			return false
		}
		if fd >= 0 {
			w.handle(fd, gen, what)
		}
	}
	whole = true
	if !l.word.CompareAndSwap(wordOf(w.gen, w.begin+w.n), wordOf(w.gen, waiting)) {
		w.retire()
		return false
	}
	return true
}

// replace starts a worker in place of one whose goroutine is ending in a handler,
// unless the watchdog has.
func (w *worker) replace() {
	word := w.loop.word.Load()
	if uint32(word>>32) != w.gen || !w.loop.succeed(w, uint32(word)) {
		w.retire()
	}
}

// succeed puts another worker in the stead of one that is at that place, and reports
// whether it was still there.
func (l *loop) succeed(w *worker, place uint32) bool {
	heir := &worker{loop: l, gen: w.gen + 1}
	if !l.word.CompareAndSwap(wordOf(w.gen, place), wordOf(heir.gen, place)) {
		return false
	}
	// w cannot touch its batch before its next claim, which fails.
	heir.n, heir.begin, heir.events = w.n, w.begin, w.events
	l.worker.Store(heir)
	go heir.resume(indexOf(place))
	return true
}

// handle brings one event to its owner.
func (w *worker) handle(fd int32, gen uint32, what uint8) {
	l := w.loop
	d := l.poller.table.get(int(fd))
	if d == nil || d.gen != gen || !d.use() {
		l.poller.stats.Stale.Add(1)
		return
	}
	defer d.done()
	if what&canWrite != 0 && d.want.Load() {
		d.ev.Writable()
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
	if d.slow.Load() > 0 || l.watchdog.dispatching.Load() {
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
func (w *worker) current() bool { return uint32(w.loop.word.Load()>>32) == w.gen }
