package bridge

import (
	"net"
	"testing"
)

// TestCountedAddresses has one client let in from each address, and of IPv6 from each network of 64 bits.
func TestCountedAddresses(t *testing.T) {
	a := admission{max: 100, maxAddress: 1}
	client := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }
	for _, tc := range []struct {
		ip   string
		want error
	}{
		{"192.0.2.1", nil},
		{"192.0.2.2", nil},
		{"::ffff:192.0.2.2", errFullAddress},
		{"2001:db8::1", nil},
		{"2001:db8::ffff:0:0:1", errFullAddress},
		{"2001:db8:0:1::1", nil},
	} {
		if err := a.enter(client(tc.ip)); err != tc.want {
			t.Errorf("%s: %v, want %v", tc.ip, err, tc.want)
		}
	}
	a.leave(client("2001:db8::2"))
	if err := a.enter(client("2001:db8::3")); err != nil {
		t.Errorf("when one has gone: %v", err)
	}
}
