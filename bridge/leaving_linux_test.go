package bridge_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/ws"
)

// TestLeavesDial has clients leave whose target is being dialled, which takes as long as it may: their place is free at once.
func TestLeavesDial(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts by the kernel alone, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	target := parse(t, "tls:"+mute.Addr().String())
	reset := func(conn net.Conn) { die(conn, true) }
	closed := func(conn net.Conn) { die(conn, false) }
	framed := func(frame string, then func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) {
			io.WriteString(conn, frame)
			then(conn)
		}
	}
	for _, tc := range []struct {
		door, how string
		leave     func(conn net.Conn) // the client has been let in
		broken    int64
	}{
		{"tcp", "reset", reset, 1},
		{"tcp", "reset behind some bytes", framed("hello", reset), 1},
		{"tls", "reset", reset, 1},
		{"unix", "closed", closed, 1},
		{"ws", "reset", reset, 1},
		{"ws", "closed without a frame", closed, 1},
		{"ws", "with 1000", framed("\x88\x82\x00\x00\x00\x00\x03\xe8", closed), 0},
		{"ws", "a page that is left", framed("\x88\x82\x00\x00\x00\x00\x03\xe9", closed), 1},
		{"wss", "closed without a frame", closed, 1},
		{"ws+unix", "closed without a frame", closed, 1},
	} {
		t.Run(tc.door+" "+tc.how, func(t *testing.T) {
			t.Parallel()
			rule := pairRule(t, tc.door, target)
			rule.DialTimeout, rule.MaxConnections = time.Hour, 1
			b := run(t, rule)
			var conn net.Conn
			where := b.at(0, rule.Listen)
			if strings.HasPrefix(tc.door, "ws") {
				c := dialWS(t, where)
				conn = c.NetConn()
			} else {
				conn = dialStream(t, where)
			}
			eventually(t, "the client is let in", func() bool { return b.Open() == 1 })
			tc.leave(conn)
			b.settled()
			said := map[int64]string{0: "the client left", 1: "broken off"}[tc.broken] + " before the target was reached"
			if s := b.Stats()[0]; s.Broken != tc.broken || s.DialFailed != 0 || !strings.Contains(b.logs.String(), said) {
				t.Errorf("%+v\n%s", s, b.logs)
			}
		})
	}
}

// TestStaysInDial has clients end what they say while their target is being dialled: they get the answer, or their last words arrive.
func TestStaysInDial(t *testing.T) {
	server, _ := certificate()
	for _, door := range []string{"tcp", "unix", "unix closed", "ws", "ws+unix", "ws+unix closed"} {
		t.Run(door, func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			door, closed := strings.CutSuffix(door, " closed")
			rule := pairRule(t, door, parse(t, "tls:"+ln.Addr().String()))
			rule.DialTimeout, rule.Linger = patience, patience
			b := run(t, rule)
			where := b.at(0, rule.Listen)
			var conn net.Conn
			if strings.HasPrefix(door, "ws") {
				c := dialWS(t, where, bridge.StreamProtocol)
				c.Write(within(t), ws.Binary, []byte("hello"))
				if conn = c.NetConn(); closed {
					io.WriteString(conn, "\x88\x82\x00\x00\x00\x00\x03\xe8")
				} else {
					c.Write(within(t), ws.Text, nil)
					conn = ws.NetConn(context.Background(), c, ws.Binary)
				}
			} else {
				conn = dialStream(t, where)
				io.WriteString(conn, "hello")
				conn.(halfCloser).CloseWrite()
			}
			if closed {
				conn.Close()
			}
			nc, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(patience))
			to := tls.Server(nc, server)
			if got, err := io.ReadAll(to); string(got) != "hello" || err != nil {
				t.Fatalf("the target got %q, %v\n%s", got, err, b.logs)
			}
			if closed {
				return
			}
			fmt.Fprint(to, "answer")
			to.Close()
			got := make([]byte, 6)
			if _, err := io.ReadFull(conn, got); string(got) != "answer" || err != nil {
				t.Fatalf("the client got %q, %v\n%s", got, err, b.logs)
			}
		})
	}
}
