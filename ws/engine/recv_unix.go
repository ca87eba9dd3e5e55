//go:build unix && !linux

package engine

import "golang.org/x/sys/unix"

func (s *Socket) countInput() {}

// Broken reports false: a caller that reads until EAGAIN has seen a reset.
func (s *Socket) Broken() bool { return false }

// Recv reads once, without waiting. left is always -1 here: the caller reads
// until EAGAIN. At the end of the stream n is 0 and err nil.
func Recv(fd uintptr, p []byte) (n, left int, err error) {
	for {
		n, err = unix.Read(int(fd), p)
		if err != unix.EINTR {
			return max(n, 0), -1, err
		}
	}
}

// available is only asked for where the kernel can move bytes from one socket to another.
func available(int) int { return 0 }
