package talk_test

import (
	"bytes"
	"context"
	"errors"
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

func (p *stubborn) Finish(ws.StatusCode, string) error          { p.finished = true; return nil }
func (p *stubborn) Ping(context.Context) (time.Duration, error) { return 0, errors.New("no") }
func (p *stubborn) Abort()                                      { p.once.Do(func() { close(p.aborted) }) }
func (p *stubborn) String() string                              { return "stubborn" }

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
