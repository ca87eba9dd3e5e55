package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ends waits for a process that is to end by itself, and returns its exit status.
func ends(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// TestConnectOutputGone has nobody take what comes: that is an error, and no signal that ends it without a word.
func TestConnectOutputGone(t *testing.T) {
	peers := connectPeers(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	r, broken, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer broken.Close()
	for _, tc := range []struct {
		out  *os.File
		args string
		says string
	}{
		{full, "-u", "no space left on device"},
		{full, "-n 5 -u", "no space left on device"},
		{full, "", "no space left on device"}, // the input has ended, and what comes is awaited
		{broken, "-u", "broken pipe"},
		{broken, "-b", "broken pipe"},
	} {
		t.Run(tc.says+" "+tc.args, func(t *testing.T) {
			cmd := command(append([]string{"connect", "ws://" + peers + "/say/hello"}, strings.Fields(tc.args)...)...)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = tc.out, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			code := ends(t, cmd)
			if want := "tidewire: what came cannot be written: write /dev/stdout: " + tc.says + "\n"; code != exitFailed || stderr.String() != want {
				t.Errorf("exit status %d, %q; want %q", code, stderr.String(), want)
			}
		})
	}
}

// TestConnectOutputBlocked has a reader that takes nothing any more, and one Ctrl-C.
func TestConnectOutputBlocked(t *testing.T) {
	peers := connectPeers(t)
	for args, both := range map[string]bool{"-u": false, "-u -v": true, "-u -n 3000000": true, "-u -r": true, "--wait 1h": false} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
				t.Fatal(err)
			}
			cmd := command(append([]string{"connect", "ws://" + peers + "/flood"}, strings.Fields(args)...)...)
			cmd.Stdout, cmd.Stderr = w, t.Output()
			if both {
				cmd.Stderr = w
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// It does not write any more, although the peer goes on, whatever it is told.
			before, same := 0, 0
			eventually(t, "what it writes has no room", func() error {
				n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
				if same++; n != before || n == 0 {
					before, same = n, 0
				}
				if err == nil && same < 20 {
					err = fmt.Errorf("%d bytes", n)
				}
				return err
			})
			cmd.Process.Signal(syscall.SIGINT)
			if code := ends(t, cmd); code != exitFailed {
				t.Errorf("exit status %d, want %d", code, exitFailed)
			}
		})
	}
}
