package talk_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// stubborn is a peer that says something and does not take a goodbye for an end.
type stubborn struct {
	talk.Peer
	says     []string
	finished bool
	aborted  chan struct{}
	once     sync.Once
}

func (p *stubborn) Send(context.Context, talk.Message) error { return nil }

func (p *stubborn) Receive(_ context.Context, f func(talk.Message)) talk.End {
	for _, text := range p.says {
		f(talk.Message{Data: []byte(text)})
	}
	<-p.aborted
	return talk.End{By: ws.Us}
}

func (p *stubborn) Finish(ws.StatusCode, string) error { p.finished = true; return nil }
func (p *stubborn) Abort()                             { p.once.Do(func() { close(p.aborted) }) }

// clogged takes nothing before it is closed.
type clogged chan struct{}

func (c clogged) Write([]byte) (int, error) {
	<-c
	return 0, errors.New("closed")
}

// TestOutputLost loses the output in each way there is: what to say is said, and nobody is waited for.
func TestOutputLost(t *testing.T) {
	for _, tc := range []struct {
		name  string
		ends  bool          // the input, at once
		stop  time.Duration // when somebody stops it
		limit time.Duration
		clog  bool
		says  string
		takes time.Duration
	}{
		{"full", false, 0, 0, false, "what came cannot be written: full", 0},
		{"full, and the input has ended", true, 0, 0, false, "what came cannot be written: full", 0},
		{"blocked, and stopped", false, time.Minute, 0, true, "what came cannot be written: nobody takes it", time.Minute + time.Second},
		{"blocked, and the time is over", false, 0, time.Minute, true, "what came cannot be written: nobody takes it", time.Minute + 8*time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				out, clog := talk.NewOutlet(full{}), make(clogged)
				defer close(clog)
				if tc.clog {
					out = talk.NewOutlet(clog)
				}
				p := &stubborn{says: []string{"hello", "again"}, aborted: make(chan struct{})}
				screen := &talk.Screen{Out: out, Err: &bytes.Buffer{}}
				context.AfterFunc(ctx, screen.Hurry)
				run := &talk.Talk{Connect: func(context.Context) (talk.Peer, error) { return p, nil }, Screen: screen}
				if run.Input = talk.Pipe(strings.NewReader(""), talk.Piping{}); !tc.ends {
					run.Input = talk.Nothing()
				}
				if tc.limit > 0 {
					run.Timeout, run.Expectation = tc.limit, talk.Expectation{Count: 3}
				}
				if tc.stop > 0 {
					time.AfterFunc(tc.stop, stop)
				}
				began := time.Now()
				err := run.Run(ctx)
				if err == nil || err.Error() != tc.says {
					t.Errorf("%v, want %s", err, tc.says)
				}
				if took := time.Since(began); took != tc.takes {
					t.Errorf("it took %v, want %v", took, tc.takes)
				}
				if !p.finished {
					t.Error("the peer is not told")
				}
			})
		})
	}
}

// TestOutputSlow has what is expected come, and time be up or somebody stop it before that is written: it has come, and is written.
func TestOutputSlow(t *testing.T) {
	for name, tc := range map[string]struct{ takes, limit, stop time.Duration }{
		"time is up": {time.Hour, time.Minute, 0},
		"stopped":    {time.Minute, 0, time.Minute - 100*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				slow := slowly{new(bytes.Buffer), tc.takes}
				screen := &talk.Screen{Out: talk.NewOutlet(&slow), Err: &bytes.Buffer{}}
				context.AfterFunc(ctx, screen.Hurry)
				p := &stubborn{says: []string{"hello", "again"}, aborted: make(chan struct{})}
				run := &talk.Talk{
					Connect: func(context.Context) (talk.Peer, error) { return p, nil }, Input: talk.Nothing(), Screen: screen,
					Expectation: talk.Expectation{Count: 1}, Timeout: tc.limit,
				}
				if tc.stop > 0 {
					time.AfterFunc(tc.stop, stop)
				}
				if err := run.Run(ctx); err != nil || slow.b.String() != "hello\n" {
					t.Errorf("%v, %q", err, slow.b.String())
				}
			})
		})
	}
}

// A reader that is slow is waited for, hurry or not.
func TestOutletWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := slowly{new(bytes.Buffer), time.Hour}
		out := talk.NewOutlet(&slow)
		if n, err := out.Write([]byte("one ")); n != 4 || err != nil {
			t.Error(n, err)
		}
		out.Hurry()
		out.Hurry()
		slow.takes = 900 * time.Millisecond
		for range 3 {
			if n, err := out.Write([]byte("more ")); n != 5 || err != nil {
				t.Error(n, err)
			}
		}
		if got := slow.b.String(); got != "one more more more " {
			t.Errorf("%q", got)
		}
	})
}

type slowly struct {
	b     *bytes.Buffer
	takes time.Duration
}

func (s *slowly) Write(p []byte) (int, error) {
	time.Sleep(s.takes)
	return s.b.Write(p)
}

// gate takes a write each time it is opened, and keeps what each of them was.
type gate struct {
	open   chan struct{}
	writes []string
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.writes = append(g.writes, string(p))
	return len(p), nil
}

// What comes while something is being written is written together, in its order, and no more of it is held than is said.
func TestOutletGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		out := talk.NewOutlet(g)
		put := func(p string) {
			if err := out.Put([]byte(p)); err != nil {
				t.Error(err)
			}
		}
		put("one ")
		synctest.Wait()
		put("two ")
		put("three ")
		written := make(chan struct{})
		go func() {
			if n, err := out.Write([]byte("four ")); n != 5 || err != nil {
				t.Error(n, err)
			}
			close(written)
		}()
		synctest.Wait()
		g.open <- struct{}{}
		g.open <- struct{}{}
		<-written
		if got, want := strings.Join(g.writes, "|"), "one |two three four "; got != want {
			t.Errorf("%q, want %q", got, want)
		}

		g.writes = nil
		line := strings.Repeat("x", 1<<10)
		puts := 0
		put(line)
		synctest.Wait()
		go func() {
			for range 200 {
				put(line)
				puts++
			}
			put(strings.Repeat("y", 1<<20)) // longer than all that may wait
		}()
		synctest.Wait()
		if puts != 64 {
			t.Errorf("%d lines of 1 KiB are held besides the one that is written", puts)
		}
		for range 6 {
			g.open <- struct{}{}
			synctest.Wait()
		}
		if err := out.Flush(); err != nil {
			t.Error(err)
		}
		var lengths []int
		for _, w := range g.writes {
			lengths = append(lengths, len(w)>>10)
		}
		if want := []int{1, 64, 64, 64, 8, 1 << 10}; !slices.Equal(lengths, want) {
			t.Errorf("writes of %d KiB, want %d", lengths, want)
		}
	})
}

// An error that comes later is told to whoever waits for it, and to all who come behind it.
func TestOutletLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := talk.NewOutlet(full{})
		if err := out.Put([]byte("one")); err != nil {
			t.Error(err)
		}
		<-out.Lost()
		if _, err := out.Write([]byte("two")); err == nil {
			t.Error("it is written")
		}
		if out.Put([]byte("three")) == nil || out.Flush() == nil {
			t.Error("an error is forgotten")
		}

		clog := make(clogged)
		defer close(clog)
		out = talk.NewOutlet(clog)
		if err := out.Put([]byte("one")); err != nil {
			t.Error(err)
		}
		began := time.Now()
		out.Hurry()
		<-out.Lost()
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
