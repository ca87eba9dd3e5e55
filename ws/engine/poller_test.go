//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine_test

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidewire/tidewire/ws/engine"
)

// patience bounds what a test waits for. Nothing waits it out but a failure.
const patience = 30 * time.Second

// owner is an Events made of functions. Its Descriptor is ended with the test.
type owner struct {
	engine.Descriptor
	peer     net.Conn // the other end
	conn     net.Conn // what Add returned
	readable func() bool
	writable func()
	blocked  func()
}

func (o *owner) Readable() bool { return o.readable == nil || o.readable() }

func (o *owner) Writable() {
	if o.writable != nil {
		o.writable()
	}
}

func (o *owner) Blocked() {
	if o.blocked != nil {
		o.blocked()
	}
}

// echo answers what there is to read, and closes at the end of the stream.
func (o *owner) echo() bool {
	var b [4096]byte
	for {
		n, more, err := o.Read(b[:])
		if engine.WouldBlock(err) {
			return true
		}
		if n == 0 {
			o.Close()
			return true
		}
		o.Write(b[:n])
		if !more {
			return true
		}
	}
}

// onByte has f called by the worker, once, when the first byte comes.
func (o *owner) onByte(f func()) {
	o.readable = func() bool {
		var b [10]byte
		if n, _, _ := o.Read(b[:]); n > 0 {
			f()
		}
		return true
	}
}

// watched adds a connection of that network to p. Reading is the test's until it
// calls Resume.
func watched(t *testing.T, p *engine.Poller, network string) *owner {
	t.Helper()
	o := &owner{}
	o.peer, o.conn = pair(t, network)
	nc, err := p.Add(&o.Descriptor, o.conn, o, true)
	if err != nil {
		t.Fatal(err)
	}
	o.conn = nc
	t.Cleanup(o.Close)
	return o
}

// fd returns the number of a Descriptor.
func fd(o *owner) int {
	n := -1
	raw, _ := o.conn.(syscall.Conn).SyscallConn()
	raw.Control(func(fd uintptr) { n = int(fd) })
	return n
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(200 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// nothingLeft fails the test if it leaves a goroutine or a descriptor behind.
func nothingLeft(t *testing.T) {
	runtimesOwn()
	before, ignore := openFiles(), goleak.IgnoreCurrent()
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			err := goleak.Find(ignore)
			after := openFiles()
			if err == nil && after <= before {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("%d descriptors before, %d after; goroutines: %v", before, after, err)
				return
			}
		}
	})
}

// runtimesOwn has the runtime open what it keeps for its own poller, which whoever is first would otherwise be blamed for.
var runtimesOwn = sync.OnceFunc(func() {
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
})

// openFiles counts the descriptors, where the system shows them.
func openFiles() int {
	d, _ := os.ReadDir("/proc/self/fd")
	return len(d)
}

// workers counts the goroutines that wait for the kernel or are on their way there.
func workers() int {
	all := make([]byte, 1<<20)
	return strings.Count(string(all[:runtime.Stack(all, true)]), "engine.(*worker).wait(")
}

// exchange sends s and expects it back.
func exchange(t *testing.T, o *owner, s string) {
	t.Helper()
	o.peer.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(o.peer, s); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(s))
	if _, err := io.ReadFull(o.peer, b); err != nil || string(b) != s {
		t.Fatalf("sent %q, read %q, %v", s, b, err)
	}
}

// All is gone with the last connection, and comes back with the next.
func TestPollerLivesWithItsConnections(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			nothingLeft(t)
			until(t, "the end of other tests' loops", func() bool { return workers() == 0 })
			var p engine.Poller
			for range 3 {
				before := openFiles()
				one, two := watched(t, &p, network), watched(t, &p, network)
				for _, o := range []*owner{one, two} {
					o.readable = o.echo
					o.Resume()
					exchange(t, o, "hello")
				}
				one.Close()
				exchange(t, two, "still there")
				if workers() != 1 || !p.Living() {
					t.Errorf("%d workers with a connection open", workers())
				}
				two.peer.Close()
				until(t, "the end", func() bool { return workers() == 0 && !p.Living() })
				one.peer.Close()
				until(t, "no descriptor", func() bool { return openFiles() <= before })
			}
		})
	}
}

