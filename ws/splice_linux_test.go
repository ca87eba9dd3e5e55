package ws_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// TestSplices counts what this thread reads and writes itself while it passes on a message that the kernel can move
// (splice), and one that is masked, which it cannot.
func TestSplices(t *testing.T) {
	const size = 1 << 20
	for _, masked := range []bool{false, true} {
		t.Run(fmt.Sprintf("WriteTo, masked %v", masked), func(t *testing.T) {
			a, b := tcpPair(t)
			o := ws.ConnOptions{MaxMessage: -1}
			from, to := ws.NewConn(a, ws.Params{Client: masked, ConnOptions: o}), ws.NewConn(b, ws.Params{Client: !masked, ConnOptions: o})
			defer from.CloseNow()
			defer to.CloseNow()
			out, all := sink(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				from.Write(context.Background(), ws.Binary, randomBytes(size))
			}()
			_, r, err := to.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			checkCopied(t, size, masked, func() {
				if n, err := io.Copy(out, r); err != nil || n != size {
					t.Fatal(n, err)
				}
			})
			<-done
			if got := all(); len(got) != size {
				t.Fatalf("%d bytes came", len(got))
			}
		})
		t.Run(fmt.Sprintf("WriteFrom, masked %v", masked), func(t *testing.T) {
			a, b := tcpPair(t)
			c := ws.NewConn(a, ws.Params{Client: masked})
			defer c.CloseNow()
			in := source(t, randomBytes(size))
			done := make(chan struct{})
			go func() {
				defer close(done)
				io.Copy(io.Discard, b)
			}()
			checkCopied(t, size, masked, func() {
				if err := c.WriteFrom(t.Context(), ws.Binary, in, size); err != nil {
					t.Fatal(err)
				}
			})
			c.CloseNow()
			<-done
			b.(net.Conn).Close()
		})
	}
}

// checkCopied runs f, which passes so many bytes on, and checks whether this thread has had them in its hands.
func checkCopied(t *testing.T, size int64, copies bool, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	count := func() (read, written int64) {
		p, err := os.ReadFile("/proc/thread-self/io")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(string(p), "rchar: %d\nwchar: %d", &read, &written); err != nil {
			t.Fatal(err)
		}
		return read, written
	}
	read, written := count()
	f()
	r, w := count()
	r, w = r-read, w-written
	t.Logf("%d bytes were read and %d written", r, w)
	switch {
	case copies && (r < size/2 || w < size/2): // some have been read before
		t.Errorf("less than the %d that passed: is this a measure at all?", size)
	case !copies && (r > size/2 || w > size/2):
		t.Errorf("and the kernel could have moved all %d", size)
	}
}
