package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// /proc/PID/io counts read and write alone: recvmsg, send and their kin pass it by. The kernel's trace points see
// them all, and perf_event_open counts those of one process, which root may do.

// counted are the kinds of calls: filters over the trace point of all system calls, and where each is added. One trace
// point for all of them, because the kernel takes 40 ms to let go of one.
var counted = []struct {
	calls []int // none means all
	to    func(*Calls) *int64
}{
	{nil, func(c *Calls) *int64 { return &c.All }},
	{[]int{unix.SYS_READ, unix.SYS_READV, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG}, func(c *Calls) *int64 { return &c.Reads }},
	{
		[]int{unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_SENDMMSG, unix.SYS_SENDFILE},
		func(c *Calls) *int64 { return &c.Writes },
	},
}

// filter is an expression for the kernel.
func filter(calls []int) string {
	var terms []string
	for _, n := range calls {
		terms = append(terms, fmt.Sprintf("id == %d", n))
	}
	return strings.Join(terms, " || ")
}

// tracePoint is the number of the trace point of all system calls.
var tracePoint = sync.OnceValues(func() (id uint64, err error) {
	id, err = readTracePoint()
	if !errors.Is(err, os.ErrNotExist) {
		return id, err
	}
	// The file system with the number is not mounted. A thread mounts it for itself, and ends.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		err = errors.Join(
			unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, ""))
		if err == nil {
			id, err = readTracePoint()
		}
	}()
	<-done
	return id, err
})

func readTracePoint() (uint64, error) {
	text, err := os.ReadFile("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id")
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
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
	id, err := tracePoint()
	if err != nil {
		return nil, err
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, err
	}
	c := &Counter{events: make([][]int, len(counted))}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			continue
		}
		for i, kind := range counted {
			attr := &unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Size: unix.PERF_ATTR_SIZE_VER5, Config: id, Bits: unix.PerfBitInherit}
			fd, err := unix.PerfEventOpen(attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
			if err == unix.ESRCH {
				break // the thread has ended
			}
			if err == nil {
				c.events[i] = append(c.events[i], fd)
				if len(kind.calls) > 0 {
					err = setFilter(fd, filter(kind.calls))
				}
			}
			if err != nil {
				c.Stop()
				return nil, err
			}
		}
	}
	return c, nil
}

func setFilter(fd int, filter string) error {
	p, err := unix.BytePtrFromString(filter)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.PERF_EVENT_IOC_SET_FILTER, uintptr(unsafe.Pointer(p)))
	runtime.KeepAlive(p)
	if errno != 0 {
		return errno
	}
	return nil
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
