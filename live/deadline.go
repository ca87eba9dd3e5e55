package live

import (
	"container/heap"
	"sync"
	"time"
)

// deadlines calls functions when their time has come. One timer serves them all; there
// is none while nothing waits.
type deadlines struct {
	mu    sync.Mutex
	heap  deadlineHeap
	timer *time.Timer
	next  time.Time // when timer fires
	over  bool
}

// deadline is one function that waits, or may. Its zero value waits for nothing.
type deadline struct {
	at    time.Time
	index int // in the heap, plus one
	f     func()
}

// set has f called, on a goroutine of its own, once at has come, in place of what d
// waited for.
func (ds *deadlines) set(d *deadline, at time.Time, f func()) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.over {
		return
	}
	d.at, d.f = at, f
	if d.index > 0 {
		heap.Fix(&ds.heap, d.index-1)
	} else {
		heap.Push(&ds.heap, d)
	}
	ds.arm()
}

// clear has d wait for nothing, and reports whether it did.
func (ds *deadlines) clear(d *deadline) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if d.index == 0 {
		return false
	}
	heap.Remove(&ds.heap, d.index-1)
	d.f = nil
	return true
}

// end forgets everything.
func (ds *deadlines) end() {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	ds.over = true
	for _, d := range ds.heap {
		d.index, d.f = 0, nil
	}
	ds.heap = nil
	if ds.timer != nil {
		ds.timer.Stop()
	}
}

// arm sees to it that the timer fires for the first. A timer that fires too early
// does no harm.
func (ds *deadlines) arm() {
	if len(ds.heap) == 0 {
		return
	}
	first := ds.heap[0].at
	if !ds.next.IsZero() && !first.Before(ds.next) {
		return
	}
	ds.next = first
	if ds.timer == nil {
		ds.timer = time.AfterFunc(time.Until(first), ds.fire)
	} else {
		ds.timer.Reset(time.Until(first))
	}
}

func (ds *deadlines) fire() {
	ds.mu.Lock()
	ds.next = time.Time{}
	now := time.Now()
	var due []func()
	for len(ds.heap) > 0 && !ds.heap[0].at.After(now) {
		d := heap.Pop(&ds.heap).(*deadline)
		due = append(due, d.f)
		d.f = nil
	}
	if !ds.over {
		ds.arm()
	}
	ds.mu.Unlock()
	for _, f := range due {
		go f()
	}
}

type deadlineHeap []*deadline

func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}
func (h *deadlineHeap) Push(x any) {
	d := x.(*deadline)
	*h = append(*h, d)
	d.index = len(*h)
}
func (h *deadlineHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	d.index = 0
	return d
}
