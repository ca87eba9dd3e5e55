package engine_test

import (
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

func processTime(t *testing.T) time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
