//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine

import (
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Events is the owner of a Descriptor.
type Events interface {
	// Readable is called when there may be something to read, or Kick asked for
	// it, by one goroutine at a time. It reads until Read says that it would
	// block. shared says that it runs on a worker, where Blocked is called if it
	// takes long. If it returns false, reading stays with whoever Readable handed
	// it to, who gives it back with Resume.
	Readable(shared bool) bool
	// Writable is called when the socket takes bytes again after a Write that it
	// did not take whole. It may be called at any time, and must not block.
	Writable()
	// Blocked is called, from another goroutine, when a shared Readable has taken
	// about a millisecond.
	Blocked()
}

// Descriptor is a socket that a Poller watches. The zero value is closed until
// [Poller.Add].
//
// Its file descriptor is closed when Close has been called and no call is under way
// any more, so that no call ever meets a number that has been given to another
// file.
type Descriptor struct {
	ref  atomic.Uint32 // closedBit, and userUnit for each user
	busy atomic.Uint32 // not 0: somebody reads; counts what came meanwhile
	fd   int32
	gen  uint32 // tells it from others that had the same number
	hup  atomic.Bool
	want atomic.Bool   // a Write was not taken whole
	slow atomic.Uint32 // how many more events get a goroutine of their own
	loop *loop
	ev   Events
}

const (
	closedBit = 1
	userUnit  = 2
)

// use keeps the file descriptor open until done.
func (d *Descriptor) use() bool {
	for {
		r := d.ref.Load()
		if r == 0 || r&closedBit != 0 {
			return false
		}
		if d.ref.CompareAndSwap(r, r+userUnit) {
			return true
		}
	}
}

func (d *Descriptor) done() {
	if d.ref.Add(^uint32(userUnit-1)) == closedBit {
		d.loop.remove(d)
	}
}

// Close closes the socket once nobody uses it, and wakes those who do. It may be
// called at any time and any number of times.
func (d *Descriptor) Close() {
	for {
		r := d.ref.Load()
		if r == 0 || r&closedBit != 0 {
			return
		}
		if !d.ref.CompareAndSwap(r, r|closedBit) {
			continue
		}
		if r > userUnit {
			unix.Shutdown(int(d.fd), unix.SHUT_RDWR)
		}
		d.done()
		return
	}
}

// Read reads once, without waiting. more says that something may be left. At the
// end of the stream n is 0 and err nil.
func (d *Descriptor) Read(p []byte) (n int, more bool, err error) {
	if !d.use() {
		return 0, false, net.ErrClosed
	}
	n, err = read(d.fd, p)
	d.done()
	// Where the peer has ended its half, that waits behind the last bytes.
	return n, n == len(p) || d.hup.Load(), err
}

// Write writes what the socket takes without waiting: head, and then rest. When
// that is not all, Writable is called once it takes more.
func (d *Descriptor) Write(head, rest []byte) (int, error) {
	if !d.use() {
		return 0, net.ErrClosed
	}
	sent := 0
	var err error
	for len(head)+len(rest) > 0 {
		var n int
		switch {
		case len(rest) == 0:
			n, err = write(d.fd, head)
		case len(head) == 0:
			n, err = write(d.fd, rest)
		default:
			n, err = writev(int(d.fd), head, rest)
		}
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			err = nil
			// The edge may come between the failure and the wish to hear of it:
			// then this second try finds room.
			if d.want.Swap(true) {
				break
			}
			continue
		}
		if err != nil {
			break
		}
		sent += n
		k := min(n, len(head))
		head, rest = head[k:], rest[n-k:]
	}
	d.done()
	return sent, err
}

// Sated ends the wish to hear of the next room for a Write.
func (d *Descriptor) Sated() {
	if d.want.Load() {
		d.want.Store(false)
	}
}

// Kick has Readable called once more, on a goroutine of its own if nobody reads
// just now.
func (d *Descriptor) Kick() {
	if d.use() {
		if d.busy.Add(1) == 1 {
			go d.apart()
		} else {
			d.done()
		}
	}
}

// apart reads on a goroutine of its own. Its caller has used d.
func (d *Descriptor) apart() {
	defer d.done()
	d.run(false)
}

// Resume reads on the calling goroutine, which has had reading since Add, or since
// a Readable that returned false.
func (d *Descriptor) Resume() {
	if d.use() {
		d.apart()
	}
}

// Idle reports whether nobody reads: all that has come is read.
func (d *Descriptor) Idle() bool { return d.busy.Load() == 0 }

// run calls Readable until nothing has come meanwhile. Its caller has reading.
func (d *Descriptor) run(shared bool) {
	over := false
	defer func() {
		if !over && d.use() { // runtime.Goexit in user code: somebody must go on
			go d.apart()
		}
	}()
	for seen := d.busy.Load(); ; seen = d.busy.Load() {
		if !d.ev.Readable(shared) || d.busy.CompareAndSwap(seen, 0) {
			over = true
			return
		}
	}
}

// Unread reports whether bytes wait to be read.
func (d *Descriptor) Unread() bool {
	if !d.use() {
		return false
	}
	defer d.done()
	return unread(int(d.fd))
}

// Unsent returns how many bytes the peer has not acknowledged yet, or -1 where
// the kernel does not say.
func (d *Descriptor) Unsent() int {
	if !d.use() {
		return -1
	}
	defer d.done()
	return unsent(int(d.fd))
}

// CloseWrite sends the end of the stream.
func (d *Descriptor) CloseWrite() error { return d.shutdown(unix.SHUT_WR) }

// Shutdown ends both halves and leaves the descriptor open.
func (d *Descriptor) Shutdown() error { return d.shutdown(unix.SHUT_RDWR) }

func (d *Descriptor) shutdown(how int) error {
	if !d.use() {
		return net.ErrClosed
	}
	defer d.done()
	return unix.Shutdown(int(d.fd), how)
}
