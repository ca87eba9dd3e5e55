package talk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Command is what a person can have done by a line that begins with a slash.
type Command struct {
	Name  string // "/close"
	Usage string // "CODE REASON"
	Help  string
	run   func(ctx context.Context, t *Talk, p Peer, args string) error
	live  func(ctx context.Context, p *live, args string) error // instead of run, where Dialer.Live has opened the connection
}

// pingWait is how long /ping waits for a pong.
const pingWait = 10 * time.Second

// Commands are those of a plain connection, by their names.
var Commands = []Command{
	{Name: "/base64", Usage: "TEXT", Help: "send a binary message, in Base64", run: sendBase64},
	{Name: "/close", Usage: "[CODE [REASON]]", Help: "close the connection, with 1000 unless said otherwise", run: closing},
	{Name: "/help", Help: "show this", run: help},
	{Name: "/hex", Usage: "DIGITS", Help: "send a binary message, in hexadecimal", run: sendHex},
	{Name: "/ping", Help: "measure a round trip", run: ping},
	{Name: "/text", Usage: "TEXT", Help: "send text as it stands", run: sendText},
}

// carryOut does what a line that begins with a slash says. What is wrong with it is
// told; the error is the connection's, or ctx's.
func (t *Talk) carryOut(ctx context.Context, p Peer, text string) error {
	name, args, _ := strings.Cut(text, " ")
	i := slices.IndexFunc(t.Commands, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return t.wrong(fmt.Errorf("there is no command %s: /help shows them; a text that begins with a slash is sent by another slash in front", name))
	}
	err := t.Commands[i].do(ctx, t, p, strings.TrimSpace(args))
	switch {
	case err == nil || errors.Is(err, errLeaving) || errors.Is(err, errOver):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	told := fmt.Errorf("%s: %s", name, plainText(err))
	if bad := (badInput{}); errors.As(err, &bad) {
		return t.wrong(told)
	}
	return t.wrong(marked{told, ErrBroken})
}

func (c *Command) do(ctx context.Context, t *Talk, p Peer, args string) error {
	if c.live == nil {
		return c.run(ctx, t, p, args)
	}
	l := p.(*live)
	return l.unlessOver(c.live(ctx, l, args))
}

// wrong tells a person, who goes on, of what cannot be done. A script ends with it.
func (t *Talk) wrong(err error) error {
	if t.Screen.Prompt != nil {
		t.Screen.Note("%v", err)
		return nil
	}
	return badInput{err}
}

// mistake is an error of who said what is to be done.
func mistake(format string, args ...any) error { return badInput{fmt.Errorf(format, args...)} }

func ping(ctx context.Context, t *Talk, p Peer, _ string) error {
	ctx, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	took, err := p.Ping(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no pong came within %v", pingWait)
	}
	if err != nil {
		return err
	}
	t.Screen.Note("pong after %v", took)
	return nil
}

func closing(_ context.Context, _ *Talk, p Peer, args string) error {
	code, reason, _ := strings.Cut(args, " ")
	number := uint64(ws.StatusNormalClosure)
	if code != "" {
		var err error
		if number, err = strconv.ParseUint(code, 10, 16); err != nil {
			return mistake("%q is no status code: usage: /close [CODE [REASON]]", code)
		}
	}
	if err := p.Finish(ws.StatusCode(number), strings.TrimSpace(reason)); err != nil {
		return err
	}
	return errLeaving
}

func sendText(ctx context.Context, t *Talk, p Peer, args string) error {
	return t.sayAs(ctx, p, Text, args)
}

func sendHex(ctx context.Context, t *Talk, p Peer, args string) error {
	return t.sayAs(ctx, p, Hex, args)
}

func sendBase64(ctx context.Context, t *Talk, p Peer, args string) error {
	return t.sayAs(ctx, p, Base64, args)
}

func (t *Talk) sayAs(ctx context.Context, p Peer, form Form, text string) error {
	m, err := form.Parse([]byte(text))
	if err != nil {
		return err
	}
	return t.say(ctx, p, m)
}

func help(_ context.Context, t *Talk, _ Peer, _ string) error {
	var b strings.Builder
	for _, c := range t.Commands {
		fmt.Fprintf(&b, "  %-30s %s\n", c.Name+" "+c.Usage, c.Help)
	}
	b.WriteString("  //TEXT                         send a text that begins with a slash\n")
	b.WriteString("  Ctrl-C, or Ctrl-D              close the connection and leave\n")
	b.WriteString("  Ctrl-Z                         stop until fg in the shell\n")
	t.Screen.Help(b.String())
	return nil
}

// Complete is for terminal.PromptOptions: the commands that begin as the line does.
func Complete(commands []Command) func(line string) []string {
	return func(line string) (all []string) {
		for _, c := range commands {
			if strings.HasPrefix(c.Name, line) && line != "" {
				all = append(all, c.Name)
			}
		}
		return all
	}
}
