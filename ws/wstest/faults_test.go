package wstest_test

import (
	"bytes"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws/wstest"
)

// reads collects the pieces that Reads return until one fails.
func reads(c net.Conn) (pieces []string, err error) {
	buf := make([]byte, 100)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return pieces, err
		}
		pieces = append(pieces, string(buf[:n]))
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestFaultsChunk(t *testing.T) {
	sizes := []int{2, -5, 100}
	for name, c := range map[string]struct {
		faults wstest.Faults
		want   []string
	}{
		"none":  {wstest.Faults{}, []string{"abcdef"}},
		"bytes": {wstest.Faults{Chunk: 1}, []string{"a", "b", "c", "d", "e", "f"}},
		"four":  {wstest.Faults{Chunk: 4}, []string{"abcd", "ef"}},
		"func": {wstest.Faults{Chunk: 1, ChunkFunc: func(buffered int) int {
			n := sizes[0]
			sizes = sizes[1:]
			return n
		}}, []string{"ab", "c", "def"}},
	} {
		a, b := wstest.Pipe(wstest.PipeOptions{Faults: c.faults}, wstest.PipeOptions{})
		a.Write([]byte("abcdef"))
		a.CloseWrite()
		if got, err := reads(b); !equal(got, c.want) || err != io.EOF {
			t.Errorf("%s: read %q, %v, want %q", name, got, err, c.want)
		}
		b.Write([]byte("answer")) // the other direction has no faults
		wantRead(t, a, "answer")
	}

	// A small Read takes a chunk in parts; the rest of it is not a new chunk.
	a, b := wstest.Pipe(wstest.PipeOptions{Faults: wstest.Faults{Chunk: 3}})
	a.Write([]byte("abcdef"))
	buf := make([]byte, 2)
	for _, want := range []string{"ab", "c", "de", "f"} {
		if n, err := b.Read(buf); string(buf[:n]) != want || err != nil {
			t.Errorf("Read: %q, %v, want %q", buf[:n], err, want)
		}
	}
}

func TestFaultsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(wstest.PipeOptions{Faults: wstest.Faults{Chunk: 2, Delay: time.Second}})
		start := time.Now()
		at := func(want time.Duration) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Errorf("at %v, want %v", got, want)
			}
		}
		a.Write([]byte("abcde"))
		at(0)
		wantRead(t, b, "ab")
		at(1 * time.Second)
		wantRead(t, b, "cd")
		at(2 * time.Second)
		time.Sleep(10 * time.Second) // a chunk that has arrived waits for its reader
		wantRead(t, b, "e")
		at(12 * time.Second)

		b.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		a.Write([]byte("xy"))
		_, err := b.Read(make([]byte, 9))
		wantErr(t, err, os.ErrDeadlineExceeded)
		b.SetReadDeadline(time.Time{})
		wantRead(t, b, "xy")
		at(13 * time.Second)

		// Another delay starts anew and forgets the old timer.
		a.Write([]byte("12"))
		time.Sleep(900 * time.Millisecond)
		a.SetFaults(wstest.Faults{Delay: time.Minute})
		a.CloseWrite()
		wantRead(t, b, "12")
		at(13*time.Second + 900*time.Millisecond + time.Minute)
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read: %v, want EOF", err)
		}

		// Taking the delay away frees what was under way.
		b.SetFaults(wstest.Faults{Delay: time.Hour})
		b.Write([]byte("late"))
		go b.SetFaults(wstest.Faults{})
		wantRead(t, a, "late")
	})
}

func TestFaultsStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 4})
		a.SetFaults(wstest.Faults{Stall: true})
		wrote := make(chan error, 1)
		go func() { _, err := a.Write([]byte("abcdef")); a.CloseWrite(); wrote <- err }()
		got := make(chan []string, 1)
		go func() { s, _ := reads(b); got <- s }()
		time.Sleep(time.Hour)
		select {
		case err := <-wrote:
			t.Fatalf("a Write into a full buffer returned %v", err)
		case s := <-got:
			t.Fatalf("a stalled reader got %q", s)
		default:
		}
		a.SetFaults(wstest.Faults{})
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		if s := <-got; !equal(s, []string{"abcd", "ef"}) {
			t.Errorf("got %q after the stall", s)
		}

		// The end of the stream is held back too, a reset is not.
		b.SetFaults(wstest.Faults{Stall: true})
		b.CloseWrite()
		a.SetReadDeadline(time.Now().Add(time.Hour))
		_, err := a.Read(make([]byte, 1))
		wantErr(t, err, os.ErrDeadlineExceeded)
		a.SetReadDeadline(time.Time{})
		go b.Reset()
		_, err = a.Read(make([]byte, 1))
		wantErr(t, err, syscall.ECONNRESET)
	})
}

func TestFaultsCutReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe()
		a.Write([]byte("before"))
		a.SetFaults(wstest.Faults{Cut: wstest.CutReset, After: 4})
		b.Write([]byte("under way"))
		back := make(chan error)
		n, err := a.Write([]byte("12"))
		if n != 2 || err != nil {
			t.Errorf("Write before the cut: %d, %v", n, err)
		}
		wantRead(t, a, "under way")
		go func() { _, err := a.Read(make([]byte, 1)); back <- err }()
		synctest.Wait()
		n, err = a.Write([]byte("3456"))
		wantErr(t, err, syscall.ECONNRESET)
		if n != 2 {
			t.Errorf("accepted %d bytes, want 2", n)
		}
		wantErr(t, <-back, syscall.ECONNRESET)
		_, err = b.Write([]byte("x"))
		wantErr(t, err, syscall.ECONNRESET)
		wantRead(t, b, "before1234")
		_, err = b.Read(make([]byte, 1))
		wantErr(t, err, syscall.ECONNRESET)
	})
}

// TestFaultsCutAtTheLastByte has the write that reaches the cut succeed.
func TestFaultsCutAtTheLastByte(t *testing.T) {
	for cut, want := range map[wstest.Cut]error{wstest.CutReset: syscall.ECONNRESET, wstest.CutClose: syscall.EPIPE} {
		a, b := wstest.Pipe(wstest.PipeOptions{Faults: wstest.Faults{Cut: cut, After: 3}}, wstest.PipeOptions{})
		if n, err := a.Write([]byte("abc")); n != 3 || err != nil {
			t.Errorf("cut %d: Write: %d, %v", cut, n, err)
		}
		wantRead(t, b, "abc")
		_, err := a.Write([]byte("d"))
		wantErr(t, err, want)
		_, err = b.Read(make([]byte, 1))
		if cut == wstest.CutClose {
			if err != io.EOF {
				t.Errorf("Read: %v, want EOF", err)
			}
			b.Write([]byte("alive"))
			wantRead(t, a, "alive")
		} else {
			wantErr(t, err, syscall.ECONNRESET)
		}
	}
}

// TestFaultsCutNow sets a cut with After 0 while both ends wait.
func TestFaultsCutNow(t *testing.T) {
	for _, cut := range []wstest.Cut{wstest.CutReset, wstest.CutClose} {
		synctest.Test(t, func(t *testing.T) {
			a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 2})
			a.Write([]byte("ab"))
			wrote, read := make(chan error), make(chan error)
			go func() { _, err := a.Write([]byte("c")); wrote <- err }()
			go func() { _, err := a.Read(make([]byte, 1)); read <- err }()
			synctest.Wait()
			a.SetFaults(wstest.Faults{Cut: cut})
			if cut == wstest.CutReset {
				wantErr(t, <-wrote, syscall.ECONNRESET)
				wantErr(t, <-read, syscall.ECONNRESET)
			} else {
				wantErr(t, <-wrote, syscall.EPIPE)
				b.Close()
				if err := <-read; err != io.EOF {
					t.Errorf("Read: %v", err)
				}
				return
			}
			wantRead(t, b, "ab")
			_, err := b.Read(make([]byte, 1))
			wantErr(t, err, syscall.ECONNRESET)
		})
	}
}

func TestFaultsCutDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 8}, wstest.PipeOptions{})
		a.SetFaults(wstest.Faults{Cut: wstest.CutDrop, After: 6})
		for range 100 {
			if n, err := a.Write([]byte("abcd")); n != 4 || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
		}
		wantRead(t, b, "abcdab")
		b.SetReadDeadline(time.Now().Add(time.Hour))
		_, err := b.Read(make([]byte, 1))
		wantErr(t, err, os.ErrDeadlineExceeded)
		b.SetReadDeadline(time.Time{})
		a.SetFaults(wstest.Faults{Cut: wstest.CutDrop, After: 1})
		a.Write([]byte("xyz"))
		a.Close()
		if got, err := io.ReadAll(b); string(got) != "x" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestFaultsCorrupt(t *testing.T) {
	a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 1024})
	// Bring the ring to where the next write wraps round.
	a.Write(bytes.Repeat([]byte("."), 1020))
	io.ReadFull(b, make([]byte, 1010))
	var offs []int64
	a.SetFaults(wstest.Faults{Corrupt: func(off int64, p []byte) {
		for i := range p {
			offs = append(offs, off+int64(i))
		}
		wstest.Flip(5, 0x20)(off, p)
		wstest.Flip(2, 0x01)(off, p)
	}})
	a.Write([]byte("ab"))
	p := []byte("cdefgh")
	a.Write(p)
	if string(p) != "cdefgh" {
		t.Errorf("the caller's bytes became %q", p)
	}
	wantRead(t, b, "..........abbdeFgh")
	for i, off := range offs {
		if int64(i) != off {
			t.Fatalf("offsets %v", offs)
		}
	}
	if len(offs) != 8 {
		t.Errorf("%d offsets, want 8", len(offs))
	}
	wstest.Flip(math.MaxInt64, 1)(0, nil)
	wstest.Flip(3, 1)(4, []byte{0})
}

func TestPipeReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 2})
		b.Write([]byte("x"))
		errs := make(chan error, 2)
		go func() { _, err := a.Write([]byte("abc")); errs <- err }()
		go func() {
			p := make([]byte, 8)
			_, err := io.ReadFull(a, p)
			errs <- err
		}()
		synctest.Wait()
		a.Reset()
		wantErr(t, <-errs, syscall.ECONNRESET)
		wantErr(t, <-errs, syscall.ECONNRESET)
		for _, c := range []*wstest.PipeConn{a, b} {
			_, err := c.Read(make([]byte, 1)) // "ab" is lost
			wantErr(t, err, syscall.ECONNRESET)
			_, err = c.Write([]byte("x"))
			wantErr(t, err, syscall.ECONNRESET)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			_, err = c.Read(make([]byte, 1))
			wantErr(t, err, net.ErrClosed)
			_, err = c.Write([]byte("x"))
			wantErr(t, err, net.ErrClosed)
		}
		a.Reset()
		_, err := a.Read(make([]byte, 1))
		wantErr(t, err, net.ErrClosed)
	})
}

// TestFaultsChangeAtRunTime is for the race detector: faults that lose nothing
// change all the time, and the stream stays as it was.
func TestFaultsChangeAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(wstest.PipeOptions{Buffer: 100})
		want := bytes.Repeat([]byte("0123456789"), 2000)
		var all sync.WaitGroup
		all.Go(func() {
			defer a.CloseWrite()
			for p := want; len(p) > 0; p = p[min(len(p), 130):] {
				if _, err := a.Write(p[:min(len(p), 130)]); err != nil {
					t.Error(err)
				}
			}
		})
		stop := make(chan struct{})
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				a.SetFaults([]wstest.Faults{
					{}, {Chunk: 3}, {Delay: time.Microsecond}, {Stall: true},
					{Chunk: 1, Delay: time.Microsecond}, {Delay: time.Hour},
					{ChunkFunc: func(n int) int { return n / 2 }},
					{Corrupt: func(int64, []byte) {}}, {Cut: wstest.CutDrop, After: math.MaxInt64},
				}[i%9])
				a.Counts()
			}
		})
		got, err := io.ReadAll(b)
		close(stop)
		all.Wait()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want %d unchanged", len(got), err, len(want))
		}
	})
}
