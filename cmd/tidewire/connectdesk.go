package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/cmd/tidewire/internal/terminal"
)

// desk is where a person or a script sits: what is read from, and shown on.
type desk struct {
	input     *talk.Input
	connected func() // is called when there is a connection
	screen    *talk.Screen
	close     func() // gives the terminal back; may be called more than once
}

// openDesk finds out who sits there. leave is called when a person has pressed Ctrl-C.
func (c *connectCommand) openDesk(ctx context.Context, std stdio, leave func()) (*desk, error) {
	screen := &talk.Screen{Out: talk.NewOutlet(std.out), Err: talk.NewOutlet(std.err), Form: c.form(), NUL: c.NUL, Terminal: isScreen(std.out)}
	screen.Colour = screen.Terminal && isTerminal(std.out)
	var err error
	if screen.Pretty, err = talk.ParsePretty(c.JSON); err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, screen.Hurry)
	at := &desk{screen: screen, connected: func() {}, close: func() {}}
	in, keys := std.in.(*os.File)
	switch {
	case c.Replay != "":
		file, err := os.Open(c.Replay)
		if err != nil {
			return nil, err
		}
		if at.input, at.connected, err = talk.Replay(file, c.role(), c.Speed); err != nil {
			file.Close()
			return nil, fmt.Errorf("%s: %w", c.Replay, err)
		}
		at.close = func() { file.Close() }
	case c.NoInput && c.Wait >= 0: // it is said how long
		at.input = talk.Pipe(strings.NewReader(""), talk.Piping{})
	case c.NoInput:
		at.input = talk.Nothing()
	case keys && screen.Terminal && term.IsTerminal(int(in.Fd())) && os.Getenv("TERM") != "dumb":
		if err := c.openPrompt(ctx, at, in, std.out.(*os.File), leave); err != nil {
			return nil, err
		}
	default:
		at.input = talk.Pipe(std.in, talk.Piping{Form: c.form(), NUL: c.NUL, Whole: c.Whole, Commands: c.Live})
	}
	return at, nil
}

// announced is connect, and tells the desk of each connection.
func (at *desk) announced(connect func(context.Context) (talk.Peer, error)) func(context.Context) (talk.Peer, error) {
	return func(ctx context.Context) (talk.Peer, error) {
		p, err := connect(ctx)
		if err != nil {
			return nil, err
		}
		if at.screen.Prompt != nil {
			at.screen.Note("connected to %v", p)
		}
		at.connected()
		return p, nil
	}
}

// logger is log, above the line that a person edits.
func (at *desk) logger(log *slog.Logger) *slog.Logger {
	if at.screen.Prompt == nil {
		return log
	}
	return slog.New(slog.NewTextHandler(above{at.screen}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// above writes lines above that line.
type above struct{ screen *talk.Screen }

func (w above) Write(p []byte) (int, error) {
	w.screen.Trace(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// isScreen reports whether w is a terminal, with colours or without.
func isScreen(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// openPrompt has a person type.
func (c *connectCommand) openPrompt(ctx context.Context, at *desk, in, out *os.File, leave func()) error {
	history := &terminal.History{}
	if !c.NoHistory {
		file, err := terminal.HistoryFile(c.historyName())
		if err == nil {
			var kept *terminal.History
			if kept, err = terminal.OpenHistory(file); kept != nil {
				history = kept
			}
		}
		if err != nil {
			fmt.Fprintf(at.screen.Err, "tidewire: the history cannot be read: %v (--no-history)\n", err)
		}
	}
	prompt, err := terminal.NewPrompt(in, at.screen.Out, terminal.PromptOptions{
		Width: func() int {
			width, _, err := term.GetSize(int(out.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		},
		Begin: func() (func(), error) {
			state, err := term.MakeRaw(int(in.Fd()))
			if err != nil {
				return nil, err
			}
			return func() { term.Restore(int(in.Fd()), state) }, nil
		},
		Suspend: suspend, History: history, Complete: talk.Complete(c.commands()), Colour: at.screen.Colour,
	})
	if err != nil {
		return err
	}
	at.screen.Prompt = prompt
	forget := context.AfterFunc(ctx, prompt.Close) // a second signal ends the process at once
	unwatch := onResize(prompt.Redraw)
	at.input = talk.Typed(prompt, at.screen, c.form(), leave)
	at.close = func() {
		forget()
		prompt.Close()
		unwatch()
	}
	return nil
}
