package bridge

import (
	"net"
	"net/http"
	"testing"
)

// TestRebound has requests come to this machine's own address, and to others, by all kinds of names.
func TestRebound(t *testing.T) {
	own, other := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
	for _, tc := range []struct {
		to   net.Addr
		host string
		is   bool
	}{
		{own, "site.example", true},
		{own, "site.example:80", true},
		{own, "localhost.site.example", true},
		{own, "192.0.2.1", true},
		{own, "", true},
		{own, "127.0.0.1:80", false},
		{own, "127.9.9.9", false},
		{own, "LocalHost:80", false},
		{own, "a.localhost.", false},
		{own, "[::ffff:127.0.0.1]:80", false},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 80}, "[::1]", false},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 80}, "site.example", true},
		{other, "site.example", false},
		{other, "192.0.2.1:80", false},
		{&net.UnixAddr{Name: "/socket", Net: "unix"}, "site.example", false},
		{nil, "site.example", false},
	} {
		if is := rebound(&http.Request{Host: tc.host}, tc.to); is != tc.is {
			t.Errorf("%q to %v: %v", tc.host, tc.to, is)
		}
	}
}
