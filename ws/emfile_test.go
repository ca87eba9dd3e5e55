//go:build !race && linux

package ws_test

import (
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// A Server that has no descriptors left backs off, says so once, and takes those who
// wait when there are some again.
func TestAcceptWithoutDescriptors(t *testing.T) {
	const n = 40
	var out lockedBuffer
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var opened atomic.Int64
	h := &events{opened: func(*ws.Conn) { opened.Add(1) }, message: echoHandler.Message}
	srv := &ws.Server{
		Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) { return h, nil, nil },
		Logger: slog.New(slog.NewTextHandler(&out, nil)),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	defer func() {
		srv.Close()
		<-served
	}()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	clients, end := startMass(t, "hold", ln.Addr().String(), n)
	few := old
	few.Cur = uint64(descriptors(t) + 6)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	const complaint = "cannot accept"
	waitFor(t, func() bool { return strings.Contains(out.String(), complaint) })
	time.Sleep(50 * time.Millisecond) // it goes on trying
	if got := opened.Load(); got >= n {
		t.Errorf("%d connections in a few descriptors", got)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if line, err := clients.ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		t.Errorf("the clients: %q, %v", line, err)
	}
	if last := end(); last != "done" {
		t.Errorf("the clients: %s", last)
	}
	if got := strings.Count(out.String(), complaint); got != 1 {
		t.Errorf("%d complaints: %s", got, out.String())
	}
}
