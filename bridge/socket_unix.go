//go:build unix

package bridge

import (
	"errors"
	"net"
	"syscall"
)

// refused reports whether nobody is at the address.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// receive reads once, and returns what and how much that is. Memory is taken when there is something to read, so that who waits
// holds none. Where limit is not 0 and as many bytes wait, it returns how many and reads none: p is nil then.
func receive(conn net.Conn, raw syscall.RawConn, buf *scratch, limit int) (p []byte, n int, err error) {
	buf.drop()
	if raw == nil {
		return buf.read(conn)
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		if limit > 0 {
			if n = waiting(int(fd)); n >= limit {
				failed = nil
				return true
			}
		}
		p = buf.take()
		for {
			n, failed = syscall.Read(int(fd), p)
			if failed != syscall.EINTR {
				break
			}
		}
		if failed == syscall.EAGAIN {
			buf.drop()
			p = nil
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
	if p != nil {
		p = p[:n]
	}
	return p, n, nil
}
