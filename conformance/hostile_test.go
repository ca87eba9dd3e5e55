package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/conformance"
)

// hostile is a server that is told what to do with each connection.
func hostile(t *testing.T, act func(net.Conn)) string {
	ln := listen(t)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer c.Close()
				act(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		group.Wait()
	})
	return "ws://" + ln.Addr().String() + "/"
}

func TestHostileServers(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 64<<10)
	upgraded := func(c net.Conn) {
		br := bufio.NewReader(c)
		key := ""
		for {
			line, err := br.ReadString('\n')
			if err != nil || line == "\r\n" {
				break
			}
			if v, ok := strings.CutPrefix(line, "Sec-WebSocket-Key: "); ok {
				key = strings.TrimSpace(v)
			}
		}
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept(key))
	}
	flood := func(c net.Conn, b []byte) {
		for {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
	for _, h := range []struct {
		name, reason string
		act          func(net.Conn)
	}{
		{"says nothing", "no answer to the handshake: nothing came for 500ms", func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"says nothing to a handshake that it must refuse", "no answer to the handshake: nothing came for 500ms", func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"says nothing after the handshake", "nothing came for", func(c net.Conn) {
			upgraded(c)
			io.Copy(io.Discard, c)
		}},
		{"endless headers", "the handshake is longer than", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nX: ")
			flood(c, bytes.Repeat([]byte("x"), 64<<10))
		}},
		{"garbage", "do not end with CR LF", func(c net.Conn) { io.WriteString(c, "\x00\x01\n\n\n") }},
		{"endless message", "more than the case takes in", func(c net.Conn) {
			upgraded(c)
			c.Write([]byte{0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0})
			flood(c, zeros)
		}},
		{"endless fragments", "more than the case takes in", func(c net.Conn) {
			upgraded(c)
			c.Write([]byte{0x02, 0})
			flood(c, make([]byte, 4096)) // continuation frames of no bytes
		}},
		{"endless pings", "more than the case takes in", func(c net.Conn) {
			upgraded(c)
			go io.Copy(io.Discard, c)
			flood(c, bytes.Repeat([]byte{0x89, 0}, 2048))
		}},
		{"resets", "closed", func(c net.Conn) {
			upgraded(c)
			c.(*net.TCPConn).SetLinger(0)
		}},
	} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			r := &conformance.Runner{Patience: 20 * time.Second, Timeout: 60 * time.Second, MaxBytes: 1 << 20}
			if strings.HasPrefix(h.name, "says nothing") {
				r.Patience = 500 * time.Millisecond
			}
			id := "1.1.2"
			if strings.HasSuffix(h.name, "must refuse") {
				id = "23.2.18"
			}
			results, err := r.RunServer(context.Background(), hostile(t, h.act), id)
			if err != nil {
				t.Fatal(err)
			}
			if res := results[0]; res.Verdict != conformance.Fail || !strings.Contains(res.Reason, h.reason) && h.name != "resets" {
				t.Errorf("%v: %s", res.Verdict, res.Reason)
			}
		})
	}
}

// A server that takes connections and never speaks TLS costs patience, not the case's whole time.
func TestServerWithoutTLS(t *testing.T) {
	t.Parallel()
	target := hostile(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	r := &conformance.Runner{Patience: 200 * time.Millisecond, Timeout: time.Hour}
	results, err := r.RunServer(context.Background(), strings.Replace(target, "ws:", "wss:", 1), "1.1.1")
	if err != nil || results[0].Verdict != conformance.Fail || !strings.Contains(results[0].Reason, "no connection") {
		t.Error(results, err)
	}
}
