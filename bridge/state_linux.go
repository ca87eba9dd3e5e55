package bridge

import "golang.org/x/sys/unix"

const canSplice = true

// waiting returns how many bytes can be read from a socket without waiting.
func waiting(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ) // FIONREAD
	if err != nil {
		return 0
	}
	return n
}

// unsent returns how many bytes that were written to a socket its peer has not taken yet.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// hungUp reports whether a socket is of no use any more in either direction: TCP that was reset, or a Unix socket whose peer has
// closed it. What was sent before that can still be read. It takes no error away from who reads next.
func hungUp(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, _ := unix.Poll(p, 0)
	return n > 0 && p[0].Revents&unix.POLLHUP != 0
}
