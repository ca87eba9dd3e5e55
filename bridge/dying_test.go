package bridge_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
)

// die ends a connection, in good order or not.
func die(conn net.Conn, reset bool) {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(*net.TCPConn); ok && reset {
		c.SetLinger(0)
	}
	conn.Close()
}

const upgrade = "GET /path HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// masked is a frame whose key is zero, of so many bytes of the n that it announces.
func masked(opcode byte, announced, n int) string {
	return string([]byte{opcode, 0x80 | 126, byte(announced >> 8), byte(announced), 0, 0, 0, 0}) + strings.Repeat("x", n)
}

// TestDying has clients and targets die at every point, and looks for what they leave.
func TestDying(t *testing.T) {
	server, client := certificate()
	// What a client does before it dies. conn is a TCP connection to the door.
	type moment struct {
		name string
		f    func(conn net.Conn)
	}
	say := func(text string) func(net.Conn) { return func(conn net.Conn) { io.WriteString(conn, text) } }
	// flood writes until nobody takes any more, or much is taken.
	flood := func(conn net.Conn) {
		p := []byte(masked(0x82, 60_000, 60_000))
		for range 200 {
			conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			if _, err := conn.Write(p); err != nil {
				return
			}
		}
	}
	upgraded := func(then func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) {
			io.WriteString(conn, upgrade)
			p := make([]byte, 0, 1000)
			conn.SetReadDeadline(time.Now().Add(patience))
			for !strings.Contains(string(p), "\r\n\r\n") {
				n, err := conn.Read(p[len(p):cap(p)])
				if err != nil {
					return
				}
				p = p[:len(p)+n]
			}
			then(conn)
		}
	}
	secure := func(then func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) {
			config := client.Clone()
			config.ServerName = "127.0.0.1"
			c := tls.Client(conn, config)
			if c.Handshake() == nil {
				then(c)
			}
		}
	}
	half := func(conn net.Conn) {
		io.WriteString(conn, "hello")
		if c, ok := conn.(*net.TCPConn); ok {
			c.CloseWrite()
		}
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		conn.Read(make([]byte, 10))
	}
	plain := []moment{{"at once", say("")}, {"mid-stream", say("hello")}, {"half-closed", half}, {"stalled", flood}}
	web := []moment{
		{"after the upgrade", upgraded(say(""))},
		{"mid-message", upgraded(say(masked(0x02, 1000, 1000)))},
		{"mid-frame", upgraded(say(masked(0x82, 1000, 10)))},
		{"mid-header", upgraded(say("\x82\xfe\x00"))},
		{"a message", upgraded(say(masked(0x82, 1000, 1000)))},
		{"a bad frame", upgraded(say("\xff\xff"))},
		{"in the closing handshake", upgraded(say("\x88\x82\x00\x00\x00\x00\x03\xe8"))},
		{"stalled", upgraded(flood)},
	}
	for n := 0; n < len(upgrade); n += 11 {
		web = append(web, moment{fmt.Sprintf("in the upgrade at byte %d", n), say(upgrade[:n])})
	}
	var plainTLS, webTLS []moment
	for n := 0; n < 40; n += 9 { // of a record of a handshake
		hello := moment{fmt.Sprintf("in TLS at byte %d", n), say(("\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + strings.Repeat("r", 40))[:n])}
		plainTLS, webTLS = append(plainTLS, hello), append(webTLS, hello)
	}
	for _, m := range plain {
		plainTLS = append(plainTLS, moment{m.name, secure(m.f)})
	}
	for _, m := range web[:8] {
		webTLS = append(webTLS, moment{m.name, secure(m.f)})
	}
	doors := map[string][]moment{"tcp": plain, "tls": plainTLS, "ws": web, "wss": webTLS}

	// What a target does before it dies.
	targets := map[string]func(conn halfCloser){
		"nothing": func(conn halfCloser) {},
		"echo":    echoStream,
		"deaf": func(conn halfCloser) {
			conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			conn.Read(make([]byte, 1))
			time.Sleep(100 * time.Millisecond)
		},
		"loud": func(conn halfCloser) {
			conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
			io.Copy(conn, endless{})
		},
		"half":         func(conn halfCloser) { conn.CloseWrite(); io.Copy(io.Discard, conn) },
		"switches":     func(conn halfCloser) { io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n") },
		"no handshake": func(conn halfCloser) { io.Copy(io.Discard, conn) },
	}
	before := descriptors(t)
	for _, kind := range []string{"tcp", "ws", "tls"} {
		for name, f := range targets {
			scheme := kind
			var where string
			service := streamTarget(t, "tcp", func(conn halfCloser) {
				f(conn)
				die(conn, name != "echo")
			})
			_, where, _ = strings.Cut(service.String(), ":")
			target := parse(t, map[string]string{"tcp": "tcp:", "tls": "tls:", "ws": "ws://"}[scheme]+where)
			t.Run(name+" by "+kind, func(t *testing.T) {
				var rules []bridge.Rule
				var order []string
				for door := range doors {
					rule := pairRule(t, door, target)
					rule.DialTimeout, rule.Linger, rule.Idle = 200*time.Millisecond, 50*time.Millisecond, time.Second
					if rule.TLS != nil {
						rule.TLS = server
					}
					rules, order = append(rules, rule), append(order, door)
				}
				b := run(t, rules...)
				done := make(chan struct{}, 1000)
				count := 0
				for i, door := range order {
					for _, m := range doors[door] {
						for _, reset := range []bool{false, true} {
							count++
							go func() {
								defer func() { done <- struct{}{} }()
								conn, err := net.Dial("tcp", b.Addr(i).String())
								if errors.Is(err, syscall.ECONNRESET) { // let in, and the target was dead already
									return
								}
								if err != nil {
									t.Error(err)
									return
								}
								m.f(conn)
								die(conn, reset)
							}()
						}
					}
				}
				for range count {
					<-done
				}
				eventually(t, "all have been let in", func() bool {
					for i, s := range b.Stats() {
						want := 2 * 8 // those that are upgraded
						if order[i] == "tcp" || order[i] == "tls" {
							want = 2 * len(doors[order[i]])
						}
						if s.Accepted+s.RefusedRequest < int64(want) {
							return false
						}
					}
					return true
				})
				b.settled()
				b.stop()
			})
		}
	}
	eventually(t, "no descriptor is left", func() bool { return descriptors(t) <= before+3*len(targets) }) // the targets listen
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func descriptors(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
