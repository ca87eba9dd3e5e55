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
	if err := p.Listen(&l, ln, &owner{}); err != nil {
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
		if err := p.Listen(&l, ln, &owner{}); err != nil {
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
		if err := p.Adopt(&d, &l, sock, &owner{}, func(nc net.Conn) { stands = nc }); err != nil {
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

// A listener that is watched already stays with its first owner.
func TestListenTwice(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var p engine.Poller
	var first, second engine.Listener
	var calls atomic.Int64
	one := &owner{readable: func() bool { calls.Add(1); return true }}
	if err := p.Listen(&first, ln, one); err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := p.Listen(&second, ln, &owner{}); err == nil {
		t.Error("it is watched twice")
	}
	until(t, "a look for what came meanwhile", func() bool { return calls.Load() > 0 })
	before := calls.Load()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	until(t, "a connection", func() bool { return calls.Load() > before })
}

// Accepting allocates nothing: what is there to be allocated is the owner's.
func TestAcceptAllocatesNothing(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var p engine.Poller
	var l engine.Listener
	if err := p.Listen(&l, ln, &owner{}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := l.Accept(); !engine.WouldBlock(err) {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A copy of the socket that outlives its owner does not keep the next owner out, which
// the system gives the same number.
func TestAddOfAnotherCopy(t *testing.T) {
	nothingLeft(t)
	var p engine.Poller
	peer, conn := pair(t, "tcp")
	defer peer.Close()
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for range 3 {
		o := &owner{}
		if _, err := p.Add(&o.Descriptor, conn, o, true); err != nil {
			t.Fatal(err)
		}
		o.Close()
		if conn, err = net.FileConn(file); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
}
