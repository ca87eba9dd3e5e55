package bridge

import (
	"bytes"
	"net"

	"golang.org/x/sys/unix"
)

// tellArrival has a socket that listens on every address of this machine say to which of them each datagram came.
func tellArrival(conn *net.UDPConn) {
	if !conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() {
		return
	}
	if raw, err := conn.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			if unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1) != nil {
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			}
		})
	}
}

// answering is what has an answer come from the address that a datagram came to with this control message, by whatever interface
// leads to the client. nil leaves the address to the kernel.
func answering(arrival []byte) []byte {
	all, err := unix.ParseSocketControlMessage(arrival)
	if err != nil || len(all) != 1 {
		return nil
	}
	answer := bytes.Clone(arrival)
	data := answer[unix.CmsgLen(0):]
	switch is := all[0].Header; {
	case is.Level == unix.IPPROTO_IP && is.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		clear(data[:4])
	case is.Level == unix.IPPROTO_IPV6 && is.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo && data[0] != 0xff: // multicast
		clear(data[16:20])
	default:
		return nil
	}
	return answer
}
