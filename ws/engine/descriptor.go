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
	// block. If it returns false, reading stays with whoever Readable handed it
	// to, who gives it back with Resume.
	Readable() bool
	// Writable is called when the socket takes bytes again after a Write that it
	// did not take whole. It may be called at any time, and must not block.
	Writable()
	// Blocked is called, from another goroutine, when a Readable that is Watched
	// has taken about a millisecond.
	Blocked()
}

// Descriptor is a socket that a Poller watches. The zero value is closed until
// [Poller.Add].
//
// Its file descriptor is closed when Close has been called and no call is under way
// any more, so that no call ever meets a number that has been given to another
// file.
type Descriptor struct {
	ref   atomic.Uint32 // closedBit, and userUnit for each user
	busy  atomic.Uint32 // not 0: somebody reads; counts what came meanwhile
	fd    int32
	gen   uint32 // tells it from others that had the same number
	title title
	vain  bool // the reader's: the event that it is called for said that nothing has come
	hup   atomic.Bool
	want  atomic.Bool   // a Write was not taken whole
	slow  atomic.Uint32 // how many more events get a goroutine of their own; freshBit
	on    *worker       // the reader's: the worker it runs on, if any
	loop  *loop
	ev    Events
}

// title says what is the Descriptor's to end.
type title uint8

const (
	// The only copy, as far as anybody knows: closing ends its registration too. If
	// there is another one, it stays until that is closed, and tells nobody.
	owned    title = iota
	shared         // another copy lives on, and would keep it registered
	borrowed       // somebody else's to close
)

const (
	closedBit = 1
	userUnit  = 2
	freshBit  = 1 << 31 // no event has come yet: the first one, which says that there is room to write, is to be read on
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

// Close closes the socket once nobody uses it: no call waits, so that is soon,
// unless a handler takes its time (see Shutdown). It may be called at any time and
// any number of times.
func (d *Descriptor) Close() {
	for {
		r := d.ref.Load()
		if r == 0 || r&closedBit != 0 {
			return
		}
		if d.ref.CompareAndSwap(r, r|closedBit) {
			d.done()
			return
		}
	}
}

// Read reads once, without waiting. more says that something may be left. At the
// end of the stream n is 0 and err nil.
func (d *Descriptor) Read(p []byte) (n int, more bool, err error) {
	if !d.use() {
		return 0, false, net.ErrClosed
	}
	// An event from here on is one that run has not seen.
	if vain := d.vain && d.busy.Load() == 1; vain {
		n, err = 0, unix.EAGAIN
	} else {
		n, err = read(d.fd, p)
	}
	d.vain = false
	d.done()
	// Where the peer has ended its half, that waits behind the last bytes.
	return n, n == len(p) || d.hup.Load(), err
}

// ReadPast is Read for bytes of which p is to hold the first, and spare what lies
// behind them: with a spare that is not filled there is no need to read once more. It
// may leave spare alone.
func (d *Descriptor) ReadPast(p, spare []byte) (n int, more bool, err error) {
	if !d.use() {
		return 0, false, net.ErrClosed
	}
	n, room, err := readPast(d.fd, p, spare)
	d.done()
	return n, n == room || d.hup.Load(), err
}

// Write writes what the socket takes without waiting. When that is not all, Writable
// is called once it takes more.
func (d *Descriptor) Write(p []byte) (int, error) {
	if !d.use() {
		return 0, net.ErrClosed
	}
	defer d.done()
	sent := 0
	for sent < len(p) {
		n, err := write(d.fd, p[sent:])
		sent += max(n, 0)
		if again, err := d.goesOn(err); !again {
			return sent, err
		}
	}
	return sent, nil
}

// WriteAll is Write for several pieces, which leave by one system call where the
// socket takes them. The slice of them is changed, what they hold is not.
func (d *Descriptor) WriteAll(pieces [][]byte) (int, error) {
	if !d.use() {
		return 0, net.ErrClosed
	}
	defer d.done()
	sent := 0
	for {
		for len(pieces) > 0 && len(pieces[0]) == 0 {
			pieces = pieces[1:]
		}
		if len(pieces) == 0 {
			return sent, nil
		}
		n, err := writev(d.fd, pieces)
		sent += max(n, 0)
		if again, err := d.goesOn(err); !again {
			return sent, err
		}
		for n > 0 {
			k := min(n, len(pieces[0]))
			if pieces[0] = pieces[0][k:]; len(pieces[0]) == 0 {
				pieces = pieces[1:]
			}
			n -= k
		}
	}
}

// goesOn says whether to write again after a system call.
func (d *Descriptor) goesOn(err error) (bool, error) {
	switch err {
	case nil, unix.EINTR:
		return true, nil
	case unix.EAGAIN:
		// The edge may come between the failure and the wish to hear of it: then
		// a second try finds room.
		return !d.want.Swap(true), nil
	}
	return false, err
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
	d.run(nil)
}

// Resume reads on the calling goroutine, which has had reading since Add, or since
// a Readable that returned false.
func (d *Descriptor) Resume() {
	if d.use() {
		d.vain = false // what the event said is long ago
		d.apart()
	}
}

// Idle reports whether nobody reads: all that has come is read.
func (d *Descriptor) Idle() bool { return d.busy.Load() == 0 }

// run calls Readable until nothing has come meanwhile. Its caller has reading.
func (d *Descriptor) run(w *worker) {
	over := false
	defer func() {
		if !over && d.use() { // runtime.Goexit in user code: somebody must go on
			go d.apart()
		}
	}()
	for seen := d.busy.Load(); ; seen = d.busy.Load() {
		d.on = w
		kept := d.ev.Readable()
		if !kept {
			over = true
			return
		}
		d.on, d.vain = nil, false
		if d.busy.CompareAndSwap(seen, 0) {
			over = true
			return
		}
	}
}

// Watched reports whether Blocked is still to be called if the Readable under way,
// which asks, takes long: it runs on the worker, and that has not been replaced.
func (d *Descriptor) Watched() bool {
	return d.on != nil && d.on.current()
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
