package bridge_test

import (
	"net"
	"testing"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// TestDatagrams has datagrams of all sizes be messages, and too large a message be refused.
func TestDatagrams(t *testing.T) {
	rule := pairRule(t, "ws", echo(t, "udp"))
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen))
	for _, n := range []int{0, 1, 1500, 65507} {
		want := noise(n)
		c.Write(within(t), ws.Binary, want)
		if _, got, err := c.Read(within(t)); err != nil || string(got) != string(want) {
			t.Fatalf("%d bytes of %d: %v", len(got), n, err)
		}
	}
	c.Write(within(t), ws.Binary, noise(65508))
	if _, _, err := c.Read(within(t)); ws.CloseStatus(err) != ws.StatusMessageTooBig {
		t.Fatal(err)
	}
	// A target that is not there loses datagrams, and is there again.
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	rule = pairRule(t, "ws", parse(t, "udp:"+gone.LocalAddr().String()))
	b = run(t, rule)
	c = dialWS(t, b.at(0, rule.Listen))
	for range 10 {
		c.Write(within(t), ws.Binary, []byte("x"))
	}
	eventually(t, "lost datagrams are counted", func() bool { return b.Stats()[0].Dropped > 0 })
	back, err := net.ListenPacket("udp", gone.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	heard := make(chan struct{})
	go func() {
		p := make([]byte, 10)
		if _, from, err := back.ReadFrom(p); err == nil {
			back.WriteTo([]byte("here"), from)
		}
		close(heard)
	}()
	eventually(t, "the target hears again", func() bool {
		c.Write(within(t), ws.Binary, []byte("x"))
		select {
		case <-heard:
			return true
		default:
			return false
		}
	})
	if _, p, err := c.Read(within(t)); string(p) != "here" {
		t.Fatal(err)
	}
}

// TestFraming has datagrams and messages keep their boundaries on a stream.
func TestFraming(t *testing.T) {
	for _, front := range []string{"udp", "ws"} {
		rule := pairRule(t, front, streamTarget(t, "tcp", echoStream))
		rule.Framing = bridge.Length16
		b := run(t, rule)
		var send func(p []byte)
		var hear func() []byte
		if front == "udp" {
			c := dialStream(t, b.at(0, rule.Listen))
			send = func(p []byte) { c.Write(p) }
			hear = func() []byte {
				p := make([]byte, 1<<16)
				n, err := c.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				return p[:n]
			}
		} else {
			c := dialWS(t, b.at(0, rule.Listen))
			send = func(p []byte) { c.Write(within(t), ws.Binary, p) }
			hear = func() []byte {
				_, p, err := c.Read(within(t))
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
		}
		var sent [][]byte
		for _, n := range []int{0, 1, 2, 1000, 40000, 65000} {
			sent = append(sent, noise(n))
		}
		for _, p := range sent {
			send(p)
		}
		for _, want := range sent {
			if got := hear(); string(got) != string(want) {
				t.Fatalf("%s: %d bytes, want %d", front, len(got), len(want))
			}
		}
	}
	// A stream that ends within a frame.
	rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) { conn.Write([]byte{0, 5, 1}) }))
	rule.Framing = bridge.Length16
	b := run(t, rule)
	c := dialWS(t, b.at(0, rule.Listen))
	if _, _, err := c.Read(within(t)); ws.CloseStatus(err) != ws.StatusBadGateway {
		t.Fatal(err)
	}
}
