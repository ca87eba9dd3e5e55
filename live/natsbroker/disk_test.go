//go:build linux

package natsbroker_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/live/natsbroker"
)

// ownMounts says, in the environment of a test's process, that what it mounts is seen by nobody else, and is gone with it.
const ownMounts = "NATSBROKER_OWN_MOUNTS"

// mounting runs a test again in a process that may mount: as root, or as who is root there. It returns false in that process, and
// where there can be none: then disk fails.
func mounting(t *testing.T) (over bool) {
	if os.Getenv(ownMounts) != "" {
		return false
	}
	args := []string{"-test.run", "^" + t.Name() + "$", "-test.v", "-test.timeout", "0"}
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") {
			args = append(args, "-"+f.Name+"="+f.Value.String())
		}
	})
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), ownMounts+"=1")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		t.Logf("NO DISK IS FILLED: this process may not have mounts of its own: %v", err)
		return false
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return true
}

// diskClaim is what servers are told that a disk has which they are to fill: as much as they are promised by default.
const diskClaim = 8 << 30

// disk is a file system of its own, which can be filled.
type disk struct{ dir string }

func newDisk(dir string, size int) (*disk, error) {
	if os.Getenv(ownMounts) == "" {
		return nil, errors.New("the process has no mounts of its own")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("own mounts: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size)); err != nil {
		return nil, fmt.Errorf("a file system in memory: %w", err)
	}
	return &disk{dir}, nil
}

// fill takes what is free, until the returned function is called.
func (d *disk) fill() (empty func(), err error) {
	f, err := os.Create(filepath.Join(d.dir, "ballast"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(p)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, err
	}
	return func() { os.Remove(f.Name()) }, nil
}

// free gives so much back of what fill took.
func (d *disk) free(bytes int64) error {
	path := filepath.Join(d.dir, "ballast")
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-bytes)
}

// TestFullDisk fills the disk of a single server. What was acknowledged is there, and it goes on by itself when there is room.
func TestFullDisk(t *testing.T) {
	if mounting(t) {
		return
	}
	d, err := newDisk(t.TempDir(), 64<<20)
	if err != nil {
		t.Logf("NO DISK IS FILLED: %v", err)
		return
	}
	t.Cleanup(func() { unix.Unmount(d.dir, unix.MNT_DETACH) })
	s := serve(t, natsbroker.ServerOptions{Dir: filepath.Join(d.dir, "store"), MaxBytes: diskClaim})
	b, err := s.Connect(&natsbroker.Options{AckTimeout: time.Second, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if err := b.Configure(kept); err != nil {
		t.Fatal(err)
	}
	acked := map[string]bool{}
	publish := func(n int) error {
		mid := fmt.Sprint("m", n)
		_, err := put(b, keptRoom(n%5), mid)
		if err == nil {
			acked[mid] = true
		}
		return err
	}
	for n := range 100 {
		if err := publish(n); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 2 {
		began := time.Now()
		empty, err := d.fill()
		if err != nil {
			t.Fatal(err)
		}
		n := 1000 * (round + 1)
		for end := time.Now().Add(20 * time.Second); publish(n) == nil; n++ {
			if time.Now().After(end) {
				t.Fatal("everything is stored on a full disk")
			}
		}
		if err := d.free(8 << 20); err != nil {
			t.Fatal(err)
		}
		for n++; time.Since(began) < 3*time.Second; n++ {
			publish(n)
			for range 40 {
				if _, err := os.Stat(filepath.Join(d.dir, "store", "room")); err == nil {
					t.Fatal("what is left of the disk is taken to find out how much it is")
				}
				time.Sleep(500 * time.Microsecond)
			}
		}
		empty()
		freed := time.Now()
		for publish(n) != nil {
			if n++; time.Since(freed) > 60*time.Second {
				t.Fatal("there is room, and nothing is stored")
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("messages were stored again %v behind the disk's having room", time.Since(freed).Round(time.Millisecond))
	}
	for i := range 5 {
		for _, m := range all(t, b, keptRoom(i)) {
			delete(acked, m.Mid)
		}
	}
	if len(acked) > 0 {
		t.Errorf("%d messages were acknowledged and are not there: %v", len(acked), acked)
	}
}
