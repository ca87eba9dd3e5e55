package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// lateBind has the kernel choose the port when it knows the whole address: any port will do then that this server
// does not know yet.
func lateBind(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) })
}
