package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var bridgeBulk = flag.Int64("bridge.bytes", 64<<20, "how many bytes pass in each direction in TestBridgeBulk")

// bridgeProcess starts the command as a process of its own and returns where it listens.
func bridgeProcess(t *testing.T, args ...string) (process *exec.Cmd, where string) {
	t.Helper()
	process = command(append([]string{"bridge"}, args...)...)
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	process.Stderr = t.Output()
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Process.Kill()
		process.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "Press Ctrl-C to stop." {
		if before, _, ok := strings.Cut(lines.Text(), " to "); ok {
			where = strings.TrimSpace(before)
		}
	}
	return process, where
}

// memory is what a process holds, in KiB: a line of its status.
func memory(t *testing.T, process *exec.Cmd, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

// consumed is the CPU time that a process has had.
func consumed(t *testing.T, process *exec.Cmd) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
	var ticks int
	for _, field := range fields[12:14] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// noisy is n bytes without a pattern, the same for the same seed, and their sum.
func noisy(seed byte, n int64) (io.Reader, []byte) {
	make := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{seed}), n) }
	sum := sha256.New()
	io.Copy(sum, make())
	return make(), sum.Sum(nil)
}

// TestBridgeBulk has many bytes pass over TCP, WebSocket and TCP in both directions at once. They arrive as they were, and the processes
// between need no more memory for many than for few.
func TestBridgeBulk(t *testing.T) {
	there, thereSum := noisy(1, *bridgeBulk)
	back, backSum := noisy(2, *bridgeBulk)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	arrived := make(chan []byte, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		sum := sha256.New()
		done := make(chan struct{})
		go func() {
			defer close(done)
			io.Copy(sum, conn)
		}()
		if _, err := io.Copy(conn, back); err != nil {
			t.Error(err)
		}
		conn.(*net.TCPConn).CloseWrite()
		<-done
		arrived <- sum.Sum(nil)
	}()
	second, web := bridgeProcess(t, "ws://127.0.0.1:0/", "tcp:"+ln.Addr().String())
	first, where := bridgeProcess(t, "tcp:127.0.0.1:0", web)
	conn, err := net.Dial("tcp", strings.TrimPrefix(where, "tcp:"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience + time.Duration(*bridgeBulk>>20)*100*time.Millisecond))
	go func() {
		if _, err := io.Copy(conn, there); err != nil {
			t.Error(err)
		}
		conn.(*net.TCPConn).CloseWrite()
	}()
	began, sum := time.Now(), sha256.New()
	few := int64(16 << 20)
	n, err := io.CopyN(sum, conn, few)
	if err != nil {
		t.Fatal(n, err)
	}
	early := map[*exec.Cmd]int{first: memory(t, first, "VmRSS"), second: memory(t, second, "VmRSS")}
	more, err := io.Copy(sum, conn)
	if err != nil || n+more != *bridgeBulk {
		t.Fatal(n+more, err)
	}
	if !bytes.Equal(sum.Sum(nil), backSum) || !bytes.Equal(<-arrived, thereSum) {
		t.Fatal("what came is not what was sent")
	}
	took := time.Since(began)
	for process, was := range early {
		peak := memory(t, process, "VmHWM")
		t.Logf("%d MiB each way in %v, with %v of CPU: %d KiB at the beginning, %d at most", *bridgeBulk>>20, took, consumed(t, process), was, peak)
		if peak > was+16<<10 {
			t.Errorf("memory grew from %d KiB to %d", was, peak)
		}
	}
}

// TestBridgeCurl has curl send a file over TCP, WebSocket and TCP, and get it back.
func TestBridgeCurl(t *testing.T) {
	var stored []byte
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PUT" {
			stored, _ = io.ReadAll(r.Body)
		} else {
			w.Write(stored)
		}
	}))
	defer service.Close()
	_, web := bridgeProcess(t, "ws://127.0.0.1:0/", "tcp:"+service.Listener.Addr().String())
	_, where := bridgeProcess(t, "tcp:127.0.0.1:0", web)
	noise, _ := noisy(4, 8<<20)
	want, _ := io.ReadAll(noise)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	url := "http://" + strings.TrimPrefix(where, "tcp:") + "/file"
	out, err := exec.Command("curl", "-sS", "--fail", "--max-time", "60", "-T", name, url, "--next", "-sS", "--fail", "--max-time", "60", url).Output()
	if err != nil || !bytes.Equal(out, want) {
		t.Fatalf("%d bytes came back of %d: %v", len(out), len(want), err)
	}
}

// TestBridgeBackpressure has nobody read at the far end: the near end is stopped, and everything comes when somebody does.
func TestBridgeBackpressure(t *testing.T) {
	const total = 96 << 20
	sent, sum := noisy(3, total)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	second, web := bridgeProcess(t, "ws://127.0.0.1:0/", "tcp:"+ln.Addr().String())
	first, where := bridgeProcess(t, "tcp:127.0.0.1:0", web)
	conn, err := net.Dial("tcp", strings.TrimPrefix(where, "tcp:"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	far.SetDeadline(time.Now().Add(2 * patience))
	// A write that makes no progress for so long is stopped.
	p, held := make([]byte, 64<<10), 0
	for {
		n, err := io.ReadFull(sent, p)
		if err != nil {
			t.Fatalf("%d bytes were taken that nobody reads", held+n)
		}
		conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		k, err := conn.Write(p[:n])
		held += k
		if err != nil {
			sent = io.MultiReader(bytes.NewReader(bytes.Clone(p[k:n])), sent)
			break
		}
	}
	// Kernels keep some megabytes for each of three connections.
	t.Logf("stopped at %d bytes; the processes hold %d and %d KiB", held, memory(t, first, "VmHWM"), memory(t, second, "VmHWM"))
	if held > 48<<20 {
		t.Errorf("%d bytes were taken that nobody reads", held)
	}
	conn.SetWriteDeadline(time.Now().Add(2 * patience))
	go func() {
		if _, err := io.Copy(conn, sent); err != nil {
			t.Error(err)
		}
		conn.(*net.TCPConn).CloseWrite()
	}()
	got := sha256.New()
	if n, err := io.Copy(got, far); err != nil || n != total || !bytes.Equal(got.Sum(nil), sum) {
		t.Fatalf("%d bytes of %d came: %v", n, total, err)
	}
	for _, process := range []*exec.Cmd{first, second} {
		if peak := memory(t, process, "VmHWM"); peak > 128<<10 {
			t.Errorf("%d KiB", peak)
		}
	}
}
