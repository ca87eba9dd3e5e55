package engine_test

import (
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/ws/engine"
)

// A worker that has nothing to do waits in the kernel.
func TestIdlePollerUsesNoProcessor(t *testing.T) {
	var p engine.Poller
	echoes(t, &p, 3)
	time.Sleep(20 * time.Millisecond) // the watchdog goes to sleep
	before := processTime(t)
	time.Sleep(300 * time.Millisecond)
	if used := processTime(t) - before; used > 150*time.Millisecond {
		t.Errorf("%v of processor time in 300ms", used)
	}
}

// A worker waits in one way where little comes and in another where much does. Nothing is missed
// on the way from one to the other, and nothing is left of either.
func TestLittleComesAndMuch(t *testing.T) {
	nothingLeft(t)
	var p engine.Poller
	all := echoes(t, &p, 8)
	for range 3 {
		exchange(t, all[0], "begin")
		until(t, "little to come", p.Calm)
		for range 3 {
			for _, o := range all {
				exchange(t, o, "little")
			}
			until(t, "the watchdog to stop", func() bool { return !p.Ticking() && p.Calm() })
		}
		var stop atomic.Bool
		var group sync.WaitGroup
		for _, o := range all {
			group.Go(func() {
				b := make([]byte, 4)
				for !stop.Load() {
					if _, err := o.peer.Write([]byte("much")); err != nil {
						t.Error(err)
						return
					}
					if _, err := io.ReadFull(o.peer, b); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		until(t, "much to come", func() bool { return !p.Calm() })
		stop.Store(true)
		group.Wait()
	}
}

func processTime(t *testing.T) time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
