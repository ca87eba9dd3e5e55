//go:build unix

package main

import (
	"net"
	"os"
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
