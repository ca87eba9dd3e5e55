// Command bridges measures tidewire bridge, without and with a limit of silence (--idle), beside websockify and socat (Debian's
// packages of these names) where they are installed:
//
//	cd bench && go run ./bridges
//
// Each round starts each program anew, moves bytes through it one way, then the other, then has a small request and answer
// go to and fro, and takes the CPU time of the program's processes. The tables have the medians, and ratios within a round.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/ws"
)

const question = 128 // bytes of a request, and of its answer

var (
	size   = flag.Int64("size", 1<<30, "bytes to move in each direction")
	trips  = flag.Int("trips", 20_000, "requests and answers")
	rounds = flag.Int("rounds", 5, "rounds")
)

func main() {
	flag.Parse()
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bridges:", err)
		os.Exit(1)
	}
}

// A program is a bridge to be measured: how to start it between an address to listen on and a TCP target.
type program struct {
	name string
	web  bool // it listens for WebSocket, otherwise for TCP
	args func(listen, target string) []string
}

func run(w io.Writer) error {
	dir, err := os.MkdirTemp("", "bridges")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tidewire := filepath.Join(dir, "tidewire")
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tidewire/tidewire").Output()
	if err != nil {
		return fmt.Errorf("looking for tidewire's folder: %w", err)
	}
	if out, err := exec.Command("go", "build", "-C", strings.TrimSpace(string(root)), "-o", tidewire, "./cmd/tidewire").CombinedOutput(); err != nil {
		return fmt.Errorf("building tidewire: %w\n%s", err, out)
	}
	for _, group := range programs(tidewire) {
		if err := compare(w, installed(w, group)); err != nil {
			return err
		}
	}
	return nil
}

// programs are those that do the same, ours first.
func programs(tidewire string) [][]program {
	ours := func(scheme string, more ...string) func(listen, target string) []string {
		return func(listen, target string) []string {
			return append([]string{tidewire, "bridge", "--log-level", "error", scheme + listen, "tcp:" + target}, more...)
		}
	}
	return [][]program{
		{
			{"tidewire bridge", true, ours("ws://")},
			{"tidewire bridge --idle 1m", true, ours("ws://", "--idle", "1m")},
			{"websockify", true, func(listen, target string) []string { return []string{"websockify", listen, target} }},
		},
		{
			{"tidewire bridge", false, ours("tcp:")},
			{"tidewire bridge --idle 1m", false, ours("tcp:", "--idle", "1m")},
			{"socat", false, func(listen, target string) []string {
				_, port, _ := net.SplitHostPort(listen)
				return []string{"socat", "TCP-LISTEN:" + port + ",bind=127.0.0.1,reuseaddr,fork", "TCP:" + target}
			}},
		},
	}
}

// installed leaves out, and names, those that cannot be found.
func installed(w io.Writer, group []program) (all []program) {
	for _, p := range group {
		if _, err := exec.LookPath(p.args("", "")[0]); err != nil {
			fmt.Fprintf(w, "without %s: %v\n\n", p.name, err)
			continue
		}
		all = append(all, p)
	}
	return all
}

// figures are those of one run.
type figures struct {
	down, up             float64 // MiB/s, from the target and to it
	downCPU, upCPU, trip float64 // seconds per GiB, and microseconds per request
}

