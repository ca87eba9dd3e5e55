package bridge_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
)

// TestAnswersFromWhereItCame has UDP clients reach a bridge on every address by one of several, which answers from that: no other
// datagram is taken by a socket that is connected to it.
func TestAnswersFromWhereItCame(t *testing.T) {
	for listen, addrs := range map[string][]string{"udp::0": {"127.0.0.1", "127.0.0.2", "[::1]"}, "udp:0.0.0.0:0": {"127.0.0.3"}, "udp:127.0.0.4:0": {"127.0.0.4"}} {
		b := run(t, bridge.Rule{Listen: parse(t, listen), Target: echo(t, "udp")})
		_, port, _ := net.SplitHostPort(b.Addr(0).String())
		for _, addr := range addrs {
			c, err := net.Dial("udp", addr+":"+port)
			if err != nil && strings.HasPrefix(addr, "[") { // this machine has no IPv6
				t.Log(err)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			for _, n := range []int{5, 0, 60000} {
				want := noise(n)
				c.Write(want)
				p := make([]byte, 1<<16)
				if n, err := c.Read(p); err != nil || string(p[:n]) != string(want) {
					t.Fatalf("%s by %s: %d bytes, %v", listen, addr, n, err)
				}
			}
		}
	}
}
