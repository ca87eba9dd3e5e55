package engine

import (
	"net/netip"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// accept takes a connection without waiting. remote is empty where it is not TCP's.
// unix.Accept4 would ask for the protocol each time, by a system call of its own.
func accept(fd int) (_ int, remote netip.AddrPort, err error) {
	var from unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(from))
	n, _, e := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&from)),
		uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if e != 0 {
		return -1, remote, e
	}
	switch from.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(&from))
		remote = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), hostOrder(&a.Port))
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(&from))
		remote = netip.AddrPortFrom(zoned(netip.AddrFrom16(a.Addr), a.Scope_id), hostOrder(&a.Port))
	}
	return int(n), remote, nil
}

// hostOrder reads a port, whose bytes come in the network's order.
func hostOrder(port *uint16) uint16 {
	p := (*[2]byte)(unsafe.Pointer(port))
	return uint16(p[0])<<8 | uint16(p[1])
}

// leaveRuntime has Go's runtime forget a listener that a Poller watches. The runtime
// has each socket of package net in an epoll set of its own, and a thread of it that
// waits there would wake for every connection, to find that nobody in the runtime
// waits for it: a third of what accepting costs. Closing the listener later takes no
// notice.
func leaveRuntime(fd int) {
	if set := runtimeSet(); set >= 0 {
		unix.EpollCtl(set, unix.EPOLL_CTL_DEL, fd, nil)
	}
}

// runtimeSet finds the runtime's epoll set, which nothing tells: it is the one that
// has a pipe that nobody else knows of. It is -1 where that cannot be found out.
var runtimeSet = sync.OnceValue(func() int {
	r, w, err := os.Pipe()
	if err != nil {
		return -1
	}
	defer r.Close()
	defer w.Close()
	raw, err := r.SyscallConn()
	if err != nil {
		return -1
	}
	set := -1
	raw.Control(func(fd uintptr) {
		for ep := range 1024 { // the runtime has it before most other files
			if unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, int(fd), nil) == nil {
				set = ep
				break
			}
		}
	})
	return set
})
