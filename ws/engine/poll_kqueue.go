//go:build (darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64)

package engine

import (
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What an event says.
const (
	canRead = 1 << iota
	canWrite
	hungUp // the peer has ended its half, or the connection is broken
)

// kernel is a kqueue (kqueue(2)) and a pipe to wake it.
type kernel struct{ kq, out, in int }

func (k *kernel) open() error {
	var err error
	if k.kq, err = unix.Kqueue(); err != nil {
		return os.NewSyscallError("kqueue", err)
	}
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		unix.Close(k.kq)
		return os.NewSyscallError("pipe", err)
	}
	k.out, k.in = p[0], p[1]
	for _, fd := range []int{k.kq, k.out, k.in} {
		unix.CloseOnExec(fd)
	}
	var ev [1]unix.Kevent_t
	unix.SetKevent(&ev[0], k.out, unix.EVFILT_READ, unix.EV_ADD)
	if _, err := unix.Kevent(k.kq, ev[:], nil, nil); err != nil {
		k.close()
		return os.NewSyscallError("kevent", err)
	}
	return nil
}

func (k *kernel) close() {
	unix.Close(k.kq)
	unix.Close(k.out)
	unix.Close(k.in)
}

// add registers once: an edge for each change (EV_CLEAR), and nobody re-arms.
func (k *kernel) add(fd int, gen uint32) error {
	var ev [2]unix.Kevent_t
	unix.SetKevent(&ev[0], fd, unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR)
	unix.SetKevent(&ev[1], fd, unix.EVFILT_WRITE, unix.EV_ADD|unix.EV_CLEAR)
	for i := range ev {
		*mark(&ev[i]) = uintptr(gen)
	}
	_, err := unix.Kevent(k.kq, ev[:], nil, nil)
	return os.NewSyscallError("kevent", err)
}

// mark is the user's word of an event. It holds a number, never a pointer.
func mark(ev *unix.Kevent_t) *uintptr { return (*uintptr)(unsafe.Pointer(&ev.Udata)) }

func (k *kernel) remove(fd int) {
	var ev [2]unix.Kevent_t
	unix.SetKevent(&ev[0], fd, unix.EVFILT_READ, unix.EV_DELETE)
	unix.SetKevent(&ev[1], fd, unix.EVFILT_WRITE, unix.EV_DELETE)
	for i := range ev {
		unix.Kevent(k.kq, ev[i:i+1], nil, nil)
	}
}

// wake has wait return. It may be called once, and the next wait does so too.
func (k *kernel) wake() { unix.Write(k.in, []byte{1}) }

// waits is nothing here.
type waits struct{}

func (*waits) end() {}

// events is what wait fetches. The collector must not take marks for pointers: the
// memory is of numbers.
type events struct {
	list [batchSize * unsafe.Sizeof(unix.Kevent_t{}) / 8]uint64
	wake uint32 // the descriptor that is not a socket
}

func (evs *events) all() []unix.Kevent_t {
	return unsafe.Slice((*unix.Kevent_t)(unsafe.Pointer(&evs.list)), batchSize)
}

// wait waits for at most so many events, or for so long; for ever if that is negative.
func (k *kernel) wait(w *worker, most int, patience time.Duration) int {
	evs := &w.events
	evs.wake = uint32(k.out)
	var until *unix.Timespec
	if patience >= 0 {
		t := unix.NsecToTimespec(patience.Nanoseconds())
		until = &t
	}
	n, err := unix.Kevent(k.kq, nil, evs.all()[:most], until)
	if err != nil {
		return 0 // EINTR
	}
	return n
}

// at returns an event; fd is -1 for wake's.
func (evs *events) at(i int) (fd int32, gen uint32, what uint8) {
	ev := &evs.all()[i]
	if uint32(ev.Ident) == evs.wake {
		return -1, 0, 0
	}
	if ev.Filter == unix.EVFILT_READ {
		what = canRead
	} else {
		what = canWrite
	}
	if ev.Flags&(unix.EV_EOF|unix.EV_ERROR) != 0 {
		what = canRead | canWrite | hungUp
	}
	return int32(ev.Ident), uint32(*mark(ev)), what
}

// accept takes a connection without waiting. remote is empty where it is not TCP's.
func accept(fd int) (_ int, remote netip.AddrPort, err error) {
	n, from, err := unix.Accept(fd)
	if err == nil {
		unix.CloseOnExec(n)
		if err = neverWait(n); err != nil {
			unix.Close(n)
			return -1, remote, err
		}
	}
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		remote = netip.AddrPortFrom(netip.AddrFrom4(from.Addr), uint16(from.Port))
	case *unix.SockaddrInet6:
		remote = netip.AddrPortFrom(zoned(netip.AddrFrom16(from.Addr), from.ZoneId), uint16(from.Port))
	}
	return n, remote, err
}

// leaveRuntime does nothing: see accept_linux.go.
func leaveRuntime(int) {}

// neverWait makes a socket one on which no call waits, which would hold up
// everybody: whoever shares it may have made it blocking (os.File.Fd did).
func neverWait(fd int) error { return unix.SetNonblock(fd, true) }

// keepAlive switches it on; the times are the system's.
func keepAlive(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1) }

func read(fd int32, p []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// readPast reads into p alone.
func readPast(fd int32, p, _ []byte) (n, room int, err error) {
	n, err = read(fd, p)
	return n, len(p), err
}

func write(fd int32, p []byte) (int, error) {
	n, err := unix.Write(int(fd), p)
	return max(n, 0), err
}

// writev writes the first piece.
func writev(fd int32, pieces [][]byte) (int, error) { return write(fd, pieces[0]) }
