//go:build unix

package bridge

import (
	"net"
	"syscall"
)

// receive reads once. Memory is taken when there is something to read, so that who waits holds none.
func receive(conn net.Conn, raw syscall.RawConn, buf *scratch) (p []byte, n int, err error) {
	buf.drop()
	if raw == nil {
		p = buf.take()
		n, err = conn.Read(p)
		return p, n, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		p = buf.take()
		for {
			n, failed = syscall.Read(int(fd), p)
			if failed != syscall.EINTR {
				break
			}
		}
		if failed == syscall.EAGAIN {
			buf.drop()
			return false
		}
		return true
	})
	if err == nil && failed != nil {
		err = &net.OpError{Op: "read", Net: conn.LocalAddr().Network(), Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: failed}
	}
	if err != nil {
		buf.drop()
		return nil, 0, err
	}
	return p, n, nil
}
