package wstest_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws/wstest"
	"golang.org/x/net/nettest"
)

func TestPipeIsAConn(t *testing.T) {
	for name, o := range map[string]wstest.PipeOptions{
		"default":    {},
		"odd buffer": {Buffer: 1021},
		"chunked":    {Faults: wstest.Faults{Chunk: 7}},
		"delayed":    {Faults: wstest.Faults{Delay: time.Microsecond}},
		"tcp close":  {ResetUnread: true},
	} {
		t.Run(name, func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				a, b := wstest.Pipe(o)
				return a, b, func() { a.Close(); b.Close() }, nil
			})
		})
	}
}

func TestPipeAddresses(t *testing.T) {
	a, b := wstest.Pipe()
	if a.LocalAddr() != b.RemoteAddr() || b.LocalAddr() != a.RemoteAddr() || a.LocalAddr() == b.LocalAddr() {
		t.Errorf("addresses %v %v and %v %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	if a.Peer() != b || b.Peer() != a {
		t.Error("the ends are not each other's peers")
	}
	own := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
	a, b = wstest.Pipe(wstest.PipeOptions{}, wstest.PipeOptions{Addr: own})
	if a.RemoteAddr() != own || b.LocalAddr() != own || a.LocalAddr() != wstest.Addr("a") {
		t.Errorf("addresses %v %v and %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr())
	}
	defer func() {
		if recover() == nil {
			t.Error("three PipeOptions did not panic")
		}
	}()
	wstest.Pipe(wstest.PipeOptions{}, wstest.PipeOptions{}, wstest.PipeOptions{})
}

// TestPipeKeepsTheStream sends random pieces through rings of several sizes.
func TestPipeKeepsTheStream(t *testing.T) {
	for _, size := range []int{1, 2, 3, 1000, 1024, 4096, 5000} {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.Pipe(wstest.PipeOptions{Buffer: size})
			rnd := rand.New(rand.NewPCG(1, uint64(size)))
			want := make([]byte, 100_000)
			for i := range want {
				want[i] = byte(rnd.Uint32())
			}
			go func() {
				defer a.CloseWrite()
				sizes := rand.New(rand.NewPCG(2, uint64(size)))
				for p := want; len(p) > 0; {
					k := min(len(p), sizes.IntN(3*size+1))
					if n, err := a.Write(p[:k]); n != k || err != nil {
						t.Errorf("Write of %d: %d, %v", k, n, err)
						return
					}
					p = p[k:]
				}
			}()
			var got []byte
			buf := make([]byte, 2*size+1)
			for {
				n, err := b.Read(buf[:1+rnd.IntN(len(buf))])
				got = append(got, buf[:n]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Errorf("buffer %d: got %d bytes that differ from the %d written", size, len(got), len(want))
			}
			ca, cb := a.Counts(), b.Counts()
			if ca.BytesWritten != int64(len(want)) || cb.BytesRead != int64(len(want)) || ca.Writes == 0 || cb.Reads == 0 {
				t.Errorf("counts %+v and %+v", ca, cb)
			}
		})
	}
}

func TestPipeWritesStayWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers, size = 8, 1000
		a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 7})
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				if n, err := a.Write(bytes.Repeat([]byte{byte('0' + w)}, size)); n != size || err != nil {
					t.Errorf("Write: %d, %v", n, err)
				}
			})
		}
		go func() { all.Wait(); a.Close() }()
		got, err := io.ReadAll(b)
		if err != nil || len(got) != writers*size {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
		for i := 0; i < len(got); i += size {
			if bytes.Count(got[i:i+size], got[i:i+1]) != size {
				t.Errorf("bytes of several writes mix at %d", i)
			}
		}
	})
}

func TestPipeReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe()
		start := time.Now()
		b.SetReadDeadline(start.Add(time.Minute))
		_, err := b.Read(make([]byte, 1))
		wantErr(t, err, os.ErrDeadlineExceeded)
		if ne := net.Error(nil); !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("woke after %v", d)
		}
		a.Write([]byte("x"))
		_, err = b.Read(make([]byte, 1))
		wantErr(t, err, os.ErrDeadlineExceeded) // even though a byte is there
		b.SetReadDeadline(time.Time{})
		wantRead(t, b, "x")

		// A deadline that is moved while a Read waits, later and then into the past.
		b.SetDeadline(time.Now().Add(time.Second))
		done := make(chan error)
		go func() {
			_, err := b.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		b.SetReadDeadline(time.Now().Add(time.Hour))
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("Read returned early: %v", err)
		default:
		}
		b.SetReadDeadline(time.Unix(1, 0))
		wantErr(t, <-done, os.ErrDeadlineExceeded)
	})
}

func TestPipeWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 10})
		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write([]byte("0123456789abc"))
		wantErr(t, err, os.ErrDeadlineExceeded)
		if n != 10 {
			t.Errorf("accepted %d bytes, want 10", n)
		}
		wantRead(t, b, "0123456789")
		_, err = a.Write([]byte("x"))
		wantErr(t, err, os.ErrDeadlineExceeded)
		a.SetWriteDeadline(time.Time{})
		if n, err := a.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		wantRead(t, b, "abc")
	})
}

func TestPipeClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 4})
		blocked := make(chan error, 3)
		go func() { _, err := a.Read(make([]byte, 1)); blocked <- err }()
		go func() { _, err := a.Write([]byte("12345")); blocked <- err }()
		synctest.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		wantErr(t, <-blocked, net.ErrClosed)
		wantErr(t, <-blocked, net.ErrClosed)
		wantRead(t, b, "1234")
		_, err := b.Read(make([]byte, 1))
		if err != io.EOF {
			t.Errorf("peer's Read: %v", err)
		}
		_, err = b.Write([]byte("x"))
		wantErr(t, err, syscall.EPIPE)
		_, err = a.Write(nil)
		wantErr(t, err, net.ErrClosed)
		wantErr(t, a.Close(), net.ErrClosed)
		wantErr(t, a.CloseRead(), net.ErrClosed)
		wantErr(t, a.CloseWrite(), net.ErrClosed)
		wantErr(t, a.SetDeadline(time.Time{}), net.ErrClosed)
		if err := b.SetDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
	})
}

func TestPipeHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe()
		a.Write([]byte("last"))
		if err := a.CloseWrite(); err != nil {
			t.Error(err)
		}
		_, err := a.Write([]byte("x"))
		wantErr(t, err, syscall.EPIPE)
		if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
			t.Errorf("peer read %q, %v", got, err)
		}
		b.Write([]byte("answer"))
		wantRead(t, a, "answer")
		b.Write([]byte("lost"))
		if err := a.CloseRead(); err != nil {
			t.Error(err)
		}
		if n, err := a.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read after CloseRead: %d, %v", n, err)
		}
		_, err = b.Write([]byte("x"))
		wantErr(t, err, syscall.EPIPE)
	})
}

func TestPipeResetUnread(t *testing.T) {
	// Unread input: the peer loses what had been sent to it.
	a, b := wstest.Pipe(wstest.PipeOptions{ResetUnread: true})
	b.Write([]byte("unread"))
	a.Write([]byte("refusal"))
	a.Close()
	_, err := b.Read(make([]byte, 10))
	wantErr(t, err, syscall.ECONNRESET)
	_, err = b.Write([]byte("x"))
	wantErr(t, err, syscall.ECONNRESET)

	// Input that comes after Close.
	a, b = wstest.Pipe(wstest.PipeOptions{ResetUnread: true})
	a.Write([]byte("refusal"))
	a.Close()
	if n, err := b.Write([]byte("more")); n != 4 || err != nil {
		t.Errorf("first Write after the peer's Close: %d, %v", n, err)
	}
	_, err = b.Read(make([]byte, 10))
	wantErr(t, err, syscall.ECONNRESET)
	_, err = b.Write([]byte("x"))
	wantErr(t, err, syscall.ECONNRESET)

	// All read: an orderly end.
	a, b = wstest.Pipe(wstest.PipeOptions{ResetUnread: true})
	b.Write([]byte("bye"))
	wantRead(t, a, "bye")
	b.CloseWrite()
	a.Write([]byte("bye"))
	a.Close()
	if got, err := io.ReadAll(b); string(got) != "bye" || err != nil {
		t.Errorf("peer read %q, %v", got, err)
	}
}

func TestPipeTap(t *testing.T) {
	var sent []byte
	a, b := wstest.Pipe(wstest.PipeOptions{
		Tap:    func(p []byte) { sent = append(sent, p...) },
		Faults: wstest.Faults{Corrupt: wstest.Flip(1, 0x20), Cut: wstest.CutDrop, After: 4},
	}, wstest.PipeOptions{})
	a.Write([]byte("abcdef"))
	b.Write([]byte("other"))
	wantRead(t, b, "aBcd")
	if string(sent) != "abcdef" {
		t.Errorf("tap saw %q", sent)
	}
}

func TestPipeAllocatesNothing(t *testing.T) {
	a, b := wstest.Pipe()
	p, q := make([]byte, 125), make([]byte, 125)
	a.Write(p)
	b.Read(q)
	if n := testing.AllocsPerRun(1000, func() {
		a.Write(p)
		b.Read(q)
	}); n != 0 {
		t.Errorf("%v allocations for a Write and a Read, want 0", n)
	}
	later := time.Now().Add(time.Hour)
	a.SetDeadline(later)
	if n := testing.AllocsPerRun(1000, func() { a.SetDeadline(later) }); n != 0 {
		t.Errorf("%v allocations for SetDeadline, want 0", n)
	}
	a.SetDeadline(time.Time{})
}

func BenchmarkPipe(b *testing.B) {
	for _, size := range []int{16, 125, 4096} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			c, s := wstest.Pipe()
			p, q := make([]byte, size), make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				c.Write(p)
				s.Read(q)
			}
		})
	}
}

func BenchmarkPipePingPong(b *testing.B) {
	c, s := wstest.Pipe()
	go io.Copy(s, s)
	p := make([]byte, 125)
	b.ReportAllocs()
	for b.Loop() {
		c.Write(p)
		c.Read(p)
	}
	c.Close()
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want one that is %v", got, want)
	}
	if oe := (*net.OpError)(nil); !errors.As(got, &oe) {
		t.Errorf("error %v is a %T, want *net.OpError", got, got)
	}
}

// wantRead makes one Read and compares.
func wantRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, len(want)+64)
	n, err := c.Read(buf)
	if string(buf[:n]) != want || err != nil {
		t.Errorf("Read: %q, %v, want %q", buf[:n], err, want)
	}
}
