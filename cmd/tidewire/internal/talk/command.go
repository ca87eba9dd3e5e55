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
	Usage string // "CODE REASON"
	Help  string
	run   func(ctx context.Context, t *Talk, p Peer, args string) error
}

// pingWait is how long /ping waits for a pong.
const pingWait = 10 * time.Second

// Commands are those of a plain connection.
func Commands() map[string]Command {
	return map[string]Command{
		"/ping":   {"", "measure a round trip", ping},
		"/close":  {"[CODE [REASON]]", "close the connection, with 1000 unless said otherwise", closing},
		"/text":   {"TEXT", "send text as it stands", sends(Text)},
		"/hex":    {"DIGITS", "send a binary message, in hexadecimal", sends(Hex)},
		"/base64": {"TEXT", "send a binary message, in Base64", sends(Base64)},
		"/help":   {"", "show this", help},
	}
}

// carryOut does what a line that begins with a slash says. What is wrong with it is
// told; the error is the connection's, or ctx's.
func (t *Talk) carryOut(ctx context.Context, p Peer, text string) error {
	name, args, _ := strings.Cut(text, " ")
	command, ok := t.Commands[name]
	if !ok {
		return t.wrong(fmt.Errorf("there is no command %s: /help shows them; a text that begins with a slash is sent by another slash in front", name))
	}
	err := command.run(ctx, t, p, strings.TrimSpace(args))
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

func sends(form Form) func(context.Context, *Talk, Peer, string) error {
	return func(ctx context.Context, t *Talk, p Peer, args string) error {
		m, err := form.Parse([]byte(args))
		if err != nil {
			return err
		}
		return t.say(ctx, p, m)
	}
}

func help(_ context.Context, t *Talk, _ Peer, _ string) error {
	var b strings.Builder
	for _, name := range t.names() {
		c := t.Commands[name]
		fmt.Fprintf(&b, "  %-30s %s\n", name+" "+c.Usage, c.Help)
	}
	b.WriteString("  //TEXT                         send a text that begins with a slash\n")
	b.WriteString("  Ctrl-C, or Ctrl-D              close the connection and leave\n")
	b.WriteString("  Ctrl-Z                         stop until fg in the shell\n")
	t.Screen.Help(b.String())
	return nil
}

func (t *Talk) names() []string {
	var names []string
	for name := range t.Commands {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Complete is for terminal.PromptOptions: the commands that begin as the line does.
func Complete(commands map[string]Command) func(line string) []string {
	return func(line string) []string {
		var all []string
		for name := range commands {
			if strings.HasPrefix(name, line) && line != "" {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		return all
	}
}
