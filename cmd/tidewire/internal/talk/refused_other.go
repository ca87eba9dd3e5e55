//go:build !windows

package talk

import "syscall"

// refusedElsewhere is how Windows says ECONNREFUSED; elsewhere it is the same.
const refusedElsewhere = syscall.ECONNREFUSED