func compare(w io.Writer, group []program) error {
	all := make([][]figures, len(group))
	for range *rounds {
		for i, p := range group {
			f, err := p.measure()
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			all[i] = append(all[i], f)
		}
	}
	kind := "TCP to TCP"
	if group[0].web {
		kind = "WebSocket to TCP"
	}
	fmt.Fprintf(w, "%s: %d MiB each way, %d requests of %d bytes, median of %d rounds\n\n", kind, *size>>20, *trips, question, *rounds)
	fmt.Fprintln(w, "| | from the target, MiB/s | CPU s/GiB | to the target, MiB/s | CPU s/GiB | CPU µs per request and answer |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|")
	for i, p := range group {
		fmt.Fprintf(w, "| %s |", p.name)
		for j, get := range gets {
			value := median(all[i], get)
			fmt.Fprintf(w, " %.*f", places[j], value)
			if i > 0 {
				var ratios []float64
				for n := range all[i] {
					ratios = append(ratios, get(all[i][n])/get(all[0][n]))
				}
				slices.Sort(ratios)
				fmt.Fprintf(w, " (%.2f×)", ratios[len(ratios)/2])
			}
			fmt.Fprint(w, " |")
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	return nil
}

var gets = []func(figures) float64{
	func(f figures) float64 { return f.down }, func(f figures) float64 { return f.downCPU },
	func(f figures) float64 { return f.up }, func(f figures) float64 { return f.upCPU },
	func(f figures) float64 { return f.trip },
}

var places = []int{0, 2, 0, 2, 1}

func median(all []figures, get func(figures) float64) float64 {
	var values []float64
	for _, f := range all {
		values = append(values, get(f))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// measure runs the program once for each figure, so that its CPU time is known when it has ended.
func (p program) measure() (f figures, err error) {
	gib := float64(*size) / (1 << 30)
	took, cpu, err := p.once('d')
	if err != nil {
		return f, err
	}
	f.down, f.downCPU = gib*1024/took.Seconds(), cpu.Seconds()/gib
	if took, cpu, err = p.once('u'); err != nil {
		return f, err
	}
	f.up, f.upCPU = gib*1024/took.Seconds(), cpu.Seconds()/gib
	if _, cpu, err = p.once('t'); err != nil {
		return f, err
	}
	f.trip = float64(cpu.Microseconds()) / float64(*trips)
	return f, nil
}

// once starts the program, does one thing through it, and ends it.
func (p program) once(what byte) (took, cpu time.Duration, err error) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, 0, err
	}
	defer target.Close()
	served := make(chan error, 1)
	go func() { served <- serve(target, what) }()
	listen, err := free()
	if err != nil {
		return 0, 0, err
	}
	args := p.args(listen, target.Addr().String())
	command := exec.Command(args[0], args[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return 0, 0, err
	}
	conn, err := p.dial(listen)
	if err == nil {
		began := time.Now()
		err = ask(conn, what)
		took = time.Since(began)
		conn.Close()
	}
	if err == nil {
		err = <-served
	}
	time.Sleep(200 * time.Millisecond) // for a process of its own that the program may have for the connection, and is to wait for
	syscall.Kill(-command.Process.Pid, syscall.SIGINT)
	killed := time.AfterFunc(5*time.Second, func() { syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
	defer killed.Stop()
	command.Wait()
	return took, command.ProcessState.UserTime() + command.ProcessState.SystemTime(), err
}

// free returns an address that nobody listens on, for programs that do not say which one they chose.
func free() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// dial connects to the program, once it listens.
func (p program) dial(listen string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", listen)
		if err == nil && !p.web {
			return conn, nil
		}
		if err == nil {
			conn.Close()
			c, _, err := ws.Dial(ctx, "ws://"+listen+"/", &ws.DialOptions{Subprotocols: []string{"binary"}, ConnOptions: ws.ConnOptions{MaxMessage: -1}})
			if err != nil {
				return nil, err
			}
			return ws.NetConn(context.Background(), c, ws.Binary), nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// serve is the target's part, until it is done with one connection on which something came.
func serve(ln net.Listener, what byte) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		r := bufio.NewReader(conn)
		if b, err := r.ReadByte(); err != nil { // somebody who looked whether the program listens
			conn.Close()
			continue
		} else if b != what {
			return errors.New("what came is not what was sent")
		}
		defer conn.Close()
		switch what {
		case 'd':
			err := fill(conn)
			r.ReadByte() // until the client has gone: websockify would lose what it still has for it
			return err
		case 'u':
			if err := drain(r); err != nil {
				return err
			}
			_, err := conn.Write([]byte{'!'})
			r.ReadByte() // until the client has gone
			return err
		}
		p := make([]byte, question)
		for range *trips {
			if _, err := io.ReadFull(r, p); err != nil {
				return err
			}
			if _, err := conn.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
}

// ask is the client's part.
func ask(conn net.Conn, what byte) error {
	if _, err := conn.Write([]byte{what}); err != nil {
		return err
	}
	p := make([]byte, question)
	switch what {
	case 'd':
		return drain(conn)
	case 'u':
		if err := fill(conn); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, p[:1])
		return err
	default:
		for range *trips {
			if _, err := conn.Write(p); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// What is moved, over and over: if some of it is missing or doubled, a chunk begins with something else.
var pattern = func() []byte {
	p := make([]byte, period)
	rand.NewChaCha8([32]byte{}).Read(p)
	return append(p, p...)
}()

const period = 64 << 10

// fill writes as many bytes as are to be moved.
func fill(w io.Writer) error {
	for left := *size; left > 0; {
		n, err := w.Write(pattern[:min(left, period)])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// drain reads as many, and looks at the beginning of what each read returns.
func drain(r io.Reader) error {
	p := make([]byte, 128<<10)
	for at := int64(0); at < *size; {
		n, err := r.Read(p)
		if !bytes.HasPrefix(pattern[at%period:], p[:min(n, 64)]) {
			return fmt.Errorf("what came after %d bytes is not what was sent", at)
		}
		if at += int64(n); err != nil && at < *size {
			return fmt.Errorf("%d bytes came: %w", at, err)
		}
	}
	return nil
}
