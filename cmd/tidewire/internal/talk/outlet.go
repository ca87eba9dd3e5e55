package talk

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

// Outlet is a Writer whose other end may take nothing for ever, as that of a
// pipe may. Its methods may be called from any goroutine.
type Outlet struct {
	w     io.Writer
	hurry chan struct{} // is closed by Hurry
	once  sync.Once
	mu    sync.Mutex // guards what follows, and is held while something is written
	err   error      // nothing is written any more
}

// lastWrite is how long a write may take from Hurry on.
const lastWrite = time.Second

var errBlocked = errors.New("nobody takes it")

// NewOutlet returns an Outlet that leads to w.
func NewOutlet(w io.Writer) *Outlet { return &Outlet{w: w, hurry: make(chan struct{})} }

// Hurry has writes fail that take longer than a second from now on, and all that
// follow. One that is under way is not waited for.
func (o *Outlet) Hurry() { o.once.Do(func() { close(o.hurry) }) }

func (o *Outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	p = bytes.Clone(p) // it may outlast the call
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := o.w.Write(p)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-o.hurry:
	}
	timer := time.NewTimer(lastWrite)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.n, r.err
	case <-timer.C:
		o.err = errBlocked
		return 0, o.err
	}
}
