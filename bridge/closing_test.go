package bridge_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// cut is a connection that ends after so many bytes of what it is given to send.
type cut struct {
	net.Conn
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.left])
	c.left = 0
	c.Conn.Close()
	return n, net.ErrClosed
}

// TestDyingInTLS has clients die within each flight of the handshake, and in the record after it.
func TestDyingInTLS(t *testing.T) {
	_, client := certificate()
	config := client.Clone()
	config.ServerName = "127.0.0.1"
	before := 0
	for _, kind := range []string{"tls", "wss"} {
		rule := pairRule(t, kind, echo(t, "tcp"))
		rule.DialTimeout, rule.Idle = 5*time.Second, 5*time.Second
		b := run(t, rule)
		before = max(before, descriptors(t))
		count := 0
		for n := 0; n < 2700; n += 61 {
			count++
			conn, err := net.Dial("tcp", b.Addr(0).String())
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(patience))
			c := tls.Client(&cut{conn, n}, config)
			io.WriteString(c, strings.Repeat(upgrade, 5)) // more than all of that
			conn.Close()
		}
		if kind == "tls" {
			eventually(t, "each has been let in or refused", func() bool { return let(b)+int(b.Stats()[0].RefusedRequest) == count })
		}
		b.settled()
		if failed := b.Stats()[0].RefusedRequest; kind == "tls" && (failed == 0 || failed == int64(count)) {
			t.Errorf("%d of %d died in the handshake: all moments are on one side of it", failed, count)
		}
	}
	eventually(t, "no descriptor is left", func() bool { return descriptors(t) <= before })
}

// TestNoTLS has clients of a TLS door say something else, or nothing for too long: they are closed.
func TestNoTLS(t *testing.T) {
	for says, most := range map[string]time.Duration{upgrade: patience, "": 50 * time.Millisecond} {
		rule := pairRule(t, "tls", echo(t, "tcp"))
		rule.DialTimeout = most
		b := run(t, rule)
		conn := dialStream(t, parse(t, "tcp:"+b.Addr(0).String()))
		io.WriteString(conn, says)
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("one who says %.3q is not closed", says)
		}
		b.settled()
		if s := b.Stats()[0]; s.RefusedRequest != 1 || s.Accepted != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// TestTargetNoTLS has a target of TLS say something else: it is left.
func TestTargetNoTLS(t *testing.T) {
	left := make(chan struct{})
	target := streamTarget(t, "tcp", func(conn halfCloser) {
		io.WriteString(conn, "220 ready\r\n")
		io.Copy(io.Discard, conn)
		close(left)
	})
	rule := pairRule(t, "ws", parse(t, "tls:"+target.Host()))
	b := run(t, rule)
	if _, _, err := dialWS(t, b.at(0, rule.Listen)).Read(within(t)); ws.CloseStatus(err) != ws.StatusBadGateway {
		t.Error(err)
	}
	select {
	case <-left:
	case <-time.After(patience):
		t.Error("it is not left")
	}
	if s := b.Stats()[0]; s.DialFailed != 1 {
		t.Errorf("%+v", s)
	}
}

// TestCloseUnderWay has bridges closed while clients of every door are in the middle of something, with every kind of target.
func TestCloseUnderWay(t *testing.T) {
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // accepts by the kernel alone, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	mute := deaf.Addr().String()
	targets := map[string]bridge.Endpoint{
		"loud": streamTarget(t, "tcp", func(conn halfCloser) { io.Copy(conn, endless{}) }),
		"half": streamTarget(t, "unix", func(conn halfCloser) { conn.CloseWrite(); io.Copy(io.Discard, conn) }),
		"udp":  echo(t, "udp"), "ws": echo(t, "ws"), "wss": echo(t, "wss"),
		"mute": parse(t, "tcp:"+mute), "no TLS": parse(t, "tls:"+mute), "no handshake": parse(t, "ws://"+mute+"/"),
	}
	before := descriptors(t)
	t.Run("targets", func(t *testing.T) {
		for name, target := range targets {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var rules []bridge.Rule
				for _, door := range kinds {
					rule := pairRule(t, door, target)
					rule.DialTimeout, rule.Linger = patience, patience // neither may hold up Close
					rules = append(rules, rule)
				}
				b := run(t, rules...)
				var clients []io.Closer
				for i, rule := range rules {
					where := b.at(i, rule.Listen)
					switch kind := kinds[i]; kind {
					case "ws", "wss", "ws+unix":
						c := dialWS(t, where, bridge.StreamProtocol)
						if err := c.Write(within(t), ws.Binary, []byte("hello")); err != nil {
							t.Fatal(err)
						}
						if name != "loud" { // whose clients read nothing, not even the close frame
							done := make(chan struct{})
							go func() {
								defer close(done)
								for range c.Messages(context.Background()) {
								}
							}()
							t.Cleanup(func() { <-done })
						}
						clients = append(clients, closer(func() error { c.CloseNow(); return nil }))
					default:
						c := dialStream(t, where)
						if _, err := io.WriteString(c, "hello"); err != nil {
							t.Fatal(err)
						}
						clients = append(clients, c)
					}
				}
				eventually(t, "all have been let in", func() bool { return let(b) == len(rules) })
				began := time.Now()
				b.Close()
				if n := b.Open(); n != 0 {
					t.Errorf("%d relays are open", n)
				}
				if took := time.Since(began); took > patience/2 { // ws waits 5 s for a peer's close frame
					t.Errorf("closing took %v", took)
				}
				b.stop()
				for _, c := range clients {
					c.Close()
				}
			})
		}
	})
	eventually(t, "no descriptor is left", func() bool { return descriptors(t) <= before })
}

// let is how many clients a bridge has let in.
func let(b *running) (n int) {
	for _, s := range b.Stats() {
		n += int(s.Accepted)
	}
	return n
}

type closer func() error

func (c closer) Close() error { return c() }
