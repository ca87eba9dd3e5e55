//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Nobody reads what it prints and logs: it serves all the same, and drains.
func TestOutputsThatNobodyReads(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	words, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer words.Close()
	broken, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	broken.Close()
	defer w.Close()
	cmd := command("serve", "--addr", "127.0.0.1:0")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+name)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(patience, func() { cmd.Process.Kill() }).Stop()
	words.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 100)
	if n, err := words.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "READY=1") {
		t.Errorf("%q, %v", buf[:n], err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// pipe makes a named pipe.
func pipe(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// writer waits until somebody reads the pipe.
func writer(t *testing.T, name string) (w *os.File) {
	t.Helper()
	eventually(t, "somebody reads it", func() (err error) {
		w, err = os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err
	})
	return w
}

// begin starts a server, and returns what it prints and what it logs, line by line.
func begin(t *testing.T, args ...string) (cmd *exec.Cmd, out, log *bufio.Scanner) {
	t.Helper()
	cmd = command(append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	out, log = launch(t, cmd)
	return cmd, out, log
}

// launch starts a command, which ends with the test.
func launch(t *testing.T, cmd *exec.Cmd) (out, log *bufio.Scanner) {
	t.Helper()
	pipes := make([]io.Reader, 2)
	var err [2]error
	pipes[0], err[0] = cmd.StdoutPipe()
	pipes[1], err[1] = cmd.StderrPipe()
	if err[0] != nil || err[1] != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		late.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return bufio.NewScanner(pipes[0]), bufio.NewScanner(pipes[1])
}

// until reads lines up to one with the text.
func until(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Errorf("it ended without a line with %q", text)
}

// What it waits for before it serves does not come; a signal ends it, and that is no failure.
func TestStopsBeforeItServes(t *testing.T) {
	stops := func(t *testing.T, cmd *exec.Cmd, log *bufio.Scanner, waited string) {
		t.Helper()
		cmd.Process.Signal(syscall.SIGTERM)
		until(t, log, "stopped before it served: it waited for "+waited)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	for _, args := range []string{"--config PIPE", "--tls-cert PIPE --tls-key PIPE", "--rooms a --anonymous --api-key-file PIPE", "--rooms a --jwt-public-key PIPE"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			name := pipe(t)
			cmd, _, log := begin(t, strings.Fields(strings.ReplaceAll(args, "PIPE", name))...)
			defer writer(t, name).Close()
			stops(t, cmd, log, name)
		})
	}
	t.Run("a folder", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		serve(t, "--data", dir)
		cmd, _, log := begin(t, "--data", dir)
		until(t, log, "another process uses the folder")
		stops(t, cmd, log, "--data")
	})
}

// A signal that comes twice at once, as timeout(1) sends it to its child and to the group, is one.
func TestSignalTwiceAtOnce(t *testing.T) {
	cmd, out, log := begin(t)
	until(t, out, "Press Ctrl-C")
	cmd.Process.Signal(syscall.SIGINT) // two of a kind might become one on the way
	cmd.Process.Signal(syscall.SIGTERM)
	until(t, log, "msg=stopped")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A key that came through a pipe is there once: looking for another one says so, and does not wait.
func TestRenewFromAPipe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	if err := writePair(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(dir + "-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	name := pipe(t)
	cmd, out, log := begin(t, "--tls-cert", dir+".pem", "--tls-key", name)
	w := writer(t, name)
	w.Write(key)
	w.Close()
	until(t, out, "Press Ctrl-C")
	cmd.Process.Signal(syscall.SIGHUP)
	until(t, log, "is no regular file")
	cmd.Process.Signal(syscall.SIGTERM)
	until(t, log, "msg=stopped")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
