//go:build !js

package ws_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// upgradeServer upgrades each connection to a listener, and echoes.
func upgradeServer(t testing.TB, o *ws.UpgradeOptions) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				c, err := ws.Upgrade(nc, o)
				if err != nil {
					return
				}
				defer c.CloseNow()
				echo(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	return ln.Addr().String()
}

func TestUpgradeCallbacks(t *testing.T) {
	var saw []string
	note := func(format string) func(b []byte) error {
		return func(b []byte) error { saw = append(saw, format+string(b)); return nil }
	}
	client, server := net.Pipe()
	defer client.Close()
	done := make(chan error, 1)
	go func() {
		c, err := ws.Upgrade(server, &ws.UpgradeOptions{
			OnURI:    note("uri "),
			OnHost:   note("host "),
			OnHeader: func(name, value []byte) error { saw = append(saw, string(name)+"="+string(value)); return nil },
			Subprotocol: func(offered []byte) string {
				saw = append(saw, "offered "+string(offered))
				if string(offered) == "b" {
					return "b"
				}
				return ""
			},
			Subprotocols: []string{"a"}, // replaced by the function
		})
		if err == nil {
			if c.Subprotocol() != "b" {
				err = errors.New("subprotocol " + c.Subprotocol())
			}
			c.CloseNow()
		}
		done <- err
	}()
	resp, _, _ := exchange(t, client, handshakeRequest("GET /room?x=%20 HTTP/1.1", "Sec-WebSocket-Protocol: a, b, c", "X-Token:  secret "))
	if err := <-done; err != nil || resp.Header.Get("Sec-WebSocket-Protocol") != "b" {
		t.Fatalf("%v, %v", resp.Header, err)
	}
	want := "uri /room?x=%20|host server.example.com|Host=server.example.com|Upgrade=websocket|Connection=Upgrade|" +
		"Sec-WebSocket-Key=" + sampleKey + "|Sec-WebSocket-Version=13|Sec-WebSocket-Protocol=a, b, c|X-Token=secret|offered a|offered b"
	if got := strings.Join(saw, "|"); got != want {
		t.Errorf("saw  %s\nwant %s", got, want)
	}
}

func TestUpgradeCallbacksRefuse(t *testing.T) {
	refusal := &ws.Refusal{Status: 401, Body: "who are you?", Header: http.Header{"Www-Authenticate": {"Basic"}}}
	plain := errors.New("internal detail")
	for name, c := range map[string]struct {
		o      ws.UpgradeOptions
		status int
		body   string
	}{
		"uri":    {ws.UpgradeOptions{OnURI: func([]byte) error { return refusal }}, 401, "who are you?\n"},
		"host":   {ws.UpgradeOptions{OnHost: func([]byte) error { return plain }}, 403, "Forbidden\n"},
		"header": {ws.UpgradeOptions{OnHeader: func(_, _ []byte) error { return refusal }}, 401, "who are you?\n"},
		"subprotocol": {ws.UpgradeOptions{Subprotocol: func([]byte) string { return "another\r\nX: y" }},
			500, "Internal Server Error\n"},
	} {
		client, server := net.Pipe()
		done := make(chan error, 1)
		go func() {
			_, err := ws.Upgrade(server, &c.o)
			done <- err
		}()
		resp, _, _ := exchange(t, client, handshakeRequest("Sec-WebSocket-Protocol: a"))
		body, _ := io.ReadAll(resp.Body)
		err := <-done
		if resp.StatusCode != c.status || string(body) != c.body || err == nil {
			t.Errorf("%s: %s, %q, %v", name, resp.Status, body, err)
		}
		if c.status == 401 && (resp.Header.Get("Www-Authenticate") != "Basic" || !errors.Is(err, refusal)) {
			t.Errorf("%s: %v, %v", name, resp.Header, err)
		}
		if name == "host" && !errors.Is(err, plain) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the connection stays open: %v", name, err)
		}
		client.Close()
	}
}

