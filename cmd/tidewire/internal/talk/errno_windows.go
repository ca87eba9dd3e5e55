package talk

import "syscall"

// Windows has numbers of its own: those that package syscall names otherwise it never says.
const (
	errRefused = syscall.Errno(10061) // WSAECONNREFUSED: nobody listens there
	errTooLong = syscall.Errno(10040) // WSAEMSGSIZE, of a datagram
)
