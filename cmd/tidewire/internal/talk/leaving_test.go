package talk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// silent is a Peer that takes the first message for as long as it is let, and ends when that is over and it is finished.
type silent struct {
	talk.Peer
	t    *testing.T
	says bool

	asked, released, finishing, aborted chan struct{}
}

func (p *silent) Send(ctx context.Context, m talk.Message) error {
	if string(m.Data) != "first" {
		p.t.Errorf("%q was said behind the end", m.Data)
	}
	close(p.asked)
	defer close(p.released)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.aborted:
		return errors.New("aborted")
	}
}

func (p *silent) Receive(_ context.Context, f func(talk.Message)) talk.End {
	<-p.asked
	if p.says {
		f(talk.Message{Data: []byte("seen")})
	}
	<-p.finishing
	<-p.released
	return talk.End{By: ws.Us}
}

func (p *silent) Finish(ws.StatusCode, string) error {
	close(p.finishing)
	return nil
}

func (p *silent) Abort() {
	p.t.Error("it had to be aborted")
	close(p.aborted)
}

// TestLeavingWaitsForNoAnswer ends a talk while the peer is being spoken to. Time is up once all wait.
func TestLeavingWaitsForNoAnswer(t *testing.T) {
	for _, name := range []string{"by a signal", "as enough has come", "as time is up"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &silent{nil, t, name == "as enough has come", make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				run := &talk.Talk{
					Connect: func(context.Context) (talk.Peer, error) { return p, nil },
					Input:   talk.Pipe(strings.NewReader("first\nsecond\n"), talk.Piping{}), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}},
				}
				unseen := false
				switch name {
				case "by a signal":
					go func() {
						<-p.asked
						cancel()
					}()
				case "as enough has come":
					run.Expectation.Count = 1
				default:
					unseen = true
					run.Expectation.Count, run.Timeout = 1, time.Millisecond
				}
				if err := run.Run(ctx); errors.Is(err, talk.ErrUnseen) != unseen || !unseen && err != nil {
					t.Error(err)
				}
			})
		})
	}
}
