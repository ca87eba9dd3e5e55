//go:build !unix

package bridge

import (
	"errors"
	"net"
	"syscall"
)

// refused reports whether nobody is at the address. Windows has numbers of its own: WSAECONNREFUSED, and for what an earlier
// datagram met with WSAECONNRESET.
func refused(err error) bool {
	return errors.Is(err, syscall.Errno(10061)) || errors.Is(err, syscall.Errno(10054))
}

// receive reads once, and returns what and how much that is.
func receive(conn net.Conn, _ syscall.RawConn, buf *scratch, _ int) (p []byte, n int, err error) {
	return buf.read(conn)
}
