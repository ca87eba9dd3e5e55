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
