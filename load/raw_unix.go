//go:build unix

package load

import "golang.org/x/sys/unix"

// rawSockets tells that rawRead and rawWrite are there.
const rawSockets = true

func rawRead(fd uintptr, p []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), p)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func rawWrite(fd uintptr, p []byte) (int, error) {
	for {
		n, err := unix.Write(int(fd), p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
