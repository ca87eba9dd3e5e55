//go:build !js

package ws_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// overheard is a net.Conn that keeps what passes.
type overheard struct {
	net.Conn
	mu      sync.Mutex
	in, out bytes.Buffer
}

func (c *overheard) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in.Write(p[:n])
	return n, err
}

func (c *overheard) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.out.Write(p) // before the answer to it can come
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *overheard) heard() (in, out string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.String(), c.out.String()
}

// waysToWrap are the doors that ask Wrap. config is nil where they speak no TLS.
func waysToWrap() map[string]func(t testing.TB, o ws.AcceptOptions) (addr string, config *tls.Config) {
	ways := map[string]func(t testing.TB, o ws.AcceptOptions) (addr string, config *tls.Config){
		"Server.ServeTLS": func(t testing.TB, o ws.AcceptOptions) (string, *tls.Config) {
			config := &tls.Config{Certificates: []tls.Certificate{certificate().cert}}
			return serveTLS(t, &ws.Server{Accept: echoTo(&o), TLSConfig: config}), &tls.Config{RootCAs: certificate().roots, ServerName: "localhost"}
		},
	}
	for name, door := range doors {
		if name != "Upgrade" { // whose caller has the stream in hand
			ways[name] = func(t testing.TB, o ws.AcceptOptions) (string, *tls.Config) { return door(t, o), nil }
		}
	}
	return ways
}

// What Wrap returns sees every byte behind the handshake, those that came with it too, and none of the handshake.
func TestWrapSeesAllBehindTheHandshake(t *testing.T) {
	ways := waysToWrap()
	first, second := clientFrame(0x81, "first"), clientFrame(0x82, "second")
	head := handshakeRequest()
	for name, way := range ways {
		for how, parts := range map[string][2]string{
			"in one piece": {"", head + first}, "in two pieces": {head[:20], head[20:] + first}, "before the first message": {"", head},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				leakCheck(t)
				wraps := make(chan *overheard, 1)
				addr, config := way(t, ws.AcceptOptions{
					Subprotocols: []string{"chat"},
					Wrap: func(nc net.Conn) net.Conn {
						w := &overheard{Conn: nc}
						wraps <- w
						return w
					},
				})
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				if config != nil {
					nc = tls.Client(nc, config)
				}
				io.WriteString(nc, parts[0])
				resp, r, _ := exchange(t, nc, parts[1])
				if resp.StatusCode != http.StatusSwitchingProtocols {
					t.Fatal(resp.Status)
				}
				if how == "before the first message" {
					io.WriteString(nc, first)
				}
				expectBytes(t, r, "\x81\x05first")
				io.WriteString(nc, second)
				expectBytes(t, r, "\x82\x06second")
				w := <-wraps
				waitFor(t, func() bool { _, out := w.heard(); return len(out) == 15 }) // it is noted behind the write
				if in, out := w.heard(); in != first+second || out != "\x81\x05first\x82\x06second" {
					t.Errorf("heard %q and %q", in, out)
				}
				nc.Close()
			})
		}
	}
}

// A wrapped connection is the Server's like any other.
func TestWrapAndShutdown(t *testing.T) {
	leakCheck(t)
	e := newWitness()
	s, addr := serve(t, &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		return e, &ws.AcceptOptions{Wrap: func(nc net.Conn) net.Conn { return &overheard{Conn: nc} }}, nil
	}})
	c, _, err := ws.Dial(testContext(t), "ws://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-e.opened
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(testContext(t)) }()
	if _, _, err := c.Read(testContext(t)); ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Errorf("closed with %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := <-e.closed; ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Errorf("the handler was told %v", err)
	}
}

// Wrap is the application's, and its panics end that connection alone: without a word, as the handshake is over.
func TestWrapPanics(t *testing.T) {
	for name, way := range waysToWrap() {
		for how, fail := range map[string]func(){"panics": func() { panic("no") }, "exits": runtime.Goexit} {
			t.Run(name+" "+how, func(t *testing.T) {
				leakCheck(t)
				var fails atomic.Bool
				fails.Store(true)
				addr, config := way(t, ws.AcceptOptions{Wrap: func(nc net.Conn) net.Conn {
					if fails.Load() {
						fail()
					}
					return nc
				}})
				if rest, err := io.ReadAll(greet(t, addr, config, "")); err != nil || len(rest) > 0 {
					t.Errorf("%q, %v", rest, err)
				}
				fails.Store(false)
				expectBytes(t, greet(t, addr, config, clientFrame(0x81, "hi")), "\x81\x02hi")
			})
		}
	}
}

// A Server says whose fault that was.
func TestWrapPanicsAreLogged(t *testing.T) {
	leakCheck(t)
	var log logBuffer
	_, addr := serve(t, &ws.Server{
		Accept: echoTo(&ws.AcceptOptions{Wrap: func(net.Conn) net.Conn { panic("no") }}),
		Logger: log.logger(),
	})
	io.ReadAll(greet(t, addr, nil, ""))
	waitFor(t, func() bool { return strings.Count(log.String(), "server panicked in Accept") == 1 })
}

// Whoever has nothing to put between returns the stream, or nil.
func TestWrapLeavesTheStream(t *testing.T) {
	for name, way := range waysToWrap() {
		for how, wrap := range map[string]func(nc net.Conn) net.Conn{
			"the stream": func(nc net.Conn) net.Conn { return nc }, "nil": func(net.Conn) net.Conn { return nil },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				leakCheck(t)
				addr, config := way(t, ws.AcceptOptions{Wrap: wrap})
				expectBytes(t, greet(t, addr, config, clientFrame(0x81, "hi")), "\x81\x02hi")
			})
		}
	}
}

// greet says the client's part of the handshake, and what is behind it. What comes behind the answer is to be read.
func greet(t *testing.T, addr string, config *tls.Config, behind string) *bufio.Reader {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	stream := nc
	if config != nil {
		stream = tls.Client(nc, config)
	}
	resp, r, _ := exchange(t, stream, handshakeRequest()+behind)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	return r
}
