//go:build linux

package natsbroker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/natsbroker"
	"github.com/tidewire/tidewire/ws"
)

// In the environment of a child process that is a node.
const (
	nodeDir    = "NATSBROKER_NODE_DIR"
	nodeListen = "NATSBROKER_NODE_LISTEN"
	nodePeers  = "NATSBROKER_NODE_PEERS"
	nodeClock  = "NATSBROKER_NODE_CLOCK" // not "": it is set by lines of stdin
)

// TestNode is the process.
func TestNode(t *testing.T) {
	dir := os.Getenv(nodeDir)
	if dir == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if os.Getenv(nodeClock) != "" {
		set, err := bendClock()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
				d, err := time.ParseDuration(lines.Text())
				if err = errors.Join(err, set(d)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	s, err := natsbroker.StartServer(natsbroker.ServerOptions{Dir: dir, MaxBytes: diskClaim, Cluster: &natsbroker.ClusterOptions{
		Name: "promise", Listen: os.Getenv(nodeListen), Peers: strings.Split(os.Getenv(nodePeers), ","),
		Advertise: "127.0.0.1:1", // where nobody is: there is no way between servers but the wires
	}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Connect(&natsbroker.Options{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	var slow atomic.Int64
	hub := live.NewHub(&live.Options{Broker: b, Hooks: &live.Hooks{Slow: func(*live.Session, string, live.Policy) { slow.Add(1) }}, DrainWindow: time.Second, BackoffMax: 2 * time.Second, RecentBytes: 64 << 10, Limits: live.Limits{Rate: -1},
		Accept: ws.AcceptOptions{ConnOptions: ws.ConnOptions{WriteQueue: 16 << 10}}})
	hub.ConfigureRooms("room:*", live.RoomOptions{History: 1_000_000})
	hub.ConfigureRooms("short:*", live.RoomOptions{History: shortHistory})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: hub}
	go server.Serve(smallBuffers{ln})
	fmt.Println("node", ln.Addr())
	go report(ctx, "slow", slow.Load)
	<-ctx.Done()
	bound, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	hub.Shutdown(bound)
	server.Close()
	b.Close()
	s.Close()
}

// member is one of the processes, as the test sees it.
type member struct {
	t      *testing.T
	dir    string
	log    string   // a file
	listen string   // of its server
	peers  []string // the way to the others, over wires

	bent bool // its clock can be set

	cmd  *exec.Cmd
	in   io.Writer
	addr atomic.Pointer[string] // of its hub; nil while there is none
	slow atomic.Int64           // how often a session of its hub had no room for a message
}

func (n *member) start() {
	n.cmd = exec.Command(os.Args[0], "-test.run", "^TestNode$", "-test.timeout", "0")
	n.cmd.Env = append(os.Environ(), nodeDir+"="+n.dir, nodeListen+"="+n.listen, nodePeers+"="+strings.Join(n.peers, ","))
	if n.bent {
		n.cmd.Env = append(n.cmd.Env, nodeClock+"=1")
		in, err := n.cmd.StdinPipe()
		if err != nil {
			n.t.Error(err)
			return
		}
		n.in = in
	}
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		n.t.Error(err)
		return
	}
	log, err := os.OpenFile(n.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Error(err)
		return
	}
	n.cmd.Stderr = log
	if err := n.cmd.Start(); err != nil {
		n.t.Error(err)
		return
	}
	log.Close()
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch what, rest, _ := strings.Cut(lines.Text(), " "); what {
			case "node":
				n.addr.Store(&rest)
			case "slow":
				var more int64
				fmt.Sscan(rest, &more)
				n.slow.Add(more)
			}
		}
	}()
}

// said returns how often its log has that.
func (n *member) said(what string) int {
	log, _ := os.ReadFile(n.log)
	return strings.Count(string(log), what)
}

// end ends the process by a signal.
func (n *member) end(sig syscall.Signal) {
	n.addr.Store(nil)
	n.cmd.Process.Signal(sig)
	n.cmd.Wait()
}

// wire is a way to a server.
type wire struct {
	ln net.Listener

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

func newWire(t *testing.T, dial func() (net.Conn, error)) *wire {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{ln: ln, conns: map[net.Conn]bool{}}
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				far, err := dial()
				if err != nil || !w.add(near, far) {
					near.Close()
					return
				}
				go w.carry(near, far)
				w.carry(far, near)
			}()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		w.set(true)
	})
	return w
}

func (w *wire) add(near, far net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		far.Close()
		return false
	}
	w.conns[near], w.conns[far] = true, true
	return true
}

// carry carries what comes, until one of the two is at its end.
func (w *wire) carry(from, to net.Conn) {
	p := make([]byte, 32<<10)
	for {
		n, err := from.Read(p)
		if err == nil {
			_, err = to.Write(p[:n])
		}
		if err != nil {
			break
		}
	}
	from.Close()
	to.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, from)
}

// set cuts the wire, or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut = cut; cut {
		for c := range w.conns {
			c.Close()
		}
	}
}
