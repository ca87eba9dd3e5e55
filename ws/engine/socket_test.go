//go:build unix

package engine_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/tidewire/tidewire/ws/engine"
)

func pair(t *testing.T, network string) (peer, conn net.Conn) {
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		peer.Close()
		conn.Close()
	})
	return peer, conn
}

// memory is a Source that counts.
type memory struct {
	b     []byte
	waits int
	ready chan struct{} // closed at the first Wait
}

func (m *memory) Space() []byte { return m.b }
func (m *memory) Wait() {
	if m.waits++; m.waits == 1 && m.ready != nil {
		close(m.ready)
	}
}

func TestOnlyExactTypesAreOpened(t *testing.T) {
	_, tcp := pair(t, "tcp")
	_, unix := pair(t, "unix")
	a, _ := net.Pipe()
	defer a.Close()
	for _, c := range []struct {
		nc   net.Conn
		want bool
	}{
		{tcp, true}, {unix, true}, {a, false},
		{struct{ *net.TCPConn }{tcp.(*net.TCPConn)}, false}, // promotes SyscallConn, and may read otherwise
	} {
		var s engine.Socket
		if got := s.Open(c.nc); got != c.want {
			t.Errorf("Open(%T) = %v", c.nc, got)
		}
	}
}

func TestReadHoldsNoMemoryWhileItWaits(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		peer, conn := pair(t, network)
		var s engine.Socket
		s.Open(conn)
		m := &memory{b: make([]byte, 100), ready: make(chan struct{})}
		go func() {
			<-m.ready
			peer.Write([]byte("hello"))
		}()
		n, err := s.Read(m)
		if err != nil || string(m.b[:n]) != "hello" || m.waits == 0 {
			t.Errorf("%s: %q, %v, %d waits", network, m.b[:n], err, m.waits)
		}
		conn.SetReadDeadline(time.Unix(1, 0))
		if _, err := s.Read(m); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: past the deadline: %v", network, err)
		}
		conn.SetReadDeadline(time.Time{})
		peer.Close()
		if _, err := s.Read(m); err != io.EOF {
			t.Errorf("%s: at the end: %v", network, err)
		}
	}
}

// What the kernel says is left tells a short read behind which a FIN waits from
// one behind which nothing does.
func TestRecvKnowsOfAWaitingFIN(t *testing.T) {
	peer, conn := pair(t, "tcp")
	var s engine.Socket
	s.Open(conn)
	var lefts []int
	step := 0
	wrote := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.Wakes(func(fd uintptr) bool {
			b := make([]byte, 100)
			for {
				if step == 2 {
					<-wrote // the message and the FIN are both there
				}
				n, left, err := engine.Recv(fd, b)
				if engine.WouldBlock(err) {
					return false
				}
				if err != nil || n == 0 {
					return true
				}
				lefts = append(lefts, left)
				if step++; step == 1 {
					step = 2
					go func() {
						peer.Write([]byte("last"))
						peer.Close()
						close(wrote)
					}()
				}
			}
		})
	}()
	peer.Write([]byte("first"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := []int{0, 1}
	if runtime.GOOS != "linux" {
		want = []int{-1, -1}
	}
	if len(lefts) != 2 || lefts[0] != want[0] || lefts[1] != want[1] {
		t.Errorf("left %v, want %v", lefts, want)
	}
}

func TestTryWriteNeverWaits(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		peer, conn := pair(t, network)
		var s engine.Socket
		s.Open(conn)
		total := 0
		for {
			n, err := s.TryWrite(make([]byte, 1<<20))
			if err != nil {
				t.Fatal(err)
			}
			if total += n; n < 1<<20 {
				break
			}
		}
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, peer); err != nil || int(n) != total {
			t.Errorf("%s: %d bytes of %d came, %v", network, n, total, err)
		}
		if _, err := s.TryWrite([]byte("x")); err == nil {
			t.Errorf("%s: TryWrite after CloseWrite", network)
		}
	}
}

func TestShutdownInsideWakes(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		peer, conn := pair(t, network)
		var s engine.Socket
		s.Open(conn)
		peer.Write([]byte("x"))
		ended := false
		err := s.Wakes(func(fd uintptr) bool {
			n, _, err := engine.Recv(fd, make([]byte, 10))
			switch {
			case engine.WouldBlock(err):
				return false
			case n == 0:
				ended = true
				return true
			}
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			return false
		})
		if err != nil || !ended {
			t.Errorf("%s: %v, ended=%v", network, err, ended)
		}
		if n, err := peer.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: the peer read %d bytes", network, n)
		}
	}
}

func TestUnread(t *testing.T) {
	peer, conn := pair(t, "unix")
	var s engine.Socket
	s.Open(conn)
	if s.Unread() {
		t.Error("unread bytes where none came")
	}
	peer.Write([]byte("x"))
	if !s.Unread() {
		t.Error("no unread byte where one came")
	}
}
