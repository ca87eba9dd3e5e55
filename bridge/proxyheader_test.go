package bridge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// headed serves a stream that reads a PROXY header of so many bytes, or a line, and then echoes.
func headed(t *testing.T, kind string, size int, told chan<- []byte) bridge.Endpoint {
	return streamTarget(t, kind, func(conn halfCloser) {
		r := bufio.NewReader(conn)
		head := make([]byte, size)
		var err error
		if size == 0 {
			head, err = r.ReadBytes('\n')
		} else {
			_, err = io.ReadFull(r, head)
		}
		if err != nil {
			t.Error(err)
		}
		told <- head
		io.Copy(conn, r)
		conn.CloseWrite()
	})
}

func TestProxyHeader(t *testing.T) {
	told := make(chan []byte, 1)
	use := func(t *testing.T, listen string, target bridge.Endpoint, version bridge.ProxyVersion) (b *running, local, remote net.Addr) {
		t.Helper()
		rule := pairRule(t, listen, target)
		rule.Proxy = version
		b = run(t, rule)
		where := b.at(0, rule.Listen)
		var got []byte
		if strings.HasPrefix(listen, "ws") {
			c := dialWS(t, where)
			if err := c.Write(within(t), ws.Binary, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			_, got, _ = c.Read(within(t))
			local, remote = c.LocalAddr(), c.RemoteAddr()
		} else {
			c := dialStream(t, where)
			c.Write([]byte("hello"))
			got = make([]byte, 5)
			io.ReadFull(c, got)
			local, remote = c.LocalAddr(), c.RemoteAddr()
		}
		if string(got) != "hello" {
			t.Fatalf("%q", got)
		}
		return b, local, remote
	}
	port := func(a net.Addr) int {
		if a, ok := a.(*net.UDPAddr); ok {
			return a.Port
		}
		return a.(*net.TCPAddr).Port
	}
	for _, front := range []string{"tcp", "ws", "wss", "tls"} {
		t.Run("1 from "+front, func(t *testing.T) {
			_, local, remote := use(t, front, headed(t, "tcp", 0, told), bridge.ProxyV1)
			if got, want := string(<-told), fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n", port(local), port(remote)); got != want {
				t.Fatalf("%q, want %q", got, want)
			}
		})
	}
	t.Run("1 from unix", func(t *testing.T) {
		use(t, "unix", headed(t, "tcp", 0, told), bridge.ProxyV1)
		if got := string(<-told); got != "PROXY UNKNOWN\r\n" {
			t.Fatalf("%q", got)
		}
	})
	t.Run("1 from udp", func(t *testing.T) {
		use(t, "udp", headed(t, "tcp", 0, told), bridge.ProxyV1)
		if got := string(<-told); got != "PROXY UNKNOWN\r\n" {
			t.Fatalf("%q", got)
		}
	})
	const signature = "\r\n\r\n\x00\r\nQUIT\n"
	for front, transport := range map[string]byte{"tcp": 0x11, "udp": 0x12, "wss": 0x11} {
		t.Run("2 from "+front, func(t *testing.T) {
			_, local, remote := use(t, front, headed(t, "unix", 16+12, told), bridge.ProxyV2)
			want := append([]byte(signature), 0x21, transport, 0, 12, 127, 0, 0, 1, 127, 0, 0, 1,
				byte(port(local)>>8), byte(port(local)), byte(port(remote)>>8), byte(port(remote)))
			if got := <-told; !bytes.Equal(got, want) {
				t.Fatalf("%x, want %x", got, want)
			}
		})
	}
	t.Run("2 from unix", func(t *testing.T) {
		b, _, _ := use(t, "unix", headed(t, "tcp", 16+216, told), bridge.ProxyV2)
		want := append([]byte(signature), 0x21, 0x31, 0, 216)
		want = append(want, make([]byte, 108)...)
		want = append(want, b.Addr(0).String()...)
		want = append(want, make([]byte, 16+216-len(want))...)
		if got := <-told; !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}

// TestProxyHeaderIsPrompt has the time that a target has for the header be over: it is for nothing else.
func TestProxyHeaderIsPrompt(t *testing.T) {
	t.Parallel()
	told := make(chan []byte, 1)
	rule := pairRule(t, "tcp", headed(t, "tcp", 0, told))
	rule.Proxy, rule.DialTimeout = bridge.ProxyV1, 2*time.Second
	b := run(t, rule)
	c := dialStream(t, b.at(0, rule.Listen))
	p := make([]byte, 1)
	for began := time.Now(); time.Since(began) < rule.DialTimeout+100*time.Millisecond; {
		c.Write([]byte("x"))
		if _, err := c.Read(p); err != nil {
			t.Fatal(err, b.logs)
		}
	}
}
