package ws_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
)

// accounted returns how many read and write calls this process has made
// (/proc/pid/io in proc(5)), those for this answer included.
func accounted(t *testing.T) (reads, writes int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		fmt.Sscanf(line, "syscr: %d", &reads)
		fmt.Sscanf(line, "syscw: %d", &writes)
	}
	return reads, writes
}

// unaccounted is the client's end, by calls that are not counted as reads and
// writes: send(2) and recv(2).
type unaccounted struct{ fd int }

func (u unaccounted) send(t *testing.T, p []byte) {
	for len(p) > 0 {
		n, err := syscall.SendmsgN(u.fd, p, nil, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		p = p[n:]
	}
}

func (u unaccounted) receive(t *testing.T, n int) {
	p := make([]byte, n)
	for got := 0; got < n; {
		k, _, err := syscall.Recvfrom(u.fd, p[got:], 0)
		if err != nil || k == 0 {
			t.Fatalf("%d bytes of %d, %v", got, n, err)
		}
		got += k
	}
}

// An echo takes one read and one write, and so does all that came in one segment.
func TestCallsForAMessage(t *testing.T) {
	const rounds = 400
	for _, kind := range evented {
		for _, together := range []int{1, 32} {
			t.Run(fmt.Sprintf("%s %d", kind, together), func(t *testing.T) {
				leakCheck(t)
				nc, c := server(t, kind, ws.ConnOptions{Engine: ws.NewEngine(), PingInterval: -1})
				c.Attach(echoHandler)
				var file *os.File
				switch nc := nc.(type) {
				case *net.TCPConn:
					file, _ = nc.File()
				case *net.UnixConn:
					file, _ = nc.File()
				}
				defer file.Close()
				client := unaccounted{int(file.Fd())}
				syscall.SetNonblock(client.fd, false)
				var wire []byte
				for range together {
					wire = append(wire, rawFrame(true, frame.Text, make([]byte, 100))...)
				}
				// What else goes on in the process is counted too: the best of several.
				bestR, bestW := 1e9, 1e9
				for range 10 {
					client.send(t, wire)
					client.receive(t, together*102)
					r0, w0 := accounted(t)
					r1, w1 := accounted(t)
					for range rounds {
						client.send(t, wire)
						client.receive(t, together*102)
					}
					r2, w2 := accounted(t)
					bestR = min(bestR, float64((r2-r1)-(r1-r0))/rounds)
					bestW = min(bestW, float64((w2-w1)-(w1-w0))/rounds)
					if bestR <= 1.02 && bestW <= 1.02 {
						break
					}
				}
				if bestR < 0.98 || bestR > 1.02 || bestW < 0.98 || bestW > 1.02 {
					t.Errorf("%d at a time took %.3f reads and %.3f writes", together, bestR, bestW)
				}
				syscall.SetNonblock(client.fd, true) // nc shares the flag
			})
		}
	}
}
