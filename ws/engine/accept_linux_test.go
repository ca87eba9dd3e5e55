package engine_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/ws/engine"
)

// deaf is an owner that does nothing.
type deaf struct{}

func (deaf) Readable() bool { return true }
func (deaf) Writable()      {}
func (deaf) Blocked()       {}

// watchers returns how many epoll sets of this process know a socket.
func watchers(t *testing.T, ln *net.TCPListener) int {
	t.Helper()
	raw, err := ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	raw.Control(func(fd uintptr) {
		infos, err := os.ReadDir("/proc/self/fdinfo")
		if err != nil {
			t.Error(err)
		}
		for _, info := range infos {
			b, _ := os.ReadFile("/proc/self/fdinfo/" + info.Name()) // that of the directory is gone
			for line := range strings.Lines(string(b)) {
				var watched int
				if k, _ := fmt.Sscanf(line, "tfd: %d", &watched); k == 1 && watched == int(fd) {
					n++
				}
			}
		}
	})
	return n
}

// The runtime is not woken for what the Poller accepts.
func TestListenerLeavesTheRuntime(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp := ln.(*net.TCPListener)
	if n := watchers(t, tcp); n != 1 {
		t.Fatalf("%d epoll sets know a new listener, want the runtime's", n)
	}
	var p engine.Poller
	var l engine.Listener
	if err := p.Listen(&l, ln, deaf{}); err != nil {
		t.Fatal(err)
	}
	if n := watchers(t, tcp); n != 1 {
		t.Errorf("%d epoll sets know the listener, want the Poller's alone", n)
	}
	l.Close()
	if n := watchers(t, tcp); n != 0 {
		t.Errorf("%d epoll sets know the listener after Close, want none", n)
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
}

func TestAcceptedAddresses(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		host := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
		ln, err := net.Listen(network, host)
		if err != nil {
			t.Logf("this machine has no %s: %v", network, err)
			continue
		}
		defer ln.Close()
		var p engine.Poller
		var l engine.Listener
		if err := p.Listen(&l, ln, deaf{}); err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		nc, err := net.Dial(network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		sock, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		var d engine.Descriptor
		var stands net.Conn
		if err := p.Adopt(&d, &l, sock, deaf{}, func(nc net.Conn) { stands = nc }); err != nil {
			t.Fatal(err)
		}
		if got, want := stands.RemoteAddr().String(), nc.LocalAddr().String(); got != want {
			t.Errorf("%s: remote address %s, want %s", network, got, want)
		}
		if got, want := stands.LocalAddr().String(), nc.RemoteAddr().String(); got != want {
			t.Errorf("%s: local address %s, want %s", network, got, want)
		}
		d.Close()
	}
}

// counter is an owner that counts its calls.
type counter struct{ calls atomic.Int64 }

func (c *counter) Readable() bool { c.calls.Add(1); return true }
func (c *counter) Writable()      {}
func (c *counter) Blocked()       {}

// A listener that is watched already stays with its first owner.
func TestListenTwice(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var p engine.Poller
	var first, second engine.Listener
	var one counter
	if err := p.Listen(&first, ln, &one); err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := p.Listen(&second, ln, deaf{}); err == nil {
		t.Error("it is watched twice")
	}
	until(t, "a look for what came meanwhile", func() bool { return one.calls.Load() > 0 })
	before := one.calls.Load()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	until(t, "a connection", func() bool { return one.calls.Load() > before })
}
