package talk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// unreachable is a connection that is told by a write that nobody is there, and hears of it no more.
type unreachable struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
}

func (c *unreachable) Write([]byte) (int, error) { return 0, syscall.ECONNREFUSED }

func (c *unreachable) Read([]byte) (int, error) {
	<-c.closed
	return 0, net.ErrClosed
}

func (c *unreachable) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func TestDatagramsToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := &unreachable{closed: make(chan struct{})}
		run := &talk.Talk{
			Connect: func(context.Context) (talk.Peer, error) { return talk.Datagrams(nc, "nobody", false), nil },
			Input:   talk.Pipe(strings.NewReader("one\ntwo\n"), talk.Piping{}), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}},
		}
		if err := run.Run(t.Context()); !errors.Is(err, talk.ErrBroken) || !strings.Contains(err.Error(), "connection refused") {
			t.Error(err)
		}
	})
}

// ending is a connection of which reading ends so, once writing has.
type ending struct {
	net.Conn
	as   error
	half chan struct{}
}

func (c *ending) Read([]byte) (int, error) {
	<-c.half
	return 0, c.as
}

func (c *ending) CloseWrite() error {
	close(c.half)
	return nil
}

func (c *ending) Write(p []byte) (int, error)      { return len(p), nil }
func (c *ending) SetReadDeadline(time.Time) error  { return nil }
func (c *ending) SetWriteDeadline(time.Time) error { return nil }
func (c *ending) Close() error                     { return nil }

// A stream that breaks behind the end of the input has broken, and one that ends or falls silent has not.
func TestStreamEndsBehindInput(t *testing.T) {
	for as, want := range map[error]error{
		io.EOF: nil, os.ErrDeadlineExceeded: nil, syscall.ECONNRESET: talk.ErrBroken, io.ErrUnexpectedEOF: talk.ErrBroken,
	} {
		synctest.Test(t, func(t *testing.T) {
			nc := &ending{as: as, half: make(chan struct{})}
			run := &talk.Talk{
				Connect: func(context.Context) (talk.Peer, error) { return talk.Stream(nc, "somebody", false), nil },
				Input:   talk.Pipe(strings.NewReader("one\n"), talk.Piping{}), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}},
			}
			if err := run.Run(t.Context()); !errors.Is(err, want) {
				t.Errorf("%v: %v, want %v", as, err, want)
			}
		})
	}
}

// TestStreamLines has lines come in pieces, a prompt that has no end, and more than a line may hold.
func TestStreamLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := wstest.Pipe()
		p := talk.Stream(ours, "a pipe", false)
		var got strings.Builder
		ended := make(chan talk.End, 1)
		go func() {
			ended <- p.Receive(t.Context(), func(m talk.Message) {
				got.Write(m.Data)
				got.WriteString(map[bool]string{true: "|", false: "\n"}[m.Part])
			})
		}()
		io.WriteString(theirs, "one\n\ntw")
		time.Sleep(10 * time.Millisecond)
		io.WriteString(theirs, "o\nlogin: ")
		time.Sleep(time.Hour)
		io.WriteString(theirs, "root\n")
		synctest.Wait()
		if want := "one\n\ntwo\nlogin: |root\n"; got.String() != want {
			t.Errorf("%q, want %q", &got, want)
		}
		got.Reset()
		much := strings.Repeat("much ", 40_000)
		io.WriteString(theirs, much+"\nthe end")
		theirs.Close()
		if end := <-ended; end.By != ws.Peer || end.Err != nil {
			t.Errorf("%+v", end)
		}
		if all := strings.ReplaceAll(got.String(), "|", ""); all != much+"\nthe end" || !strings.HasSuffix(got.String(), "|") {
			t.Errorf("%d bytes of %d came", len(all), len(much))
		}
		for piece := range strings.SplitSeq(got.String(), "|") {
			if len(piece) > 128<<10 {
				t.Errorf("a piece has %d bytes", len(piece))
			}
		}
	})
}

// TestStreamStuck has a stream take nothing, which ends it, for a piece of what was said may have left; and one that comes raw be
// given up.
func TestStreamStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := wstest.Pipe(wstest.PipeOptions{Buffer: 10})
		defer theirs.Close()
		p := talk.Stream(ours, "a pipe", false)
		ended := make(chan talk.End, 1)
		go func() { ended <- p.Receive(t.Context(), func(talk.Message) {}) }()
		began := time.Now()
		if err := p.Send(t.Context(), talk.Message{Data: make([]byte, 100)}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if d := time.Since(began); d < 10*time.Second || d > time.Minute {
			t.Errorf("stuck for %v", d)
		}
		if end := <-ended; end.By != ws.Network || end.Err == nil {
			t.Errorf("%+v", end)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := wstest.Pipe()
		defer theirs.Close()
		p := talk.Stream(ours, "a pipe", true)
		io.WriteString(theirs, "a\nb")
		came := make(chan string, 1)
		ended := make(chan talk.End, 1)
		go func() {
			ended <- p.Receive(t.Context(), func(m talk.Message) { came <- fmt.Sprintf("%v %s", m.Binary, m.Data) })
		}()
		if got := <-came; got != "true a\nb" {
			t.Errorf("%q came", got)
		}
		p.Abort()
		if end := <-ended; end.By != ws.Us || end.Err != nil {
			t.Errorf("%+v", end)
		}
	})
}
