package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// handed is a socket that a parent hands over, with its name.
type handed struct {
	name string
	file *os.File
}

// listeningSocket returns a listening socket to hand over, which ends with the test, and its address.
func listeningSocket(t testing.TB, name string) (handed, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return handed{name, file}, ln.Addr().String()
}

// activated is a "tidewire serve" to which sockets were handed over, as systemd does.
type activated struct {
	cmd   *exec.Cmd
	ended chan struct{} // its output is at its end, and err is set
	err   error

	mu  sync.Mutex
	log bytes.Buffer // all that it has written
}

func (a *activated) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(p)
}

func (a *activated) said() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.String()
}

// activate starts one with these sockets, and more in its environment. It ends with the test.
func activate(t testing.TB, all []handed, env []string, args ...string) *activated {
	t.Helper()
	var names []string
	a := &activated{ended: make(chan struct{})}
	// The shell knows the number of the process that it becomes.
	a.cmd = exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$0" "$@"`, os.Args[0], "serve"}, args...)...)
	for _, h := range all {
		names = append(names, h.name)
		a.cmd.ExtraFiles = append(a.cmd.ExtraFiles, h.file)
	}
	a.cmd.Env = append(os.Environ(), asCommand+"=1", fmt.Sprint("LISTEN_FDS=", len(all)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	a.cmd.Env = append(a.cmd.Env, env...)
	a.cmd.Stdout, a.cmd.Stderr = a, a
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		a.err = a.cmd.Wait()
		close(a.ended)
	}()
	t.Cleanup(func() {
		a.cmd.Process.Kill()
		<-a.ended
		if t.Failed() {
			t.Logf("process %d said:\n%.4000s", a.cmd.Process.Pid, a.said())
		}
	})
	return a
}

// says waits until it has written that.
func (a *activated) says(t testing.TB, what string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(a.said(), what); time.Sleep(5 * time.Millisecond) {
		select {
		case <-a.ended:
			if !strings.Contains(a.said(), what) {
				t.Fatalf("it ended with %v and did not say %q", a.err, what)
			}
		default:
			if time.Now().After(end) {
				t.Fatalf("it does not say %q", what)
			}
		}
	}
}

// exits waits for its end, and returns the status.
func (a *activated) exits(t testing.TB) int {
	t.Helper()
	select {
	case <-a.ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	return a.cmd.ProcessState.ExitCode()
}

// What was handed over is served, by its name, and nothing else listens.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	web, addr := listeningSocket(t, "http")
	admin, adminAddr := listeningSocket(t, "admin")
	s := activate(t, []handed{admin, web}, nil, "--addr", "192.0.2.1:1") // where it could not listen
	s.says(t, "Press Ctrl-C")
	transport := &http.Transport{DisableKeepAlives: true}
	for url, want := range map[string]int{"http://" + addr + "/readyz": 200, "http://" + adminAddr + "/readyz": 200, "http://" + adminAddr + "/": 404, "http://" + addr + "/": 200} {
		r, err := (&http.Client{Transport: transport}).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: %s, want %d", url, r.Status, want)
		}
	}
	if !strings.Contains(s.said(), "http://"+addr+"/") || !strings.Contains(s.said(), "admin: http://"+adminAddr) {
		t.Error("it does not say where it serves")
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	if code := s.exits(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// A path in the file system is a socket, too, and stays where it is when the process ends.
func TestSocketActivationUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer ln.Close()
	s := activate(t, []handed{{"http", file}}, nil)
	s.says(t, "Press Ctrl-C")
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != 200 {
		t.Errorf("%v, %v", r, err)
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	if code := s.exits(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
}

// What cannot be served ends the process with one line that says why.
func TestSocketActivationErrors(t *testing.T) {
	t.Parallel()
	web, addr := listeningSocket(t, "http")
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	udp, err := datagrams.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	connection, err := nc.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	named := func(name string) handed { return handed{name, web.file} }
	var group sync.WaitGroup
	for _, tc := range []struct {
		all  []handed
		env  []string
		says string
	}{
		{[]handed{named("tidewire.socket")}, nil, `a socket has the name "tidewire.socket"; the names are http and admin`},
		{[]handed{named("admin")}, nil, "no socket has the name http"},
		{[]handed{named("http"), named("http")}, nil, "two sockets have the name http"},
		{[]handed{named("http"), named("admin")}, []string{"LISTEN_FDNAMES=http"}, `LISTEN_FDS says 2 sockets, and LISTEN_FDNAMES is "http"`},
		{[]handed{named("http")}, []string{"LISTEN_FDS=x"}, `LISTEN_FDS is "x", which is no number of sockets`},
		{[]handed{named("http")}, []string{"LISTEN_FDS=-1"}, `LISTEN_FDS is "-1", which is no number of sockets`},
		{[]handed{named("http")}, []string{"LISTEN_FDS=999999999999"}, "which is no number of sockets"},
		{[]handed{named("http")}, []string{"LISTEN_FDS=65535"}, "LISTEN_FDS says 65535 sockets"},
		{[]handed{{"http", udp}}, nil, "http is no listening stream socket (ListenStream= and Accept=no in the .socket unit)"},
		{[]handed{{"http", connection}}, nil, "http is no listening stream socket"},
		{[]handed{{"http", null}}, nil, "http is no socket: descriptor 3"},
		{[]handed{named("http")}, []string{"NOTIFY_SOCKET=x"}, `NOTIFY_SOCKET is "x"; it must be a path`},
		{[]handed{named("http")}, []string{"NOTIFY_SOCKET=/nowhere/x"}, `NOTIFY_SOCKET: dial unixgram /nowhere/x: connect: no such file`},
		{[]handed{named("http")}, []string{"NOTIFY_SOCKET=/nowhere/x", "WATCHDOG_USEC=0"}, `WATCHDOG_USEC is "0"; it must be a number of microseconds`},
	} {
		group.Go(func() {
			s := activate(t, tc.all, tc.env)
			if code := s.exits(t); code != 1 {
				t.Errorf("%s: exit status %d", tc.says, code)
			}
			if out := s.said(); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "tidewire: ") || !strings.Contains(out, tc.says) {
				t.Errorf("it says %q, want %q", out, tc.says)
			}
		})
	}
	group.Wait()
}

// What says that there are sockets, and where systemd listens, is for this process alone.
func TestInheritClearsTheEnvironment(t *testing.T) {
	names := map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http", "NOTIFY_SOCKET": "", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
	for name, value := range names {
		t.Setenv(name, value)
	}
	if all, err := inherit(); all != nil || err != nil {
		t.Errorf("another process's sockets: %v, %v", all, err)
	}
	n, err := newNotifier(nil)
	if err != nil {
		t.Fatal(err)
	}
	n.close()
	for name := range names {
		if value, ok := os.LookupEnv(name); ok {
			t.Errorf("%s is %q", name, value)
		}
	}
}

// systemd hears when clients can come, that the process lives, and when it drains.
func TestNotify(t *testing.T) {
	t.Parallel()
	web, _ := listeningSocket(t, "http")
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(patience))
	hears := func(want string) {
		t.Helper()
		p := make([]byte, 1000)
		for {
			n, err := conn.Read(p)
			if err != nil {
				t.Fatalf("systemd did not hear %q: %v", want, err)
			}
			got, _, _ := strings.Cut(string(p[:n]), "\n")
			if got == want {
				return
			}
			if got != "WATCHDOG=1" {
				t.Errorf("systemd heard %q before %q", got, want)
			}
		}
	}
	s := activate(t, []handed{web}, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=100000"})
	hears("READY=1")
	hears("WATCHDOG=1")
	hears("WATCHDOG=1")
	s.cmd.Process.Signal(syscall.SIGTERM)
	hears("STOPPING=1")
	if code := s.exits(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
}