func TestUpgradeTakesAbsoluteTargets(t *testing.T) {
	for target, want := range map[string]string{
		"http://server.example.com/a?b":  "/a?b",
		"HTTPS://SERVER.example.com":     "/",
		"ws://server.example.com/":       "/",
		"http://other.example.com/a":     "", // not the Host
		"http://server.example.com?x":    "",
		"ftp://server.example.com/":      "",
		"chat":                           "",
		"*":                              "",
		"http://user@server.example.com": "",
	} {
		var uri string
		client, server := net.Pipe()
		go func() {
			c, err := ws.Upgrade(server, &ws.UpgradeOptions{OnURI: func(b []byte) error { uri = string(b); return nil }})
			if err == nil {
				c.CloseNow()
			}
		}()
		resp, _, _ := exchange(t, client, handshakeRequest("GET "+target+" HTTP/1.1"))
		client.Close()
		if ok := resp.StatusCode == 101; ok != (want != "") || uri != want || !ok && resp.StatusCode != 400 {
			t.Errorf("%s: %s, %q", target, resp.Status, uri)
		}
	}
}

func TestUpgradeBoundsTheHead(t *testing.T) {
	leakCheck(t)
	for max, addr := range map[int]string{
		0:   upgradeServer(t, nil),
		300: upgradeServer(t, &ws.UpgradeOptions{MaxHeader: 300}),
	} {
		limit := max
		if limit == 0 {
			limit = 8 << 10
		}
		pad := limit - len(handshakeRequest("X-Pad: "))
		for extra, status := range map[int]int{0: 101, 1: 431, 100_000: 431} {
			resp, _, nc := talk(t, addr, handshakeRequest("X-Pad: "+strings.Repeat("x", pad+extra)))
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != status || status == 431 && !strings.Contains(string(body), "MaxHeader") {
				t.Errorf("%d bytes beyond %d: %s, %q", extra, limit, resp.Status, body)
			}
			nc.Close()
		}
	}
}

// A request that trickles in is given up after HandshakeTimeout in all, not
// after that much silence.
func TestUpgradeGivesUpOnSlowLoris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			o    *ws.UpgradeOptions
			want time.Duration
		}{{nil, 10 * time.Second}, {&ws.UpgradeOptions{HandshakeTimeout: 3 * time.Second}, 3 * time.Second}} {
			client, server := wstest.Pipe()
			start := time.Now()
			go func() {
				for _, b := range []byte(handshakeRequest()) {
					if _, err := client.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			_, err := ws.Upgrade(server, c.o)
			var ref *ws.Refusal
			if !errors.As(err, &ref) || ref.Status != 408 || !strings.Contains(err.Error(), "HandshakeTimeout") {
				t.Errorf("%v", err)
			}
			if took := time.Since(start); took < c.want || took > c.want+2*time.Second {
				t.Errorf("gave up after %v, want %v", took, c.want)
			}
			client.Close()
			// One that sends nothing is given up in silence.
			silent, server := wstest.Pipe()
			if _, err := ws.Upgrade(server, c.o); err == nil {
				t.Error("nothing was upgraded")
			}
			if n, err := silent.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("read %d, %v", n, err)
			}
			silent.Close()
			time.Sleep(time.Second) // virtual: the writer notices
		}
	})
}

func TestUpgradeEndsWithTheStream(t *testing.T) {
	for _, sent := range []string{"", "GET / HT"} {
		client, server := wstest.Pipe()
		io.WriteString(client, sent)
		client.Close()
		if _, err := ws.Upgrade(server, nil); err == nil || !strings.Contains(err.Error(), "EOF") {
			t.Errorf("after %q: %v", sent, err)
		}
	}
}

// upgradeLoop is a net.Conn whose peer sends request; rewind it to hear it again.
func upgradeLoop(request string) *recorded {
	nc := &recorded{}
	nc.in.Reset([]byte(request))
	return nc
}

func BenchmarkUpgrade(b *testing.B) {
	nc := upgradeLoop(handshakeRequest())
	conns := make([]*ws.Conn, 0, 1<<13)
	b.ReportAllocs()
	for b.Loop() {
		nc.in.Seek(0, io.SeekStart)
		c, err := ws.Upgrade(nc, nil)
		if err != nil {
			b.Fatal(err)
		}
		if conns = append(conns, c); len(conns) == cap(conns) {
			b.StopTimer()
			for _, c := range conns {
				c.CloseNow()
			}
			conns = conns[:0]
			b.StartTimer()
		}
	}
}
