//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Poller watches sockets and calls their owners when something has come, from few
// goroutines: one that is idle owns none. The zero value is ready. When it
// has watched nothing for some milliseconds, it holds no goroutine, no timer and no
// descriptor.
type Poller struct {
	mu    sync.Mutex // guards loop and its open
	loop  *loop
	table table
	gen   atomic.Uint32
	stats Stats
}

// Stats counts what a Poller did.
type Stats struct {
	Takeovers  atomic.Int64 // a worker was replaced because its handler took long
	Dispatched atomic.Int64 // events that were given a goroutine of their own
	Stale      atomic.Int64 // events that came for a socket already closed
	Apart      atomic.Int64 // goroutines now that are not the worker's
}

// Stats returns the live counters.
func (p *Poller) Stats() *Stats { return &p.stats }

// Add takes nc over, if it is exactly a *net.TCPConn or a *net.UnixConn of stream
// type: the socket is d's from then on, nc is closed, and the Conn that stands for
// d is returned. With hold, reading is the caller's until it calls Resume, and
// nothing is missed meanwhile; otherwise Readable is called at once, perhaps before
// Add returns. On an error nc is as it was. Where nc is closed by somebody else
// meanwhile, either that or Add fails, or the connection ends.
func (p *Poller) Add(d *Descriptor, nc net.Conn, ev Events, hold bool) (net.Conn, error) {
	raw := rawOf(nc)
	if raw == nil {
		return nil, errNoSocket
	}
	fd := -1
	var err error
	if e := raw.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := neverWait(fd); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	c := newConn(d, nc)
	busy := uint32(1)
	if !hold {
		busy = 0
		d.slow.Store(freshBit)
	}
	if err := p.watch(d, fd, ev, busy); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if errors.Is(nc.Close(), net.ErrClosed) {
		d.Shutdown() // somebody has closed nc meanwhile, and must not have done so in vain
	}
	return c, nil
}

// watch makes d the owner of fd. busy is 1 where reading is the caller's.
func (p *Poller) watch(d *Descriptor, fd int, ev Events, busy uint32) error {
	d.fd, d.gen, d.ev = int32(fd), p.gen.Add(1), ev
	d.busy.Store(busy)
	p.mu.Lock()
	if p.loop == nil {
		l, err := newLoop(p)
		if err != nil {
			p.mu.Unlock()
			return err
		}
		p.loop = l
	}
	d.loop = p.loop
	d.loop.open++
	p.mu.Unlock()
	d.ref.Store(userUnit)
	before := p.table.swap(fd, d)
	err := d.loop.kernel.add(fd, d.gen)
	// After a success d's owner may be called, and change its title.
	if errors.Is(err, unix.EEXIST) && d.title != borrowed {
		// It is of an owner that is gone, and another copy of the socket kept it.
		d.loop.kernel.remove(fd)
		err = d.loop.kernel.add(fd, d.gen)
	}
	if err != nil {
		d.ref.Store(closedBit)
		p.table.slot(fd).CompareAndSwap(d, before)
		if before != nil { // of a listener that is watched already: an event may have come meanwhile
			before.Kick()
		}
		d.loop.leave()
		return err
	}
	return nil
}

// remove closes a descriptor that nobody uses any more.
func (l *loop) remove(d *Descriptor) {
	l.poller.table.clear(int(d.fd), d)
	if d.title == shared {
		l.kernel.remove(int(d.fd))
	}
	if d.title != borrowed {
		unix.Close(int(d.fd))
	}
	l.leave()
}

// leave counts a descriptor less. The watchdog sees to it that the loop ends if that
// was the last one: soon, and not at once, because where connections are few and short
// the next one comes first.
func (l *loop) leave() {
	l.poller.mu.Lock()
	l.open--
	last := l.open == 0
	l.poller.mu.Unlock()
	if last {
		l.watchdog.wakeUp()
	}
}

// watches reports whether there is a descriptor.
func (l *loop) watches() bool {
	l.poller.mu.Lock()
	defer l.poller.mu.Unlock()
	return l.open > 0
}

// lapse ends a loop that watches nothing, and reports whether it does.
func (l *loop) lapse() bool {
	p := l.poller
	p.mu.Lock()
	last := l.open == 0 && p.loop == l // once: a new loop may be there already
	if last {
		p.loop = nil
	}
	p.mu.Unlock()
	if last {
		l.end()
	}
	return last
}

// others counts the goroutines that Work was told of.
var others atomic.Int64

// Work says that a goroutine begins (1) or ends (-1) to do work for connections that
// takes long: workers that wait meanwhile leave their processors to others.
func Work(n int64) { others.Add(n) }

// table finds a descriptor's owner by its number.
type table struct {
	mu    sync.Mutex // guards growing
	pages atomic.Pointer[[]*page]
}

const pageSize = 512

type page [pageSize]atomic.Pointer[Descriptor]

func (t *table) slot(fd int) *atomic.Pointer[Descriptor] {
	pages := t.pages.Load()
	if i := fd / pageSize; pages != nil && i < len(*pages) {
		return &(*pages)[i][fd%pageSize]
	}
	return nil
}

func (t *table) get(fd int) *Descriptor {
	if s := t.slot(fd); s != nil {
		return s.Load()
	}
	return nil
}

// swap puts a descriptor into its place, and returns what was there.
func (t *table) swap(fd int, d *Descriptor) *Descriptor {
	if t.slot(fd) == nil {
		t.mu.Lock()
		var pages []*page
		if old := t.pages.Load(); old != nil {
			pages = append(pages, *old...)
		}
		for len(pages) <= fd/pageSize {
			pages = append(pages, new(page))
		}
		t.pages.Store(&pages)
		t.mu.Unlock()
	}
	return t.slot(fd).Swap(d)
}

func (t *table) clear(fd int, d *Descriptor) { t.slot(fd).CompareAndSwap(d, nil) }
