package talk

import "syscall"

// refusedElsewhere is ECONNREFUSED as Windows says it (WSAECONNREFUSED).
const refusedElsewhere = syscall.Errno(10061)
