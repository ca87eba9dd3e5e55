//go:build !unix

package bridge

import (
	"net"
	"syscall"
)

// receive reads once.
func receive(conn net.Conn, _ syscall.RawConn, buf *scratch, _ int) (p []byte, n int, err error) {
	p = buf.take()
	n, err = conn.Read(p)
	return p, n, err
}
