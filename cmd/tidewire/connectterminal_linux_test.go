package main

import (
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A pty is a real terminal, with the command in it, and what it has shown.
type pty struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	cmd    *exec.Cmd

	mu    sync.Mutex
	shown strings.Builder
	kept  strings.Builder // all that it has shown
	read  chan struct{}   // closed when there is nothing more to read
}

// inTerminal runs the command in a terminal of its own.
func inTerminal(t *testing.T, args ...string) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	syscall.SetNonblock(int(master.Fd()), true) // Fd has undone that
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	s := &pty{t: t, master: master, slave: slave, cmd: command(args...), read: make(chan struct{})}
	s.cmd.Env = append(s.cmd.Env, "TERM=xterm", "XDG_STATE_HOME="+t.TempDir())
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = slave, slave, slave
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	go func() {
		defer close(s.read)
		for p := make([]byte, 4096); ; {
			n, err := master.Read(p)
			s.mu.Lock()
			s.shown.Write(p[:n])
			s.kept.Write(p[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if s.cmd.Process != nil && s.cmd.ProcessState == nil {
			s.cmd.Process.Kill()
			s.cmd.Wait()
		}
		slave.Close()
		master.Close()
		<-s.read
	})
	return s
}

// state is how the terminal is set.
func (s *pty) state() unix.Termios {
	s.t.Helper()
	state, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *state
}

// givesBack looks whether the terminal is set as it was.
func (s *pty) givesBack(before unix.Termios) {
	s.t.Helper()
	if after := s.state(); !reflect.DeepEqual(after, before) {
		s.t.Errorf("the terminal is left as %+v; it was %+v", after, before)
	}
}

// ends waits for the command's end, with that exit status and the terminal as it was.
func (s *pty) ends(before unix.Termios, code int) {
	s.t.Helper()
	if got := ends(s.t, s.cmd); got != code {
		s.t.Errorf("exit status %d, want %d", got, code)
	}
	s.givesBack(before)
}

func (s *pty) press(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// shows waits until the terminal has shown the text, behind what it had shown when that was last waited for.
func (s *pty) shows(text string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("it shows %q", text), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, rest, ok := strings.Cut(s.shown.String(), text)
		if !ok {
			return fmt.Errorf("it shows %q", s.shown.String())
		}
		s.shown.Reset()
		s.shown.WriteString(rest)
		return nil
	})
}

// all is all that the terminal has shown.
func (s *pty) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.String()
}

// TestConnectTerminal has a person talk at a terminal, and leave it in each way there is: it is as it was.
func TestConnectTerminal(t *testing.T) {
	peers := connectPeers(t)
	for name, leave := range map[string]struct {
		by   func(s *pty)
		code int
	}{
		"Ctrl-C":          {func(s *pty) { s.press("\x03") }, 0},
		"Ctrl-D":          {func(s *pty) { s.press("\x04") }, 0},
		"/close":          {func(s *pty) { s.press("/close 4000 bye\r") }, 0},
		"SIGTERM":         {func(s *pty) { s.cmd.Process.Signal(syscall.SIGTERM) }, 0},
		"a line begun":    {func(s *pty) { s.press("half\x15\x04") }, 0},
		"the peer closes": {nil, 8},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/say/welcome"
			if leave.by == nil {
				path = "/close/4001"
			}
			s := inTerminal(t, "connect", "ws://"+peers+path)
			before := s.state()
			if err := s.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if leave.by != nil {
				s.shows("connected to ")
				s.shows("welcome")
				s.press("helo\x1b[Dl\r") // Left, and what was left out
				s.shows("hello")
				s.shows("hello") // as it comes back
				s.press("\x1b[A again\r")
				s.shows("hello again")
				s.shows("hello again")
				s.press("/ping\r")
				s.shows("pong after ")
				if reflect.DeepEqual(s.state(), before) {
					t.Error("lines are not edited here")
				}
				leave.by(s)
			}
			s.ends(before, leave.code)
		})
	}
}
