package engine

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What an event says.
const (
	canRead = 1 << iota
	canWrite
	hungUp // the peer has ended its half, or the connection is broken: a short read says nothing
)

// kernel is an epoll set (epoll(7)) and an eventfd to wake it.
type kernel struct{ ep, event int }

// interest is registered once: an edge for each change, and nobody re-arms.
const interest = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&(1<<32-1)

func (k *kernel) open() error {
	var err error
	if k.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	unix.SetNonblock(k.ep, true) // for os.NewFile in park: nobody reads it
	if k.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(k.ep)
		return os.NewSyscallError("eventfd", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}
	if err = unix.EpollCtl(k.ep, unix.EPOLL_CTL_ADD, k.event, &ev); err != nil {
		k.close()
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

func (k *kernel) close() {
	unix.Close(k.event)
	unix.Close(k.ep)
}

func (k *kernel) add(fd int, gen uint32) error {
	ev := unix.EpollEvent{Events: interest, Fd: int32(fd), Pad: int32(gen)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(k.ep, unix.EPOLL_CTL_ADD, fd, &ev))
}

func (k *kernel) remove(fd int) {
	unix.EpollCtl(k.ep, unix.EPOLL_CTL_DEL, fd, nil)
}

// wake has wait return. It may be called once, and the next wait does so too.
func (k *kernel) wake() {
	one := [8]byte{1}
	unix.Write(k.event, one[:])
}

// events is what wait fetches.
type events [batchSize]unix.EpollEvent

// waits is how a worker waits.
type waits struct {
	most int
	got  int
	look func(fd uintptr) bool // allocated once
	file *os.File              // the set as the runtime knows it; nil where it does not
	raw  syscall.RawConn       // of file
}

// wait waits for at most so many events, or for so long; for ever if that is
// negative. The worker's events are where they come.
func (k *kernel) wait(w *worker, most int, patience time.Duration) int {
	switch {
	case patience >= 0:
		return k.block(w, most, int(patience.Milliseconds()))
	case w.lane.loop.calm.Load():
		return k.park(w, most)
	case others.Load() > 0:
		defer w.waits.end()
		return k.park(w, most)
	}
	w.waits.end()
	return k.block(w, most, -1)
}

// block waits in the kernel.
func (k *kernel) block(w *worker, most, timeout int) int {
	n, err := unix.EpollWait(k.ep, w.events[:most], timeout)
	if err != nil {
		return 0 // EINTR
	}
	return n
}

// park waits in the runtime's poller, as any goroutine that reads. A thread that
// waits in the kernel is the shorter way, but keeps its processor from others until
// the runtime takes it away, and has the runtime look for such threads every 20
// microseconds, for up to 10 milliseconds. That is dear while others work for long,
// and where little comes: the looking takes many times what an event takes. The set
// is known to the runtime for no longer than that: each event would wake it.
func (k *kernel) park(w *worker, most int) int {
	v := &w.waits
	if v.look == nil {
		v.look = w.fetch
	}
	v.most, v.got = most, 0
	if v.file == nil {
		fd, err := unix.FcntlInt(uintptr(k.ep), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return k.block(w, most, -1)
		}
		v.file = os.NewFile(uintptr(fd), "epoll")
		if v.raw, err = v.file.SyscallConn(); err != nil {
			v.end()
			return k.block(w, most, -1)
		}
	}
	if v.raw.Read(v.look) != nil {
		v.end()
		return k.block(w, most, -1)
	}
	return v.got
}

// end has the runtime forget the set.
func (v *waits) end() {
	if v.file != nil {
		v.file.Close()
		v.file, v.raw = nil, nil
	}
}

// fetch takes the events that are there, and reports whether there were any.
func (w *worker) fetch(fd uintptr) bool {
	v := &w.waits
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&w.events)), uintptr(v.most), 0, 0, 0)
	if e != 0 {
		n = 0
	}
	v.got = int(n)
	return v.got > 0
}

// at returns an event; fd is -1 for wake's.
func (evs *events) at(i int) (fd int32, gen uint32, what uint8) {
	ev := &evs[i]
	if ev.Events&(unix.EPOLLIN|unix.EPOLLPRI|unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		what |= canRead
	}
	if ev.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		what |= canWrite
	}
	// A read stops short at urgent data (tcp(7)), as at the end.
	if ev.Events&(unix.EPOLLPRI|unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		what |= hungUp
	}
	return ev.Fd, uint32(ev.Pad), what
}

// keepAlive sets what package net sets by default.
func keepAlive(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9)
}

// neverWait does nothing: whoever shares the socket may have made it blocking
// (os.File.Fd did), and may do so at any time, so that each call says MSG_DONTWAIT.
func neverWait(int) error { return nil }

// rawLimit is up to which size a read or a write is made without telling Go's
// scheduler, which costs more than the copying: they never wait.
const rawLimit = 64 << 10

func read(fd int32, p []byte) (int, error) {
	for {
		n, err := result(system(unix.SYS_RECVFROM, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p), unix.MSG_DONTWAIT, len(p)))
		if err != unix.EINTR {
			return n, err
		}
	}
}

// readPast reads into p and then spare. room is how much it could have read.
func readPast(fd int32, p, spare []byte) (n, room int, err error) {
	iov := [2]unix.Iovec{{Base: unsafe.SliceData(p)}, {Base: unsafe.SliceData(spare)}}
	iov[0].SetLen(len(p))
	iov[1].SetLen(len(spare))
	msg := unix.Msghdr{Iov: &iov[0]}
	msg.SetIovlen(len(iov))
	room = len(p) + len(spare)
	for {
		n, err := result(system(unix.SYS_RECVMSG, fd, unsafe.Pointer(&msg), unix.MSG_DONTWAIT, 0, room))
		if err != unix.EINTR {
			return n, room, err
		}
	}
}

func write(fd int32, p []byte) (int, error) {
	return result(system(unix.SYS_SENDTO, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p), sending, len(p)))
}

// writev writes the first pieces by one system call.
func writev(fd int32, pieces [][]byte) (int, error) {
	var iov [64]unix.Iovec
	n, total := 0, 0
	for _, p := range pieces {
		if len(p) == 0 {
			continue
		}
		if n == len(iov) {
			break
		}
		iov[n].Base = unsafe.SliceData(p)
		iov[n].SetLen(len(p))
		total += len(p)
		n++
	}
	msg := unix.Msghdr{Iov: &iov[0]}
	msg.SetIovlen(n)
	return result(system(unix.SYS_SENDMSG, fd, unsafe.Pointer(&msg), sending, 0, total))
}

const sending = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

// system moves so many bytes.
func system(trap uintptr, fd int32, p unsafe.Pointer, n, flags, bytes int) (uintptr, unix.Errno) {
	if bytes <= rawLimit {
		r, _, e := unix.RawSyscall6(trap, uintptr(fd), uintptr(p), uintptr(n), uintptr(flags), 0, 0)
		return r, e
	}
	r, _, e := unix.Syscall6(trap, uintptr(fd), uintptr(p), uintptr(n), uintptr(flags), 0, 0)
	return r, e
}

func result(n uintptr, e unix.Errno) (int, error) {
	switch e {
	case 0:
		return int(n), nil
	case unix.EAGAIN:
		return 0, unix.EAGAIN // converted once
	}
	return 0, e
}
