package main

import (
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

func trusting(t testing.TB, list ...string) *proxyFlags {
	t.Helper()
	p := &proxyFlags{TrustedProxies: list}
	if err := p.validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestForwarded(t *testing.T) {
	p := trusting(t, "10.0.0.0/8", "::1", "2001:db8:1::/48")
	long := strings.TrimSuffix(strings.Repeat("1.1.1.1, ", 10_000), ", ")
	for _, tc := range []struct {
		lines []string
		want  string
	}{
		{nil, "10.0.0.1"},
		{[]string{""}, "10.0.0.1"},
		{[]string{"192.0.2.7"}, "192.0.2.7"},
		{[]string{"192.0.2.7:1234"}, "192.0.2.7"},
		{[]string{"[2001:db8:2::7]:1234"}, "2001:db8:2::7"},
		{[]string{"[2001:db8:2::7]"}, "2001:db8:2::7"},
		{[]string{"2001:db8:2::7"}, "2001:db8:2::7"},
		{[]string{"fe80::1%eth0"}, "fe80::1"},
		{[]string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		{[]string{"\t192.0.2.7 , 10.1.2.3\t"}, "192.0.2.7"},
		{[]string{"::ffff:10.1.2.3"}, "10.1.2.3"},
		// The rightmost that is not trusted, and nothing left of it.
		{[]string{"6.6.6.6, 192.0.2.7"}, "192.0.2.7"},
		{[]string{"6.6.6.6, 192.0.2.7, 10.0.0.2, 2001:db8:1::9"}, "192.0.2.7"},
		{[]string{"6.6.6.6", "192.0.2.7", "10.0.0.2"}, "192.0.2.7"},
		{[]string{"192.0.2.7", "", " , ,10.0.0.2,,"}, "192.0.2.7"},
		{[]string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"}, // a client within
		// What is no address says no more than who wrote it.
		{[]string{"192.0.2.7, unknown"}, "10.0.0.1"},
		{[]string{"192.0.2.7, unknown, 10.0.0.2"}, "10.0.0.2"},
		{[]string{"192.0.2.7, [10.0.0.2]"}, "10.0.0.1"},
		{[]string{"192.0.2.7, 010.0.0.2"}, "10.0.0.1"},
		{[]string{"192.0.2.7, 10.0.0.2:99999"}, "10.0.0.1"},
		{[]string{"192.0.2.7, _hidden"}, "10.0.0.1"},
		{[]string{`192.0.2.7, "10.0.0.2"`}, "10.0.0.1"},
		{[]string{"192.0.2.7, [::1"}, "10.0.0.1"},
		{[]string{"192.0.2.7; 10.0.0.2"}, "10.0.0.1"},
		{[]string{long + ", 192.0.2.7"}, "192.0.2.7"},
		{[]string{strings.Repeat(",", 100_000)}, "10.0.0.1"},
	} {
		if got := p.forwarded(netip.MustParseAddr("10.0.0.1"), tc.lines); got.String() != tc.want {
			t.Errorf("%.100q: %v, want %s", tc.lines, got, tc.want)
		}
	}
	for addr, want := range map[string]string{"192.0.2.7": "192.0.2.7", "2001:db8:2:3:4:5:6:7": "2001:db8:2:3::"} {
		if got := counted(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("%s counts as %v, want %s", addr, got, want)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"192.0.2.7, 10.0.0.2", "[2001:db8::1]:80,,", "unknown", "[::1", "fe80::1%25x, 1.2.3.4:5"} {
		f.Add(seed)
	}
	p := trusting(f, "10.0.0.0/8")
	peer := netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, line string) {
		got := p.forwarded(peer, []string{line})
		if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("%q: %v", line, got)
		}
		// A proxy that is trusted writes its peer behind whatever a client has invented.
		if got := p.forwarded(peer, []string{line + ", 192.0.2.7"}); got.String() != "192.0.2.7" {
			t.Errorf("%q spoofs %v", line, got)
		}
		if got := p.forwarded(peer, []string{line, "192.0.2.7", "10.0.0.2"}); got.String() != "192.0.2.7" {
			t.Errorf("%q in a line of its own spoofs %v", line, got)
		}
	})
}

// Who is trusted is believed, by every door, and nobody else.
func TestTrustedProxies(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	for _, tc := range []struct {
		network string
		trusted []string
		want    string
	}{
		{"tcp", []string{"127.0.0.0/8"}, "192.0.2.7"},
		{"tcp", []string{"10.0.0.0/8", "unix"}, "127.0.0.1"},
		{"unix", []string{"unix"}, "192.0.2.7"},
		{"unix", []string{"127.0.0.0/8"}, "invalid IP"},
	} {
		at := "127.0.0.1:0"
		if tc.network == "unix" {
			at = socket
		}
		ln, err := net.Listen(tc.network, at)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan netip.Addr, 2)
		address := trusting(t, tc.trusted...).address()
		s := &ws.Server{HTTP: http.NotFoundHandler(), Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			got <- address(r)
			return nil, nil, nil
		}}
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		nc, err := net.Dial(tc.network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		// The second one comes by way of net/http.
		for _, ahead := range []string{"", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"} {
			nc, err := net.Dial(tc.network, ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.Write([]byte(ahead + "GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nx-forwarded-for: 6.6.6.6\r\n" +
				"X-Forwarded-For: 192.0.2.7\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"))
			if got := (<-got).String(); got != tc.want {
				t.Errorf("by %s, trusting %v, behind %d bytes: %s, want %s", tc.network, tc.trusted, len(ahead), got, tc.want)
			}
		}
		s.Close()
		<-served
	}
	if (&proxyFlags{}).address() != nil {
		t.Error("without a flag somebody is trusted")
	}
}
