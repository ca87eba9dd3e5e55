package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// sick is a UDP socket that fails for a while.
type sick struct {
	well  time.Time
	reads int
}

func (s *sick) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	s.reads++
	if s.reads > 1000 {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	if time.Now().Before(s.well) {
		return 0, netip.AddrPort{}, syscall.ENOBUFS
	}
	if s.reads < 0 {
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	return copy(p, "hello"), netip.AddrPort{}, nil
}

// crowded is a listener for which there are descriptors now and then, until it is closed.
type crowded struct {
	net.Listener
	accepts int
}

func (c *crowded) Accept() (net.Conn, error) {
	c.accepts++
	switch {
	case c.accepts > 100:
		return nil, net.ErrClosed
	case c.accepts%10 == 0:
		conn, _ := net.Pipe()
		return conn, nil
	}
	return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
}

// TestAcceptComplains has a rule's listener fail for some minutes, which is in the log once in each.
func TestAcceptComplains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		w := &way{Rule: Rule{Listen: MustParse("tcp:127.0.0.1:0")}, bridge: &Bridge{log: slog.New(slog.NewTextHandler(&said, nil))}}
		ln, err := w.listen()
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		ln.(*candid).Listener = &crowded{Listener: ln.(*candid).Listener}
		began, in := time.Now(), 0
		if err := accept(ln, nil, func(conn net.Conn) {
			in++
			conn.Close()
			time.Sleep(20 * time.Second)
		}); err != nil || in != 10 {
			t.Fatal(in, err)
		}
		// Nine in a row take 2 s: the pauses grow, but not beyond one second, and begin anew with each that comes in.
		if waited := time.Since(began) - 10*20*time.Second; waited < 20*time.Second || waited > 25*time.Second {
			t.Errorf("waited for %v", waited)
		}
		minutes := int(time.Since(began).Minutes()) + 1
		if n := strings.Count(said.String(), "too many open files"); n < 3 || n > minutes {
			t.Errorf("logged %d times in %d minutes:\n%s", n, minutes, &said)
		}
	})
}

// failing is a listener that is of no use any more.
type failing struct{ net.Listener }

func (failing) Accept() (net.Conn, error) { return nil, errBroken }

var errBroken = errors.New("broken")

// TestDoorFails has a socket that listens fail for good, which Run returns.
func TestDoorFails(t *testing.T) {
	for _, listen := range []string{"tcp:127.0.0.1:0", "ws://127.0.0.1:0/"} {
		b, err := Listen([]Rule{{Listen: MustParse(listen), Target: MustParse("tcp:127.0.0.1:1")}}, &Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		switch d := b.doors[0].(type) {
		case *streamDoor:
			d.ln = failing{d.ln}
		case *webDoor:
			d.ln = failing{d.ln}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := b.Run(ctx); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", listen, err)
		}
		b.Close()
	}
}

// TestReceivePauses has a socket fail for ten seconds, which is asked now and then, heard when it is well, and left when closed.
func TestReceivePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sick{well: time.Now().Add(10 * time.Second)}
		var said strings.Builder
		heard := 0
		receiveFrom(s, nil, slog.New(slog.NewTextHandler(&said, nil)), func(p []byte, _ netip.AddrPort) {
			if string(p) != "hello" {
				t.Errorf("%q", p)
			}
			if s.reads > 30 {
				t.Errorf("read %d times", s.reads)
			}
			heard++
			s.reads = -1000 // closed
		})
		if late := time.Since(s.well); heard != 1 || late < 0 || late > time.Second {
			t.Errorf("heard %d times, %v late", heard, late)
		}
		if n := strings.Count(said.String(), "no buffer space"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, &said)
		}
	})
}
