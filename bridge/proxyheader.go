package bridge

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// ProxyVersion is a version of HAProxy's PROXY protocol, by which a target learns who the client is.
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
type ProxyVersion byte

const (
	// ProxyV1 is a line of text.
	ProxyV1 ProxyVersion = 1
	// ProxyV2 is binary, and knows Unix sockets and UDP clients too.
	ProxyV2 ProxyVersion = 2
)

// appendProxyHeader appends what goes ahead of everything else: who from is, and which address of ours it came to.
func appendProxyHeader(b []byte, version ProxyVersion, from, to net.Addr) []byte {
	if version == ProxyV1 {
		return appendProxyV1(b, from, to)
	}
	return appendProxyV2(b, from, to)
}

func appendProxyV1(b []byte, from, to net.Addr) []byte {
	src, dst, ok := pair(from, to)
	if _, datagrams := from.(*net.UDPAddr); !ok || datagrams { // it has no name for UDP
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := "TCP4"
	if src.Addr().Is6() {
		family = "TCP6"
	}
	return fmt.Appendf(b, "PROXY %s %s %s %d %d\r\n", family, src.Addr(), dst.Addr(), src.Port(), dst.Port())
}

const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyCommand   = 0x21 // version 2, PROXY
	proxyUnspec    = 0x00
	proxyInet      = 0x10
	proxyInet6     = 0x20
	proxyUnix      = 0x30
	proxyStream    = 0x01
	proxyDatagram  = 0x02
	proxyUnixSize  = 108 // of a path
)

func appendProxyV2(b []byte, from, to net.Addr) []byte {
	transport := byte(proxyStream)
	if _, ok := from.(*net.UDPAddr); ok {
		transport = proxyDatagram
	}
	b = append(b, proxySignature...)
	b = append(b, proxyCommand)
	if src, dst, ok := pair(from, to); ok {
		a, z := src.Addr().AsSlice(), dst.Addr().AsSlice()
		family := byte(proxyInet)
		if len(a) == 16 {
			family = proxyInet6
		}
		b = append(b, family|transport)
		b = binary.BigEndian.AppendUint16(b, uint16(2*len(a)+4))
		b = append(append(b, a...), z...)
		b = binary.BigEndian.AppendUint16(b, src.Port())
		return binary.BigEndian.AppendUint16(b, dst.Port())
	}
	_, fromUnix := from.(*net.UnixAddr)
	local, toUnix := to.(*net.UnixAddr)
	if !fromUnix || !toUnix {
		return append(b, proxyUnspec, 0, 0)
	}
	b = append(b, proxyUnix|proxyStream)
	b = binary.BigEndian.AppendUint16(b, 2*proxyUnixSize)
	b = append(b, make([]byte, proxyUnixSize)...) // clients of Unix sockets have no name
	path := make([]byte, proxyUnixSize)
	copy(path, local.Name)
	return append(b, path...)
}

// pair returns the two as addresses of one family, if the client's is of the Internet. The other one is not where the client came
// by a proxy and a Unix socket; then it is the address that stands for none.
func pair(from, to net.Addr) (src, dst netip.AddrPort, ok bool) {
	src, ok = addrPort(from)
	if !ok {
		return src, dst, false
	}
	if dst, ok = addrPort(to); !ok {
		dst = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
		if src.Addr().Is6() {
			dst = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		}
	}
	if src.Addr().Is4() != dst.Addr().Is4() { // such as a client's that a proxy in front has named
		src, dst = as6(src), as6(dst)
	}
	return src, dst, true
}

func as6(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// addrPort is an address without its zone, and of IPv4 as such.
func addrPort(a net.Addr) (netip.AddrPort, bool) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), ap.IsValid()
}
