package engine

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// countInput asks the kernel to say, with each recvmsg, how much is left in the
// queue (tcp(7) TCP_INQ): a short read alone does not prove that no FIN waits,
// and one edge may announce both.
func (s *Socket) countInput() {
	if _, ok := s.nc.(*net.TCPConn); ok {
		s.raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.SOL_TCP, unix.TCP_INQ, 1)
		})
	}
}

// Broken reports whether the peer has reset the connection, which Recv's left does
// not tell: what came before a reset is counted, the reset is not. It never waits,
// and leaves the error to be read.
func (s *Socket) Broken() bool {
	broken := false
	s.raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		n, _ := unix.Poll(p, 0)
		broken = n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	})
	return broken
}

// Recv reads once, without waiting. left is how many bytes remain, where a
// waiting FIN counts as one; -1 when the kernel does not say. At the end of the
// stream n is 0 and err nil.
func Recv(fd uintptr, p []byte) (n, left int, err error) {
	var oob [4]uint64 // aligned for a Cmsghdr
	iov := unix.Iovec{Base: unsafe.SliceData(p)}
	iov.SetLen(len(p))
	for {
		msg := unix.Msghdr{Iov: &iov, Control: (*byte)(unsafe.Pointer(&oob))}
		msg.SetIovlen(1)
		msg.SetControllen(int(unsafe.Sizeof(oob)))
		r, _, e := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&msg)), unix.MSG_DONTWAIT)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, -1, e
		}
		left = -1
		h := (*unix.Cmsghdr)(unsafe.Pointer(&oob))
		if int(msg.Controllen) >= unix.CmsgLen(4) && h.Level == unix.SOL_TCP && h.Type == unix.TCP_INQ {
			left = int(*(*int32)(unsafe.Add(unsafe.Pointer(&oob), unix.CmsgLen(0))))
		}
		return int(r), left, nil
	}
}

// available returns the bytes in the receiving queue of a socket.
func available(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ) // FIONREAD
	if err != nil {
		return 0
	}
	return n
}
