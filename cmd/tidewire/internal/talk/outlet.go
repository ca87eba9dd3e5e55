package talk

import (
	"errors"
	"io"
	"sync"
	"time"
)

// Outlet is a Writer whose other end may take nothing for ever, as that of a
// pipe may, and which gathers what comes faster than it is taken. Its methods may
// be called from any goroutine.
type Outlet struct {
	w     io.Writer
	hurry chan struct{} // is closed by Hurry
	once  sync.Once
	lost  chan struct{} // is closed when err is set

	mu       sync.Mutex    // guards what follows
	gathered []byte        // comes after what is being written
	spare    []byte        // for what is gathered next
	writing  chan struct{} // is closed when the present write has ended; nil: there is none
	err      error         // nothing is written any more
}

// maxGathered is how much may wait for a write, but for one message that is longer.
const maxGathered = 64 << 10

// lastWrite is how long a write may take from Hurry on.
const lastWrite = time.Second

var errBlocked = errors.New("nobody takes it")

// NewOutlet returns an Outlet that leads to w.
func NewOutlet(w io.Writer) *Outlet {
	return &Outlet{w: w, hurry: make(chan struct{}), lost: make(chan struct{})}
}

// Hurry has writes fail that take longer than a second from now on, and all that
// follow. One that is under way is not waited for.
func (o *Outlet) Hurry() {
	o.once.Do(func() {
		close(o.hurry)
		go o.Flush() // finds out what nobody else waits for
	})
}

// Lost returns a channel that is closed when nothing is written any more: Flush says why.
func (o *Outlet) Lost() <-chan struct{} { return o.lost }

// Write writes p, behind what was Put.
func (o *Outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.put(p)
	if err := o.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Put has a copy of p written, and waits only where too much has been gathered.
// Flush tells of an error that comes later.
func (o *Outlet) Put(p []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && len(o.gathered) > 0 && len(o.gathered)+len(p) > maxGathered {
		o.wait()
	}
	o.put(p)
	return o.err
}

// Flush waits until all that was Put is written.
func (o *Outlet) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.flush()
}

// put gathers p. o.mu is held.
func (o *Outlet) put(p []byte) {
	if o.err != nil {
		return
	}
	o.gathered = append(o.gathered, p...)
	if o.writing == nil {
		o.writing = make(chan struct{})
		go o.write()
	}
}

// flush waits for what has been gathered until now. o.mu is held.
func (o *Outlet) flush() error {
	for range 2 { // the present write, and the one that takes the rest
		if o.err == nil && o.writing != nil {
			o.wait()
		}
	}
	return o.err
}

// wait waits until the present write has ended. o.mu is held, but not meanwhile.
func (o *Outlet) wait() {
	ended := o.writing
	o.mu.Unlock()
	defer o.mu.Lock()
	select {
	case <-ended:
		return
	case <-o.hurry:
	}
	timer := time.NewTimer(lastWrite)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		o.mu.Lock()
		o.fail(errBlocked)
		o.mu.Unlock()
	}
}

// fail has nothing written any more. o.mu is held.
func (o *Outlet) fail(err error) {
	if o.err == nil {
		o.err = err
		close(o.lost)
	}
}

// write writes what has been gathered, until there is no more.
func (o *Outlet) write() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		p, ended := o.gathered, o.writing
		o.gathered = o.spare[:0]
		o.mu.Unlock()
		_, err := o.w.Write(p)
		o.mu.Lock()
		if o.spare = p; cap(p) > 2*maxGathered {
			o.spare = nil
		}
		if err != nil {
			o.fail(err)
		}
		o.writing = nil
		if o.err == nil && len(o.gathered) > 0 {
			o.writing = make(chan struct{})
		}
		close(ended)
		if o.writing == nil {
			return
		}
	}
}