// The watchdog's timer stops when nothing happens, although connections are open.
func TestWatchdogSleeps(t *testing.T) {
	nothingLeft(t)
	var p engine.Poller
	o := watched(t, &p, "tcp")
	o.readable = o.echo
	o.Resume()
	for range 3 {
		ticked := false
		until(t, "a tick", func() bool {
			exchange(t, o, "x")
			ticked = ticked || p.Ticking()
			return ticked
		})
		until(t, "rest", func() bool { return !p.Ticking() })
	}
}

// An event that the kernel reported for a connection that is closed by now, and
// whose number has been given to another, does not reach that other one.
func TestStaleEventNeverReachesTheNextConnection(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			nothingLeft(t)
			for range 20 { // the number may go to something else in the process, and a slow machine be taken for a handler that blocks
				if staleEvent(t, network) {
					return
				}
			}
			t.Error("the number never came again")
		})
	}
}

// staleEvent reports whether the number came again before the event, and if so what became of it.
func staleEvent(t *testing.T, network string) bool {
	var p engine.Poller
	first, closer, victim := watched(t, &p, network), watched(t, &p, network), watched(t, &p, network)
	var next *owner
	var calls atomic.Int32
	var missed, done atomic.Bool
	closer.onByte(func() {
		defer done.Store(true)
		number := fd(victim)
		victim.Close()
		for range 100 { // the lowest free number is taken
			next = watched(t, &p, network)
			if fd(next) == number {
				break
			}
		}
		if fd(next) != number {
			missed.Store(true)
			return
		}
		next.readable = func() bool { calls.Add(1); return true }
		next.Resume()
	})
	first.onByte(func() {
		// Both become readable while the worker is here: one batch.
		closer.peer.Write([]byte("x"))
		victim.peer.Write([]byte("x"))
	})
	for _, o := range []*owner{first, closer, victim} {
		o.Resume()
	}
	stale := p.Stats().Stale.Load()
	first.peer.Write([]byte("x"))
	until(t, "the stale event", func() bool { return done.Load() && (missed.Load() || p.Stats().Stale.Load() > stale) })
	if missed.Load() || p.Stats().Takeovers.Load() > 0 {
		return false
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("the next connection was called %d times, 1 by Resume", n)
	}
	next.peer.Write([]byte("x"))
	until(t, "its own event", func() bool { return calls.Load() == 2 })
	return true
}

// Whoever closes a connection while it is added hears that it was closed already, or has it end.
func TestCloseWhileAdded(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			nothingLeft(t)
			var p engine.Poller
			between := 0
			for i := range 3000 {
				o := &owner{}
				peer, nc := pair(t, network)
				closed := make(chan error, 1)
				go func() {
					for range i % 7 {
						runtime.Gosched()
					}
					closed <- nc.Close()
				}()
				_, err := p.Add(&o.Descriptor, nc, o, true)
				if err == nil {
					if <-closed == nil {
						between++
						if n, _, err := o.Read(make([]byte, 1)); n != 0 || err != nil {
							t.Errorf("it was closed, and goes on: %d, %v", n, err)
						}
					}
					o.Descriptor.Close()
				}
				peer.Close()
				nc.Close()
			}
			t.Logf("%d were closed between", between)
		})
	}
}

// The last bytes and the end of the stream come as one event.
func TestEndBehindTheLastBytes(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, end := range []string{"FIN", "half", "RST"} {
			t.Run(network+" "+end, func(t *testing.T) {
				nothingLeft(t)
				var p engine.Poller
				first, last := watched(t, &p, network), watched(t, &p, network)
				got := make(chan string, 1)
				all := ""
				last.readable = func() bool {
					var b [100]byte
					for {
						n, more, err := last.Read(b[:])
						if engine.WouldBlock(err) {
							return true
						}
						if all += string(b[:n]); n == 0 {
							if err != nil && !errors.Is(err, net.ErrClosed) && end != "RST" {
								all += err.Error()
							}
							last.Close()
							got <- all
							return true
						}
						if !more {
							return true
						}
					}
				}
				first.onByte(func() {
					last.peer.Write([]byte("the last words"))
					half, _ := last.peer.(interface{ CloseWrite() error })
					tcp, _ := last.peer.(*net.TCPConn)
					switch {
					case end == "half":
						half.CloseWrite()
						return
					case end == "RST" && tcp != nil:
						tcp.SetLinger(0)
					}
					last.peer.Close()
				})
				last.Resume()
				first.Resume()
				first.peer.Write([]byte("x"))
				select {
				case s := <-got:
					if s != "the last words" {
						t.Errorf("got %q", s)
					}
				case <-time.After(patience):
					t.Fatal("the end was missed")
				}
			})
		}
	}
}
