//go:build !windows

package talk

import "syscall"

const (
	errRefused = syscall.ECONNREFUSED // nobody listens there
	errTooLong = syscall.EMSGSIZE     // for a datagram
)
