package bridge_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

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
		send(nil)
		if p := hear(); len(p) != 0 {
			t.Fatalf("%s: %d bytes, want none", front, len(p))
		}
		var sent [][]byte
		for _, n := range []int{0, 1, 2, 1000, 40000, map[string]int{"udp": 65000, "ws": 65535}[front]} {
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
	// A stream that ends, within a frame or behind one.
	for said, want := range map[string]ws.StatusCode{
		"\x00": ws.StatusBadGateway, "\x00\x05x": ws.StatusBadGateway, "\x00\x01": ws.StatusBadGateway, "\x00\x01x": ws.StatusNormalClosure,
	} {
		rule := pairRule(t, "ws", streamTarget(t, "tcp", func(conn halfCloser) { io.WriteString(conn, said) }))
		rule.Framing = bridge.Length16
		b := run(t, rule)
		c := dialWS(t, b.at(0, rule.Listen))
		_, p, err := c.Read(within(t))
		if err == nil {
			_, _, err = c.Read(within(t))
		}
		if ws.CloseStatus(err) != want || (string(p) == "x") != (want == ws.StatusNormalClosure) {
			t.Errorf("behind %q: %q, %v", said, p, err)
		}
	}
	// A frame that is longer than a datagram, and one that is not.
	rule := pairRule(t, "udp", streamTarget(t, "tcp", func(conn halfCloser) {
		conn.Read(make([]byte, 10))
		io.WriteString(conn, "\xff\xff"+strings.Repeat("x", 65535)+"\x00\x01x")
	}))
	rule.Framing = bridge.Length16
	b := run(t, rule)
	c := dialStream(t, b.at(0, rule.Listen))
	c.Write([]byte("hello"))
	p := make([]byte, 1<<16)
	if n, err := c.Read(p); string(p[:n]) != "x" {
		t.Errorf("%d bytes, %v", n, err)
	}
	if s := b.Stats()[0]; s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
}

// TestWaitingDatagrams has relays end while datagrams of their client wait: each is passed on or counted as dropped.
func TestWaitingDatagrams(t *testing.T) {
	const n, size = 100, 100
	all := func(t *testing.T, b *running, where bridge.Endpoint) bridge.Stats {
		t.Helper()
		c := dialStream(t, where)
		for range n {
			if _, err := c.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
		}
		var s bridge.Stats
		eventually(t, "all are counted", func() bool { s = b.Stats()[0]; return s.Dropped+s.In/size >= n })
		if s.Dropped+s.In/size != n {
			t.Errorf("%+v", s)
		}
		return s
	}
	t.Run("in dial", func(t *testing.T) {
		mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts by the kernel alone, and says nothing
		if err != nil {
			t.Fatal(err)
		}
		defer mute.Close()
		rule := pairRule(t, "udp", parse(t, "tls:"+mute.Addr().String()))
		rule.DialTimeout = 200 * time.Millisecond
		b := run(t, rule)
		if s := all(t, b, b.at(0, rule.Listen)); s.Dropped != n {
			t.Errorf("%+v", s)
		}
	})
	t.Run("too many", func(t *testing.T) {
		const held = (256 << 10) / (10_000 + 64)
		mute, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer mute.Close()
		rule := pairRule(t, "udp", parse(t, "tls:"+mute.Addr().String()))
		rule.DialTimeout = time.Hour
		b := run(t, rule)
		c, sent := dialStream(t, b.at(0, rule.Listen)), int64(0)
		eventually(t, "no more are held", func() bool {
			c.Write(make([]byte, 10_000))
			sent++
			return b.Stats()[0].Dropped > 0
		})
		if dropped := b.Stats()[0].Dropped; sent-dropped < held {
			t.Errorf("%d of %d are dropped", dropped, sent)
		}
	})
	t.Run("under way", func(t *testing.T) {
		rule := pairRule(t, "udp", streamTarget(t, "tcp", func(conn halfCloser) {
			io.CopyN(io.Discard, conn, size)
			die(conn, true)
		}))
		b := run(t, rule)
		for range 20 {
			all(t, b, b.at(0, rule.Listen))
			b.settled()
			if t.Failed() {
				return
			}
			b.stop()
			b = run(t, rule)
		}
	})
}
