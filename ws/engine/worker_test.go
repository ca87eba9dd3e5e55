//go:build linux || ((darwin || dragonfly || freebsd || openbsd) && (amd64 || arm64))

package engine_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws/engine"
)

// echoes returns n connections that echo.
func echoes(t *testing.T, p *engine.Poller, n int) []*owner {
	all := make([]*owner, n)
	for i := range all {
		all[i] = watched(t, p, "tcp")
		all[i].readable = all[i].echo
		all[i].Resume()
	}
	return all
}

// Handlers that do not return hold nobody up, neither behind them in their batch
// nor later, and everything is as before when they have.
func TestBlockedHandlersHoldNobodyUp(t *testing.T) {
	for _, n := range []int{1, 10, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			nothingLeft(t)
			var p engine.Poller
			starter, others := watched(t, &p, "tcp"), echoes(t, &p, 5)
			release := make(chan struct{})
			free := sync.OnceFunc(func() { close(release) })
			t.Cleanup(free)
			var inside, told atomic.Int32
			hear := func() { told.Add(1) }
			// A machine that has no time for us makes the starter look blocked: then it
			// is the one that hears of it, and the blockers are apart from the first.
			starter.blocked = hear
			blockers := make([]*owner, n)
			for i := range blockers {
				o := watched(t, &p, "tcp")
				o.onByte(func() {
					inside.Add(1)
					<-release
					inside.Add(-1)
				})
				o.blocked = hear
				o.Resume()
				blockers[i] = o
			}
			starter.onByte(func() { // one batch: blockers before others
				for _, o := range blockers {
					o.peer.Write([]byte("x"))
				}
				for _, o := range others {
					o.peer.Write([]byte("behind"))
				}
			})
			starter.Resume()
			starter.peer.Write([]byte("x"))
			for _, o := range others {
				o.peer.SetReadDeadline(time.Now().Add(patience))
				if n, err := o.peer.Read(make([]byte, 10)); n != len("behind") {
					t.Fatalf("who was behind in the batch: %d, %v", n, err)
				}
			}
			until(t, "all to block", func() bool { return int(inside.Load()) == n })
			for range 20 {
				for _, o := range others {
					exchange(t, o, "and on")
				}
			}
			until(t, "an owner to hear that it blocks", func() bool { return told.Load() > 0 })
			free()
			until(t, "the return", func() bool {
				return p.Stats().Apart.Load() == 0 && !p.Dispatching() && !p.Ticking() && workers() == 1
			})
			for _, o := range append(others, others...) {
				exchange(t, o, "as before")
			}
		})
	}
}

// A connection whose handler blocked has its next events apart, and after those it
// comes back to the worker.
func TestBlockerComesBackToTheWorker(t *testing.T) {
	nothingLeft(t)
	var p engine.Poller
	o := watched(t, &p, "tcp")
	release := make(chan struct{})
	calls := make(chan bool, 1)
	first := true
	o.readable = func() bool {
		var b [10]byte
		if n, _, _ := o.Read(b[:]); n == 0 {
			return true
		}
		if first {
			first = false
			<-release
		}
		calls <- o.Watched()
		return true
	}
	o.Resume()
	o.peer.Write([]byte("x"))
	until(t, "a takeover", func() bool { return p.Stats().Takeovers.Load() > 0 })
	close(release)
	<-calls
	until(t, "rest", func() bool { return !p.Ticking() })
	apart := 0
	for range 100 {
		o.peer.Write([]byte("x"))
		if !<-calls {
			apart++
		}
		until(t, "the pass to be over", o.Idle)
	}
	// More than sixteen only where the machine looked like another block.
	if apart == 0 || apart == 100 {
		t.Errorf("%d of 100 events were apart", apart)
	}
}

// A goroutine that ends in a handler is replaced: the rest of its batch is handled,
// and its own connection reads on.
func TestGoexitInAHandler(t *testing.T) {
	for _, way := range []string{"worker", "blocked worker", "apart"} {
		t.Run(way, func(t *testing.T) {
			nothingLeft(t)
			var p engine.Poller
			starter, other, o := watched(t, &p, "tcp"), echoes(t, &p, 1)[0], watched(t, &p, "tcp")
			release := make(chan struct{})
			var exits atomic.Int32
			o.readable = func() bool {
				var b [10]byte
				n, _, _ := o.Read(b[:])
				if n > 0 && b[0] == 'x' {
					exits.Add(1)
					if way == "blocked worker" {
						<-release
					}
					runtime.Goexit()
				}
				if n > 0 {
					o.Write(b[:n])
				}
				return true
			}
			starter.onByte(func() {
				o.peer.Write([]byte("x"))
				other.peer.Write([]byte("behind"))
			})
			starter.Resume()
			if way == "apart" {
				o.peer.Write([]byte("x"))
				go o.Resume()
			} else {
				o.Resume()
				starter.peer.Write([]byte("x"))
				other.peer.SetReadDeadline(time.Now().Add(patience))
				if n, err := other.peer.Read(make([]byte, 10)); n != len("behind") {
					t.Fatalf("who was behind in the batch: %d, %v", n, err)
				}
			}
			if way == "blocked worker" {
				until(t, "a takeover", func() bool { return p.Stats().Takeovers.Load() > 0 })
			}
			close(release)
			until(t, "the exit", func() bool { return exits.Load() == 1 })
			exchange(t, o, "on")
			exchange(t, other, "on")
			until(t, "rest", func() bool { return p.Stats().Apart.Load() == 0 && workers() == 1 })
		})
	}
}

// A worker that is busy whenever the watchdog looks, but in another batch each
// time, is not taken for one that is held up.
func TestBusyIsNotBlocked(t *testing.T) {
	nothingLeft(t)
	// The timer ticks too, and a machine that has no time for us makes a worker look
	// blocked: one run of several must be right.
	for range 10 {
		var p engine.Poller
		o := watched(t, &p, "tcp")
		left := 20
		over := make(chan struct{})
		o.onByte(func() {
			p.Tick()
			for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
			}
			if left--; left > 0 {
				o.peer.Write([]byte("x"))
			} else {
				close(over)
			}
		})
		o.Resume()
		o.peer.Write([]byte("x"))
		<-over
		n := p.Stats().Takeovers.Load()
		o.Close()
		if n == 0 {
			return
		}
	}
	t.Error("its worker was replaced")
}

// Reading that a handler passed on stays with whom it was passed to.
func TestReadingIsPassedOnAndResumed(t *testing.T) {
	nothingLeft(t)
	var p engine.Poller
	o := watched(t, &p, "tcp")
	var reading atomic.Int32
	passed := make(chan struct{}, 1)
	o.readable = func() bool {
		if reading.Add(1) != 1 {
			t.Error("two read at once")
		}
		var b [1]byte
		n, _, _ := o.Read(b[:])
		if n > 0 && b[0] == 'p' {
			passed <- struct{}{}
			return false
		}
		if n > 0 {
			o.Write(b[:n])
		}
		reading.Add(-1)
		return true
	}
	o.Resume()
	for range 100 {
		o.peer.Write([]byte("p"))
		<-passed
		o.peer.Write([]byte("x")) // comes meanwhile
		o.Kick()
		if o.Idle() {
			t.Error("idle while somebody reads")
		}
		reading.Add(-1)
		o.Resume()
		b := make([]byte, 1)
		if o.peer.Read(b); b[0] != 'x' {
			t.Fatalf("got %q", b)
		}
	}
}
