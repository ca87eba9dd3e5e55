package main

import (
	"errors"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/live/protocol"
)

// liveFlags have connect speak the protocol of package live.
type liveFlags struct {
	Live      bool   `env:"-" help:"Speak to a hub: rooms, messages and calls by commands; see above."`
	Token     string `help:"With --live: token to be let in with. Other users of this machine may see it: rather give --token-file." placeholder:"TOKEN" secret:""`
	TokenFile string `help:"With --live: file with the token, read again whenever one is wanted." placeholder:"FILE"`
}

func (f *liveFlags) validate(c *connectCommand) error {
	switch {
	case !f.Live && (f.Token != "" || f.TokenFile != ""):
		return errors.New("--token and --token-file go with --live; other servers may take -H 'Authorization: Bearer …'")
	case !f.Live:
		return nil
	case c.Listen != "":
		return errors.New("--live is for a client: leave --listen out")
	case c.form() != talk.Text || c.NUL || c.Whole:
		return errors.New("--live has commands as its input and lines of JSON as its output: leave --binary, --hex, --base64, --jsonl, --null and --whole out")
	case c.Record != "" || c.Replay != "":
		return errors.New("--record and --replay are for plain WebSockets: leave --live out")
	case f.Token != "" && f.TokenFile != "":
		return errors.New("--token and --token-file: one will do")
	}
	if f.Token != "" {
		if err := protocol.CheckToken(f.Token); err != nil {
			return errors.New("--token: " + err.Message)
		}
	}
	return nil
}

// token is where the token comes from; nil: there is none.
func (f *liveFlags) token() talk.Token {
	switch {
	case f.Token != "":
		return talk.FixedToken(f.Token)
	case f.TokenFile != "":
		return talk.TokenFile(f.TokenFile)
	}
	return nil
}

// commands are what a line that begins with a slash may be.
func (f *liveFlags) commands() []talk.Command {
	if f.Live {
		return talk.LiveCommands
	}
	return talk.Commands
}

// historyName is of whose lines the history is.
func (f *liveFlags) historyName() string {
	if f.Live {
		return "connect-live"
	}
	return "connect"
}
