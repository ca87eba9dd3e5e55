//go:build !unix

package talk

import "syscall"

// errTooLong is what Windows says of a datagram that is too long (WSAEMSGSIZE).
const errTooLong = syscall.Errno(10040)
