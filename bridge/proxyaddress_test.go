package bridge

import (
	"net"
	"testing"
)

// TestProxyAddresses has clients come from addresses of every family, and to those of others by a proxy in front that has named them.
func TestProxyAddresses(t *testing.T) {
	tcp := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port, Zone: ""} }
	socket, nobody := &net.UnixAddr{Name: "/s", Net: "unix"}, &net.UnixAddr{Net: "unix"}
	const (
		from6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
		none6 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		as6   = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x02"
		from4 = "\xc0\x00\x02\x01"
	)
	for _, tc := range []struct {
		from, to net.Addr
		v1, v2   string // without their beginnings
	}{
		{tcp("2001:db8::1", 258), tcp("2001:db8::1", 772), "TCP6 2001:db8::1 2001:db8::1 258 772", "\x21\x00\x24" + from6 + from6 + "\x01\x02\x03\x04"},
		{tcp("2001:db8::1", 258), tcp("192.0.2.2", 772), "TCP6 2001:db8::1 ::ffff:192.0.2.2 258 772", "\x21\x00\x24" + from6 + as6 + "\x01\x02\x03\x04"},
		{tcp("192.0.2.2", 258), tcp("2001:db8::1", 772), "TCP6 ::ffff:192.0.2.2 2001:db8::1 258 772", "\x21\x00\x24" + as6 + from6 + "\x01\x02\x03\x04"},
		{tcp("2001:db8::1", 258), socket, "TCP6 2001:db8::1 :: 258 0", "\x21\x00\x24" + from6 + none6 + "\x01\x02\x00\x00"},
		{tcp("192.0.2.1", 258), socket, "TCP4 192.0.2.1 0.0.0.0 258 0", "\x11\x00\x0c" + from4 + "\x00\x00\x00\x00\x01\x02\x00\x00"},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 258, Zone: "eth0"}, tcp("2001:db8::1", 772), "TCP6 2001:db8::1 2001:db8::1 258 772", "\x21\x00\x24" + from6 + from6 + "\x01\x02\x03\x04"},
		{nobody, tcp("192.0.2.1", 772), "UNKNOWN", "\x00\x00\x00"},
		{nil, socket, "UNKNOWN", "\x00\x00\x00"},
	} {
		if got, want := string(appendProxyHeader(nil, ProxyV1, tc.from, tc.to)), "PROXY "+tc.v1+"\r\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got, want := string(appendProxyHeader(nil, ProxyV2, tc.from, tc.to)), proxySignature+"\x21"+tc.v2; got != want {
			t.Errorf("%v to %v: %x, want %x", tc.from, tc.to, got, want)
		}
	}
}
