package load

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// clock reads the CPU time of this process and of the server's.
type clock struct {
	pid         int
	own, server time.Duration
}

func newClock(pid int) (*clock, error) {
	c := &clock{pid: pid}
	if pid != 0 {
		if _, err := processTime(pid); err != nil {
			return nil, fmt.Errorf("load: the clock of process %d: %w", pid, err)
		}
	}
	return c, nil
}

// lap returns the CPU seconds since the last call.
func (c *clock) lap() (own, server float64) {
	if now, err := processTime(0); err == nil {
		own, c.own = (now - c.own).Seconds(), now
	}
	if c.pid != 0 {
		if now, err := processTime(c.pid); err == nil {
			server, c.server = (now - c.server).Seconds(), now
		}
	}
	return own, server
}

// processTime is the CPU time of a process; 0 is this one.
func processTime(pid int) (time.Duration, error) {
	id := int32(unix.CLOCK_PROCESS_CPUTIME_ID)
	if pid != 0 {
		if pid < 0 || pid > 1<<22 { // the kernel's own bound
			return 0, unix.ESRCH
		}
		id = ^int32(pid)<<3 | 2 // the kernel's name for the clock of another process
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

// newSleeper returns a function that sleeps to the microsecond, for the goroutine that
// calls it. The Go runtime's own timers may be a millisecond late. The goroutine's thread stays
// its own and ends with it: its slack is not everybody's.
func newSleeper() (sleep func(time.Duration)) {
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	return func(d time.Duration) {
		ts := unix.NsecToTimespec(int64(d))
		unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil)
	}
}
