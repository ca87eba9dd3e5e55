package engine

import "golang.org/x/sys/unix"

// writePair writes a and then b by one system call. Neither is empty.
func writePair(fd int, a, b []byte) (int, error) {
	iov := [2][]byte{a, b}
	n, err := unix.Writev(fd, iov[:])
	return max(n, 0), err
}

// unsent returns the bytes in the sending queue of a socket, or -1.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}
