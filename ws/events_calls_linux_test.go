//go:build !race

package ws_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// exchanges, in the environment of a child, says what it is to do: a kind of stream,
// and how many messages at a time.
const (
	exchanges      = "TIDEWIRE_EXCHANGES"
	exchangeRounds = 400
)

// An echo takes one read and one write, and so does all that came in one segment. A
// child does it, and its system calls are counted by ptrace(2). What the race detector
// makes of the time is left out.
func TestCallsForAMessage(t *testing.T) {
	if job := os.Getenv(exchanges); job != "" {
		var kind string
		var together int
		fmt.Sscanf(job, "%s %d", &kind, &together)
		exchangeCounted(t, kind, together)
		return
	}
	for _, kind := range evented {
		for _, together := range []int{1, 32} {
			t.Run(fmt.Sprintf("%s %d", kind, together), func(t *testing.T) {
				// Replies leave in mid-batch if that takes a millisecond, and ptrace
				// Replies leave in mid-batch if that takes a millisecond, and ptrace is
				// slow: the best of several.
				r, w, wakes := 0.0, 0.0, 0.0
				for range 10 {
					calls, elsewhere := callsOf(t, exchanges+"="+fmt.Sprint(kind, " ", together))
					r = float64(calls[unix.SYS_READ]+calls[unix.SYS_RECVFROM]+calls[unix.SYS_RECVMSG]) / exchangeRounds
					w = float64(calls[unix.SYS_WRITE]+calls[unix.SYS_SENDTO]+calls[unix.SYS_SENDMSG]+calls[unix.SYS_WRITEV]) / exchangeRounds
					// The scheduler of Go breaks its own waiting with an eventfd now and then.
					wakes = float64(elsewhere[unix.SYS_READ]+elsewhere[unix.SYS_WRITE]) / exchangeRounds
					if r > 0.98 && r < 1.02 && w > 0.98 && w < 1.02 && wakes < 0.3 {
						return
					}
				}
				t.Errorf("%d at a time took %.3f reads and %.3f writes, and %.3f of both to wake somebody", together, r, w, wakes)
			})
		}
	}
}

// exchangeCounted sends messages to an echo and reads the answers, between two getppids. The
// client's end uses pwritev2 and preadv2, which are not counted.
func exchangeCounted(t *testing.T, kind string, together int) {
	nc, c := server(t, kind, ws.ConnOptions{Engine: ws.NewEngine(), PingInterval: -1})
	c.Attach(echoHandler)
	var file *os.File
	switch nc := nc.(type) {
	case *net.TCPConn:
		file, _ = nc.File()
	case *net.UnixConn:
		file, _ = nc.File()
	}
	defer file.Close()
	client := int(file.Fd())
	syscall.SetNonblock(client, false)
	defer syscall.SetNonblock(client, true) // nc shares the flag
	var wire []byte
	for range together {
		wire = append(wire, rawFrame(true, frame.Text, make([]byte, 100))...)
	}
	back := make([]byte, together*102)
	once := func() {
		for p := wire; len(p) > 0; {
			n, err := unix.Pwritev2(client, [][]byte{p}, -1, 0)
			if err != nil {
				t.Fatal(err)
			}
			p = p[n:]
		}
		for p := back; len(p) > 0; {
			n, err := unix.Preadv2(client, [][]byte{p}, -1, 0)
			if err != nil || n == 0 {
				t.Fatalf("%d bytes are missing, %v", len(p), err)
			}
			p = p[n:]
		}
	}
	once()
	unix.Getppid()
	for range exchangeRounds {
		once()
	}
	unix.Getppid()
}

// callsOf runs this test in a child with env and returns how often it made which
// system call between two getppids: with a socket for its first argument, and without.
func callsOf(t *testing.T, env string) (calls, elsewhere map[uint64]int) {
	t.Helper()
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	said := filepath.Join(t.TempDir(), "output")
	out, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	test, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), env)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("a child under ptrace: %v", err)
	}
	defer cmd.Process.Release()
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil || !status.Stopped() {
		t.Fatalf("the child did not stop: %v, %x", err, status)
	}
	const follow = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, follow); err != nil {
		t.Fatal(err)
	}
	unix.PtraceSyscall(pid, 0)
	calls, elsewhere = map[uint64]int{}, map[uint64]int{}
	counting, known := false, map[int]bool{pid: true}
	for {
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			t.Fatal(err)
		case tid == pid && (status.Exited() || status.Signaled()):
			if status.ExitStatus() != 0 {
				b, _ := os.ReadFile(said)
				t.Fatalf("the child ended with %d: %s", status.ExitStatus(), b)
			}
			return calls, elsewhere
		case !status.Stopped():
			continue
		}
		deliver := 0
		switch sig := status.StopSignal(); {
		case sig == unix.SIGTRAP|0x80: // on the way into a system call, or out of it
			if nr, fd, entering := callOf(tid); entering && nr == unix.SYS_GETPPID {
				counting = !counting
			} else if entering && counting {
				if name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); strings.HasPrefix(name, "socket:") {
					calls[nr]++
				} else {
					elsewhere[nr]++
				}
			}
		case sig == unix.SIGTRAP: // a thread is made
		case sig == unix.SIGSTOP && !known[tid]: // that thread begins
			known[tid] = true
		default:
			deliver = int(sig)
		}
		unix.PtraceSyscall(tid, deliver)
	}
}

// callOf returns the number of the system call before which a thread has stopped, and its
// first argument.
func callOf(tid int) (nr, arg uint64, entering bool) {
	var info struct { // struct ptrace_syscall_info
		op     uint8
		_      [3]uint8
		arch   uint32
		ip, sp uint64
		nr     uint64
		args   [6]uint64
		_      [2]uint64
	}
	unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), unsafe.Sizeof(info),
		uintptr(unsafe.Pointer(&info)), 0, 0)
	return info.nr, info.args[0], info.op == unix.PTRACE_SYSCALL_INFO_ENTRY
}
