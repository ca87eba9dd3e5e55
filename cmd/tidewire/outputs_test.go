//go:build unix

package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A report goes to where its name leads, and replaces nothing but files.
func TestOutputs(t *testing.T) {
	url := "ws://" + serve(t).host + "/echo"
	valid := func(t *testing.T, b []byte, err error) {
		t.Helper()
		if err != nil || !json.Valid(b) || len(b) == 0 {
			t.Errorf("%d bytes of no JSON, %v", len(b), err)
		}
	}
	t.Run("pipe", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			b, err := os.ReadFile(name)
			valid(t, b, err)
		}()
		if code, _, stderr := check(t, url, "--only=1.1.1", "--json", name); code != exitDone {
			t.Fatalf("exit status %d: %s", code, stderr)
		}
		if info, err := os.Lstat(name); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
			t.Fatalf("the pipe was replaced: %v, %v", info, err)
		}
		<-read
	})
	t.Run("link", func(t *testing.T) {
		dir := t.TempDir()
		name, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("real", link); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := check(t, url, "--only=1.1.1", "--json", link); code != exitDone {
			t.Errorf("exit status %d: %s", code, stderr)
		}
		b, err := os.ReadFile(name)
		valid(t, b, err)
		if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link was replaced: %v, %v", info, err)
		}
	})
	t.Run("device", func(t *testing.T) { // not written to: a mistake here would replace the machine's own
		for _, name := range []string{os.DevNull, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/2"} {
			f := output{name: name}
			if err := f.try(); err != nil || !f.fixed {
				t.Errorf("%s: it would be replaced; %v", name, err)
			}
		}
	})
	t.Run("wrong names", func(t *testing.T) {
		dir := t.TempDir()
		for _, args := range [][]string{
			{"--html", dir}, {"--html", filepath.Join(dir, "no", "where")},
			{"--html", filepath.Join(dir, "a"), "--json", dir + "/./a"},
		} {
			code, stdout, stderr := check(t, append(args, url, "--only=1.1.1")...)
			if code != exitFailed || stdout != "" || stderr == "" {
				t.Errorf("%q: exit status %d: %s%s", args, code, stdout, stderr)
			}
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// The reports are there whatever becomes of the output.
func TestReportsOfClosedOutput(t *testing.T) {
	dir := t.TempDir()
	cmd := command("check", "ws://"+serve(t).host+"/echo", "--only=1.1.*", "--json", filepath.Join(dir, "r.json"), "-v")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, io.Discard
	r.Close()
	cmd.Run()
	w.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "r.json" {
		t.Errorf("the files: %v, %v", left, err)
	}
}
