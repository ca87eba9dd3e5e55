//go:build unix

package talk

import "syscall"

// errTooLong is what the system says of a datagram that is too long.
const errTooLong = syscall.EMSGSIZE
