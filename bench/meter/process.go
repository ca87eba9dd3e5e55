// Package meter starts servers and measures what they cost.
package meter

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tidewire/tidewire/bench/npm"
	"github.com/tidewire/tidewire/bench/servers"
)

// patience is how long a server may take for anything that it is told to do.
const patience = 20 * time.Second

// Process is a server in a process of its own, which ends with this one.
type Process struct {
	Address string
	PID     int

	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // of its output; closed when it ends
}

// Serve is the other side of Start: it does the job in this process until its standard input ends. The arguments are
// a server's name and a job. It tells its address first, and collects garbage for each line that it reads.
func Serve(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("serve has two arguments, a server's name and a job")
	}
	server, ok := servers.Find(args[0])
	if !ok || server.Serve == nil {
		return fmt.Errorf("there is no server %q", args[0])
	}
	var job servers.Job
	if err := json.Unmarshal([]byte(args[1]), &job); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln, job) }()
	fmt.Fprintln(out, ln.Addr())
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			// Once for sync.Pool's contents, once more for what the pools' first victims kept.
			runtime.GC()
			debug.FreeOSMemory()
			fmt.Fprintln(out, "collected")
		}
		served <- nil
	}()
	return <-served
}

// Start starts a server. self is the program that calls Serve when its first argument is "serve".
func Start(self string, server servers.Server, job servers.Job) (*Process, error) {
	said, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "serve", server.Name, string(said))
	if server.Script != "" {
		if cmd, err = script(server, string(said)); err != nil {
			return nil, err
		}
	}
	cmd.Stderr = os.Stderr
	p := &Process{cmd: cmd, lines: make(chan string, 4)}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := bear(cmd); err != nil {
		return nil, fmt.Errorf("%s: %w", server.Name, err)
	}
	p.PID = cmd.Process.Pid
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	if p.Address, err = p.line(); err != nil {
		p.Stop()
		return nil, fmt.Errorf("%s: %w", server.Name, err)
	}
	return p, nil
}

// script is the command that runs a server's script.
func script(server servers.Server, job string) (*exec.Cmd, error) {
	folder, err := npm.Folder()
	if err != nil {
		return nil, err
	}
	if server.Runtime == "bun" {
		bun, err := npm.Bun(folder)
		return exec.Command(bun, "--eval", server.Script, folder, job), err
	}
	return exec.Command(server.Runtime, "--expose-gc", "--input-type=module", "--eval", server.Script, folder, job), nil
}

// Missing says why a server cannot run here, or nothing.
func Missing(server servers.Server) error {
	if server.Runtime == "" {
		return nil
	}
	if server.Runtime != "bun" {
		if _, err := exec.LookPath(server.Runtime); err != nil {
			return err
		}
	}
	_, err := npm.Folder()
	return err
}

func (p *Process) line() (string, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			return "", errors.New("the server has ended")
		}
		return strings.TrimSpace(line), nil
	case <-time.After(patience):
		return "", fmt.Errorf("the server said nothing for %v", patience)
	}
}

// Collect has the server collect garbage and give memory back.
func (p *Process) Collect() error {
	if _, err := fmt.Fprintln(p.stdin, "collect"); err != nil {
		return err
	}
	_, err := p.line()
	return err
}

// Stop ends the server.
func (p *Process) Stop() {
	p.cmd.Process.Kill()
	p.stdin.Close()
	for range p.lines {
	}
	p.cmd.Wait()
}

// births starts processes from one thread that lasts: the kernel ends a child when the thread that started it ends.
var births = func() chan<- func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range c {
			start()
		}
	}()
	return c
}()

func bear(cmd *exec.Cmd) error {
	mortal(cmd)
	done := make(chan error)
	births <- func() { done <- cmd.Start() }
	return <-done
}
