package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestBridgeSplices counts what the process between reads and writes itself, which is not what the kernel moves for it
// (splice): next to nothing where neither side has to look at the bytes, and everything where one does.
func TestBridgeSplices(t *testing.T) {
	const total = 16 << 20
	for _, tc := range []struct {
		pair    string
		who     string // sends
		splices bool
	}{
		{"tcp tcp", "client", true},
		{"tcp tcp", "target", true},
		{"tcp unix", "target", true},
		{"tcp ws", "target", true},
		{"ws tcp", "target", true},
		{"ws unix", "target", true},
		// What is masked.
		{"tcp ws", "client", false},
		{"ws tcp", "client", false},
	} {
		door, kind, _ := strings.Cut(tc.pair, " ")
		for _, args := range [][]string{nil, {"--idle", "1m"}} {
			t.Run(fmt.Sprint("from ", door, " to ", kind, ", the ", tc.who, "'s", args), func(t *testing.T) {
				process, client, target := across(t, door, kind, args...)
				from, to := target, client
				if tc.who == "client" {
					from, to = client, target
				}
				read, written := copied(t, process)
				all, _ := noisy(6, total)
				sending(t, from, all)
				to.SetReadDeadline(time.Now().Add(2 * patience))
				if n, err := io.CopyN(io.Discard, to, total); err != nil {
					t.Fatalf("%d bytes of %d came: %v", n, total, err)
				}
				r, w := copied(t, process)
				r, w = r-read, w-written
				t.Logf("%d bytes read and %d written", r, w)
				switch {
				case tc.splices && (r > total/2 || w > total/2):
					t.Errorf("and the kernel could have moved all %d", total)
				case !tc.splices && (r < total || w < total):
					t.Errorf("less than the %d that passed: is this a measure at all?", total)
				}
			})
		}
	}
}

// copied is how many bytes a process has had from read(2) and its kin, and has given to write(2).
func copied(t *testing.T, process *exec.Cmd) (read, written int64) {
	t.Helper()
	counts, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(counts)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if values[name], err = strconv.ParseInt(value, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return values["rchar"], values["wchar"]
}

// TestBridgeWaitsWithoutPipes has a connection wait, over which little has passed: the kernel's pipes, of two descriptors each, are for
// who has much.
func TestBridgeWaitsWithoutPipes(t *testing.T) {
	process, client, target := across(t, "tcp", "tcp")
	for _, way := range []struct{ from, to net.Conn }{{client, target}, {target, client}} {
		if _, err := io.WriteString(way.from, "little"); err != nil {
			t.Fatal(err)
		}
		way.to.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(way.to, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
	}
	inherited := pipes(t, os.Getpid())
	for pipe := range pipes(t, process.Process.Pid) {
		if !inherited[pipe] {
			t.Errorf("it holds %s", pipe)
		}
	}
}

// pipes are those that a process has open.
func pipes(t *testing.T, pid int) map[string]bool {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]bool{}
	for _, fd := range all {
		if is, _ := os.Readlink(filepath.Join(dir, fd.Name())); strings.HasPrefix(is, "pipe:") { // one may be gone by now
			open[is] = true
		}
	}
	return open
}
