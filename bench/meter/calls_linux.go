package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// /proc/PID/io counts read and write alone: recvmsg, send and their kin pass it by. The kernel's trace points see
// them all, and perf_event_open counts those of one process, which root may do.

// counted are the trace points, and where each is added.
var counted = []struct {
	name string
	to   func(*Calls) *int64
}{
	{"raw_syscalls/sys_enter", func(c *Calls) *int64 { return &c.All }},
	{"syscalls/sys_enter_read", reads}, {"syscalls/sys_enter_readv", reads}, {"syscalls/sys_enter_recvfrom", reads},
	{"syscalls/sys_enter_recvmsg", reads}, {"syscalls/sys_enter_recvmmsg", reads},
	{"syscalls/sys_enter_write", writes}, {"syscalls/sys_enter_writev", writes}, {"syscalls/sys_enter_sendto", writes},
	{"syscalls/sys_enter_sendmsg", writes}, {"syscalls/sys_enter_sendmmsg", writes}, {"syscalls/sys_enter_sendfile64", writes},
	{"syscalls/sys_enter_epoll_wait", waits}, {"syscalls/sys_enter_epoll_pwait", waits}, {"syscalls/sys_enter_epoll_pwait2", waits},
}

func reads(c *Calls) *int64  { return &c.Reads }
func writes(c *Calls) *int64 { return &c.Writes }
func waits(c *Calls) *int64  { return &c.Waits }

// tracePoints are the numbers of the trace points.
var tracePoints = sync.OnceValues(func() ([]uint64, error) {
	ids, err := readTracePoints("/sys/kernel/tracing")
	if !errors.Is(err, os.ErrNotExist) {
		return ids, err
	}
	// The file system with the numbers is not mounted. A thread mounts it for itself, and ends.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		err = errors.Join(
			unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, ""))
		if err == nil {
			ids, err = readTracePoints("/sys/kernel/tracing")
		}
	}()
	<-done
	return ids, err
})

func readTracePoints(root string) ([]uint64, error) {
	var ids []uint64
	for _, c := range counted {
		text, err := os.ReadFile(filepath.Join(root, "events", c.name, "id"))
		if err != nil {
			return nil, err
		}
		id, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// CanCount says why calls cannot be counted here, or nothing.
func CanCount() error {
	c, err := Count(os.Getpid())
	if err != nil {
		return fmt.Errorf("system calls cannot be counted here (it takes root, or CAP_PERFMON and a mounted tracefs): %w", err)
	}
	_, err = c.Stop()
	return err
}

// Counter counts the system calls of a process while it is there. Every call then costs the process more.
type Counter struct{ events [][]int } // by counted

// Count begins to count.
func Count(pid int) (*Counter, error) {
	ids, err := tracePoints()
	if err != nil {
		return nil, err
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, err
	}
	c := &Counter{events: make([][]int, len(ids))}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			continue
		}
		for i, id := range ids {
			attr := &unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Size: unix.PERF_ATTR_SIZE_VER5, Config: id, Bits: unix.PerfBitInherit}
			fd, err := unix.PerfEventOpen(attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			if err == unix.ESRCH {
				break // the thread has ended
			}
			if err != nil {
				c.Stop()
				return nil, err
			}
			c.events[i] = append(c.events[i], fd)
		}
	}
	return c, nil
}

// Stop ends the counting and returns what was counted.
func (c *Counter) Stop() (Calls, error) {
	var calls Calls
	var failed error
	for i, events := range c.events {
		for _, fd := range events {
			var b [8]byte
			if _, err := unix.Read(fd, b[:]); err != nil {
				failed = err
			}
			*counted[i].to(&calls) += int64(binary.NativeEndian.Uint64(b[:]))
		}
	}
	for _, events := range c.events { // afterwards, because it takes long
		for _, fd := range events {
			unix.Close(fd)
		}
	}
	return calls, failed
}
