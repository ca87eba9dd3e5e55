package main

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
)

// asPanic names where a process in a terminal panics that would otherwise talk there.
const asPanic = "RUN_AS_PANIC"

func init() {
	where := os.Getenv(asPanic)
	if where == "" {
		return
	}
	ctx, leave := context.WithCancel(context.Background())
	at, err := (&connectCommand{JSON: "auto", NoHistory: true}).openDesk(ctx, stdio{os.Stdin, os.Stdout, os.Stderr}, leave)
	if err != nil {
		panic(err)
	}
	t := &talk.Talk{Input: at.input, Screen: at.screen, Commands: talk.Commands, Connect: func(context.Context) (talk.Peer, error) {
		rotten(where).panics("connect")
		return rotten(where), nil
	}}
	t.Run(ctx)
	panic("it did not panic") // the terminal is as it was left, then
}

// rotten is a peer that panics in the method of that name.
type rotten string

func (p rotten) panics(where string) {
	if string(p) == where {
		panic("rotten in " + where)
	}
}

func (p rotten) Send(context.Context, talk.Message) error { p.panics("send"); return nil }

func (p rotten) Receive(ctx context.Context, _ func(talk.Message)) talk.End {
	p.panics("receive")
	<-ctx.Done()
	return talk.End{}
}

func (p rotten) Ping(context.Context) (time.Duration, error) {
	p.panics("ping")
	return 0, errors.New("no")
}
func (p rotten) Finish(ws.StatusCode, string) error { return nil }
func (p rotten) Abort()                             {}
func (p rotten) String() string                     { return "rotten" }

// TestConnectTerminalPanic has the process panic while a person types: the terminal is as it was, and the panic can be read.
func TestConnectTerminalPanic(t *testing.T) {
	for where, keys := range map[string]string{"connect": "", "receive": "", "send": "hello\r", "ping": "/ping\r"} {
		t.Run(where, func(t *testing.T) {
			s := inTerminal(t)
			s.cmd.Env = append(s.cmd.Env, asPanic+"="+where)
			before := s.state()
			if err := s.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if keys != "" {
				s.shows("> ")
				s.press(keys)
			}
			s.shows("\x1b[?2004l") // what is pasted is no longer told from what is typed
			s.shows("panic: rotten in " + where)
			s.ends(before, 2) // that of a panic
		})
	}
}
