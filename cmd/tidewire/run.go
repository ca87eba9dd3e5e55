package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/configfile"
	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/cmd/tidewire/internal/terminal"
)

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// commandLine is the whole command line. Every flag is also an environment
// variable: --log-level is TIDEWIRE_LOG_LEVEL.
type commandLine struct {
	LogLevel  slog.Level       `help:"Least severe log messages to show: debug, info, warn or error." default:"info"`
	LogFormat string           `help:"How the log looks: ${enum}. auto means colours on a terminal and plain text elsewhere." enum:"auto,text,json" default:"auto"`
	Version   kong.VersionFlag `help:"Print the version and exit." env:"-" config:"-"`

	Serve      serveCommand      `cmd:"" help:"Serve the demo pages, the echo endpoint and the chat."`
	Bridge     bridgeCommand     `cmd:"" help:"Relay between WebSocket and TCP, TLS, UDP and Unix sockets."`
	Store      storeCommand      `cmd:"" help:"Export what serve stores, and import it elsewhere."`
	Token      tokenCommand      `cmd:"" help:"Make tokens for clients, and keys."`
	Connect    connectCommand    `cmd:"" help:"Talk to a WebSocket server, by hand or by a script; or be one."`
	Bench      benchCommand      `cmd:"" help:"Put a WebSocket server under load and measure it."`
	Check      checkCommand      `cmd:"" help:"Test whether a WebSocket server or client keeps to RFC 6455 and RFC 7692."`
	Completion completionCommand `cmd:"" help:"Print what a shell needs to complete command lines."`
	Complete   completeCommand   `cmd:"" hidden:""`
}

const description = `Tidewire: WebSocket for Go, and the tools around it.

Example: tidewire serve --addr 127.0.0.1:9000

Exit status: 0 done, 1 failed, 2 bad command line, 3 stopped before every
connection had closed, 4 an implementation under test does not conform, 5 errors under load, 6 no connection,
7 what was expected did not come, 8 a connection ended badly, 128 and the signal's number after a second Ctrl-C or SIGTERM.`

// Exit codes, as the help documents them.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitCut
	exitNonconforming
	exitFaulty
	exitUnreached
	exitUnseen
	exitBroken
	exitSignal = 128 // and the signal's number
)

// usageError is a command line that makes no sense.
type usageError struct{ error }

// errCut is a drain that ran out of time.
var errCut = errors.New("connections were still open when the drain time (--drain) was over")

// exited is how kong says that the command is over: after --help or --version.
type exited int

// run parses args and runs the command that they name, until it is done or ctx
// ends. It has reported the error that it returns.
func run(ctx context.Context, args []string, io stdio) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case exited:
			err = nil
		default:
			panic(v)
		}
	}()
	var cli commandLine
	parser, err := kong.New(&cli,
		kong.Name("tidewire"),
		kong.Description(description),
		kong.Writers(io.out, io.err),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.DefaultEnvars("TIDEWIRE"),
		kong.Vars{"version": "tidewire " + version()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io),
	)
	if err != nil {
		return fmt.Errorf("command line: %w", err) // a mistake in commandLine
	}
	command, err := parser.Parse(args)
	if errors.Is(err, errStopped) {
		fmt.Fprintf(io.err, "tidewire: %s\n", oneLine(err))
		return nil
	}
	if err != nil {
		fmt.Fprintf(io.err, "tidewire: %s%s\n", oneLine(err), whereTo(err, cli.Serve.file))
		return usageError{err}
	}
	log := newLogger(io.err, cli.LogLevel, cli.LogFormat)
	if err := command.Run(log); err != nil {
		stderr := talk.NewOutlet(io.err)
		defer context.AfterFunc(ctx, stderr.Hurry)() // who has told it to stop waits for nobody who reads
		fmt.Fprintf(stderr, "tidewire: %s\n", oneLine(err))
		if errors.Is(err, errStopped) {
			return nil
		}
		return err
	}
	return nil
}

// oneLine is what the error says, in one line, and without what a terminal would obey: some of it may be a peer's.
func oneLine(err error) string {
	return terminal.Escape([]byte(strings.Join(strings.FieldsFunc(err.Error(), isBreak), "; ")))
}

func isBreak(r rune) bool { return r == '\n' || r == '\r' }

// whereTo says where what is wrong with a command line stands, or where to read what would be right.
func whereTo(err error, file *configfile.File) string {
	var bad *configfile.Error
	if errors.As(err, &bad) {
		return ""
	}
	if where := file.Cite(err); where != "" {
		return where
	}
	command := "tidewire"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		command = parse.Context.Selected().FullPath()
	}
	return fmt.Sprintf(" (see %s --help)", command)
}

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errCut):
		return exitCut
	case errors.Is(err, errNonconforming):
		return exitNonconforming
	case errors.Is(err, errFaulty):
		return exitFaulty
	case errors.Is(err, talk.ErrUnseen): // before the others: it may have been for their sake
		return exitUnseen
	case errors.Is(err, talk.ErrUnreached):
		return exitUnreached
	case errors.Is(err, talk.ErrBroken):
		return exitBroken
	}
	return exitFailed
}

// version is the module's version, or what Go knows of the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version + " " + info.GoVersion
}
