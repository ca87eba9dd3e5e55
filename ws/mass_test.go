//go:build !race && !js

package ws_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// The clients of a mass test run in a child process: this test binary, started
// anew with these variables set. Both ends in one process would cost two
// descriptors a connection.
const (
	massAddr = "TIDEWIRE_MASS_ADDR"
	massRole = "TIDEWIRE_MASS_ROLE"
	massN    = "TIDEWIRE_MASS_N"
)

func init() {
	role := os.Getenv(massRole)
	if role == "" {
		return
	}
	child = func() int {
		n, _ := strconv.Atoi(os.Getenv(massN))
		if err := massClient(role, os.Getenv(massAddr), n); err != nil {
			fmt.Println("failed:", err)
			return 1
		}
		fmt.Println("done")
		return 0
	}
}

// massDial connects from one of many loopback addresses: one pair of addresses
// has about 28,000 ports.
func massDial(i int, addr, token string) (*ws.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+i%4), byte(1+i/4%32))}}
	if !strings.Contains(addr, "://") {
		addr = "ws://" + addr
	}
	c, _, err := ws.Dial(context.Background(), addr+"/?token="+token, &ws.DialOptions{
		NetDial: d.DialContext, HandshakeTimeout: patience,
		TLSConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is another process's
	})
	return c, err
}

func massClient(role, addr string, n int) error {
	ctx := context.Background()
	switch role {
	case "hold": // n connections at once, cut off together when we exit
		conns := make([]*ws.Conn, n)
		var wg sync.WaitGroup
		var failed atomic.Pointer[error]
		for k := range 16 {
			wg.Go(func() {
				for i := k; i < n; i += 16 {
					c, err := massDial(i, addr, fmt.Sprint("t", i))
					if err == nil {
						err = c.Write(ctx, ws.Text, fmt.Append(nil, "t", i))
					}
					if err == nil {
						_, _, err = c.Read(ctx)
					}
					if err != nil {
						failed.Store(&err)
						return
					}
					conns[i] = c
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return *err
		}
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
		return nil
	case "stay": // n connections at once, until the server says that it goes
		var wg sync.WaitGroup
		var told atomic.Int64
		conns := make([]*ws.Conn, n)
		for k := range 16 {
			wg.Go(func() {
				for i := k; i < n; i += 16 {
					conns[i], _ = massDial(i, addr, fmt.Sprint("t", i))
				}
			})
		}
		wg.Wait()
		for i, c := range conns {
			if c == nil {
				return fmt.Errorf("connection %d failed", i)
			}
			wg.Go(func() {
				if _, _, err := c.Read(ctx); ws.CloseStatus(err) == ws.StatusGoingAway {
					told.Add(1)
				}
			})
		}
		fmt.Println("ready")
		wg.Wait()
		if int(told.Load()) != n {
			return fmt.Errorf("%d of %d were told", told.Load(), n)
		}
	case "race": // n connections one after the other, 32 at a time, ended in every way
		var wg sync.WaitGroup
		var failed atomic.Pointer[error]
		var next atomic.Int64
		for range 32 {
			wg.Go(func() {
				for i := int(next.Add(1)); i <= n && failed.Load() == nil; i = int(next.Add(1)) {
					if err := raceOnce(i, addr); err != nil {
						failed.Store(&err)
					}
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return *err
		}
	}
	return nil
}

// raceOnce talks over one connection, which either end may close at any moment.
// What it reads must be its own.
func raceOnce(i int, addr string) error {
	token := fmt.Sprint("token-", i)
	c, err := massDial(i, addr, token)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for k := range 1 + rand.IntN(3) {
		m := fmt.Sprint(token, ":", k)
		if c.Write(ctx, ws.Text, []byte(m)) != nil {
			break
		}
		if rand.IntN(4) == 0 {
			break // close with an answer on its way
		}
		_, p, err := c.Read(ctx)
		if err != nil {
			break // the server closed first
		}
		if string(p) != m {
			return fmt.Errorf("%s read %q", m, p)
		}
	}
	if rand.IntN(2) == 0 {
		c.CloseNow()
	} else {
		c.Close(ws.StatusNormalClosure, "")
	}
	return nil
}

// startMass starts the child, and returns a function that ends it and gives its
// last line.
func startMass(t testing.TB, role, addr string, n int) (out *bufio.Reader, end func() string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), massRole+"="+role, massAddr+"="+addr, massN+"="+strconv.Itoa(n))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	out = bufio.NewReader(pipe)
	return out, func() string {
		in.Close()
		last := ""
		for {
			line, err := out.ReadString('\n')
			if err != nil {
				break
			}
			last = strings.TrimSpace(line)
		}
		cmd.Wait()
		return last
	}
}

// massHandler checks that what comes over a connection belongs to it, and closes
// some at odd moments.
type massHandler struct {
	t     *testing.T
	token string
	odd   bool
	over  *atomic.Int64
}

func (h *massHandler) Opened(c *ws.Conn) {
	if h.odd && rand.IntN(8) == 0 {
		c.Close(ws.StatusGoingAway, "at once")
	}
}

func (h *massHandler) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	if got, _, _ := strings.Cut(string(p), ":"); got != h.token {
		h.t.Errorf("the connection of %s got a message of %s", h.token, got)
	}
	if runtime.GOOS == "linux" && !isEvented(c) {
		h.t.Errorf("the connection of %s is not the engine's", h.token)
	}
	c.Write(context.Background(), typ, p)
	if h.odd && rand.IntN(8) == 0 {
		c.CloseNow()
	}
}

func (h *massHandler) Closed(*ws.Conn, error) { h.over.Add(1) }

func massServer(t *testing.T, odd bool) (addr string, over *atomic.Int64) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over = new(atomic.Int64)
	srv := &ws.Server{Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
		return &massHandler{t: t, token: r.Query().Get("token"), odd: odd, over: over}, nil, nil
	}}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-served
	})
	return ln.Addr().String(), over
}

// Ten thousand connections at once, all cut off in the same moment, leave no
// goroutine and no descriptor behind.
func TestMassAbruptEnd(t *testing.T) {
	const n = 10_000
	percent := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	leakCheck(t)
	addr, over := massServer(t, false)
	before := ws.Stats().Open
	out, end := startMass(t, "hold", addr, n)
	if line, err := out.ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		t.Fatalf("the clients: %q, %v", line, err)
	}
	if open := ws.Stats().Open - before; open != n {
		t.Errorf("%d connections are open", open)
	}
	debug.SetGCPercent(-1) // the collector would close sockets that we forgot
	if last := end(); last != "done" {
		t.Fatalf("the clients: %s", last)
	}
	for deadline := time.Now().Add(patience); over.Load() < n || ws.Stats().Open != before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d were closed, %d are open", over.Load(), n, ws.Stats().Open-before)
		}
	}
}

// A hundred thousand connections opened and closed from both ends at every
// moment, each checking that what it reads is its own.
func TestMassCloseAndAcceptRaces(t *testing.T) {
	const n = 100_000
	leakCheck(t)
	addr, _ := massServer(t, true)
	_, end := startMass(t, "race", addr, n)
	if last := end(); last != "done" {
		t.Fatalf("the clients: %s", last)
	}
}
