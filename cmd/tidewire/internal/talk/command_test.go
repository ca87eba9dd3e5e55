package talk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// clerk is a peer that writes down what it is told, and answers no ping, nor a close with 4999.
type clerk struct {
	talk.Peer
	told  paper
	ended chan struct{}
}

func (p *clerk) Send(_ context.Context, m talk.Message) error {
	fmt.Fprintf(&p.told, "%v %q, ", m.Binary, m.Data)
	return nil
}

func (p *clerk) Receive(context.Context, func(talk.Message)) talk.End {
	<-p.ended
	return talk.End{By: ws.Us, Code: ws.StatusNormalClosure}
}

func (p *clerk) Finish(code ws.StatusCode, reason string) error {
	fmt.Fprintf(&p.told, "%d %q", code, reason)
	if code != 4999 {
		close(p.ended)
	}
	return nil
}

func (p *clerk) Abort() {
	fmt.Fprint(&p.told, ", aborted")
	close(p.ended)
}

func (p *clerk) Ping(ctx context.Context) (time.Duration, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// TestCommands has a script give commands, which ends with the first that is wrong or closes, and connects no second time.
func TestCommands(t *testing.T) {
	for _, tc := range []struct {
		script, told, fails string
		broken              bool
	}{
		{"/text /x y\n\n//z\n", `false "/x y", false "/z", 1000 ""`, "", false},
		{"/hex 00 ff\n/base64 AAE=\n", `true "\x00\xff", true "\x00\x01", 1000 ""`, "", false},
		{"/close 4000 that is all\nmore\n", `4000 "that is all"`, "", false},
		{"/close 4999\nmore\n", `4999 "", aborted`, "", false},
		{"/close\n", `1000 ""`, "", false},
		{"/close x\nmore\n", `1000 ""`, `/close: "x" is no status code`, false},
		{"/hex 0\nmore\n", `1000 ""`, "/hex: it is not hexadecimal", true},
		{"/nonsense\nmore\n", `1000 ""`, "there is no command /nonsense", false},
		{"/ping\nmore\n", `1000 ""`, "/ping: no pong came within 10s", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &clerk{ended: make(chan struct{})}
			connections := 0
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			run := &talk.Talk{
				Connect: func(context.Context) (talk.Peer, error) {
					if connections++; connections > 1 {
						stop()
						return nil, ctx.Err()
					}
					return p, nil
				},
				Commands: talk.Commands, Again: true,
				Input: talk.Pipe(strings.NewReader(tc.script), talk.Piping{Commands: true}), Screen: &talk.Screen{Out: &paper{}, Err: &paper{}},
			}
			err := run.Run(ctx)
			if connections != 1 {
				t.Errorf("%q: %d connections", tc.script, connections)
			}
			if got := p.told.String(); got != tc.told {
				t.Errorf("%q: the peer was told %s, want %s", tc.script, got, tc.told)
			}
			if (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) || errors.Is(err, talk.ErrBroken) != tc.broken {
				t.Errorf("%q: %v, want %s", tc.script, err, tc.fails)
			}
		})
	}
}
