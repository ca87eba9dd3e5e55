package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
)

type connectCommand struct {
	Target string `arg:"" optional:"" help:"What to connect to: a ws:// or wss:// URL, host:port/path, :port/path of this machine, ws+unix:///run/x.sock:/path; or without WebSocket tcp://host:port, tls://host:port, udp://host:port, unix:/run/x.sock."`
	Listen string `short:"l" env:"-" help:"Be a server instead: listen on this host:port, this port of 127.0.0.1, or unix:PATH, for one connection at a time." placeholder:"ADDR"`
	Keep   bool   `short:"k" env:"-" help:"With --listen: wait for another connection when one has ended."`

	clientFlags
	Subprotocol    []string      `short:"s" help:"Subprotocol to offer, or with --listen to speak. May be repeated." placeholder:"NAME"`
	Origin         string        `short:"o" help:"Origin header to send, such as https://example.com." placeholder:"URL"`
	Host           string        `help:"Host header to send instead of the URL's." placeholder:"HOST"`
	Proxy          string        `help:"Proxy to go through: http://, https:// or socks5://[user:password@]host:port; none goes without one. The environment's (HTTPS_PROXY, …) unless given." placeholder:"URL" secret:"urls"`
	UnixSocket     string        `help:"Unix socket that leads to the URL's server." placeholder:"PATH"`
	ServerName     string        `help:"Name that the server's certificate must be for, instead of the URL's host." placeholder:"HOST"`
	Redirects      int           `help:"How many redirects to follow." default:"0"`
	Compress       bool          `help:"Offer permessage-deflate, or with --listen accept it."`
	ConnectTimeout time.Duration `help:"The longest that a connection attempt may take." default:"10s"`
	PingInterval   time.Duration `help:"After how much silence to send a ping; 0s means never." default:"25s"`

	tlsFlags
	AnyOrigin bool `help:"With --listen: let pages of any origin connect."`

	liveFlags

	Execute []exact `short:"x" sep:"none" env:"-" help:"Send this first, or with --live do it, on each new connection. May be repeated." placeholder:"MESSAGE"`
	NoInput bool    `short:"u" env:"-" help:"Read nothing from standard input."`
	Binary  bool    `short:"b" xor:"form" help:"Send input as binary messages, as it comes, and print nothing between messages."`
	Hex     bool    `xor:"form" help:"Lines are binary messages in hexadecimal, either way."`
	Base64  bool    `name:"base64" env:"TIDEWIRE_BASE64" xor:"form" help:"Lines are binary messages in Base64, either way."`
	JSONL   bool    `name:"jsonl" xor:"form" help:"Lines are JSON, either way: {\"type\":\"text\",\"data\":\"…\"} or {\"type\":\"binary\",\"base64\":\"…\"}."`
	NUL     bool    `name:"null" short:"0" help:"Messages end with a NUL instead of a line break, either way in pipes."`
	Whole   bool    `env:"-" help:"All of standard input is one message."`
	JSON    string  `name:"json" help:"How text messages that are JSON are shown: ${enum}; auto is pretty on a terminal, where it is long, and raw in a pipe." enum:"auto,pretty,raw,compact" default:"auto"`

	Count   int           `short:"n" env:"-" help:"Leave after so many messages have come." placeholder:"N"`
	Expect  []exact       `short:"e" sep:"none" env:"-" help:"Leave when a message has come that matches this regular expression. May be repeated: one after the other." placeholder:"REGEXP"`
	Wait    time.Duration `short:"w" env:"-" help:"How long to go on when the input has ended, and neither -n nor --expect asks for more; 1s for udp, and otherwise 0s, unless given. With -u, how long to go on at all; for ever unless given." default:"-1s" placeholder:"TIME"`
	Timeout time.Duration `env:"-" help:"The longest to wait for what -n and --expect ask for." placeholder:"TIME"`

	Reconnect    bool          `short:"r" env:"-" help:"Connect again when the connection is lost, or cannot be made, after a random wait that grows. What --execute says is sent again."`
	ReconnectMax time.Duration `help:"The longest of these waits." default:"20s"`

	Record string  `env:"-" help:"Write what passes to this file, with its times: lines of JSON." placeholder:"FILE"`
	Replay string  `env:"-" help:"Send what was sent in a recording, at its times, instead of the input; with --listen, what the server sent." placeholder:"FILE"`
	Speed  float64 `env:"-" help:"How many times as fast; 0 leaves no time between." default:"1"`

	Verbose     bool `short:"v" help:"Show the handshake, and the header of each frame, with times."`
	ShowSecrets bool `env:"-" help:"With --verbose: do not mask Authorization, Cookie and the query."`
	NoHistory   bool `help:"Neither read nor keep what was typed."`

	// What Validate makes of the above.
	target      talk.Target // the zero value with Listen
	first       []talk.Item
	expectation talk.Expectation
	proxy       *url.URL // nil for the environment's, and an empty URL for none
}

const connectHelp = `Examples:

  tidewire connect wss://example.org/ws                   talk by hand; /help shows the commands
  echo hello | tidewire connect ws://127.0.0.1:8080/echo  send lines, print what comes, leave
  tidewire connect URL -x '{"subscribe":"x"}' -n 1 -u     print the first answer
  tidewire connect URL -x ping --expect '^pong' --timeout 5s
  tidewire connect URL -r -u -x hello >> messages.txt     listen for ever
  tidewire connect URL --hex -v                           see each frame
  tidewire connect --listen 127.0.0.1:9000                be the server
  tidewire connect URL --record talk.jsonl                write down what passes, and later
  tidewire connect URL --replay talk.jsonl                send it again, at its times
  tidewire connect tcp://localhost:6379
  tidewire connect --live ws://127.0.0.1:8080/live        enter rooms, call, be called
  tidewire connect --live URL -x '/join room:7 10' -u     print what comes in a room

On a terminal, lines are edited, kept in a history, and sent as they are entered; Alt-Enter breaks a line within a message.
In a pipe, each line is a message, either way. At the end of the input, the connection is closed with 1000, behind what
was sent, and what the peer says before it closes its side is printed, too. With -n or --expect it is held until these are
satisfied, with --wait so long.

With --live the other side is a hub of Tidewire. Lines are commands, /join ROOM [COUNT], /send TYPE [DATA], /call TYPE [DATA], and
others that /help shows; one without a slash is sent as /send does it, with the type that was sent last. What happens is printed as lines of JSON in a pipe. A connection
that is lost is made again, and the rooms with it; --reconnect is for the first one. The first command that fails ends a script.

Exit status: 0 when all went well, 1 when something here failed, 2 for a bad command line, 6 when there was no connection
or the handshake was refused, 7 when what -n or --expect asks for did not come, 8 when the connection
broke, ended with another code than 1000, 1001 or none, ended before all of the input was sent, or a command of --live failed.`

// Help is kong's hook.
func (*connectCommand) Help() string { return connectHelp }

// Validate is kong's hook.
func (c *connectCommand) Validate() error {
	switch {
	case c.Target == "" && c.Listen == "":
		return errors.New("connect needs what to connect to, such as ws://127.0.0.1:8080/echo, or --listen to be the server")
	case c.Target != "" && c.Listen != "":
		return errors.New("connect takes a target or --listen, not both")
	case c.Keep && c.Listen == "":
		return errors.New("--keep goes with --listen; --reconnect is for a client")
	case c.Reconnect && c.Listen != "":
		return errors.New("--reconnect is for a client; --keep goes with --listen")
	case c.Listen == "" && (c.TLSCert != "" || c.TLSKey != "" || c.TLSSelfSigned || c.AnyOrigin):
		return errors.New("--tls-cert, --tls-key, --tls-self-signed and --any-origin go with --listen; a client's certificate is --client-cert")
	case c.Timeout > 0 && c.Count == 0 && len(c.Expect) == 0:
		return errors.New("--timeout goes with -n or --expect; --connect-timeout is for the handshake, --wait for the time after the input")
	case c.Count < 0:
		return fmt.Errorf("--count is %d; it must not be negative", c.Count)
	case c.Timeout < 0:
		return fmt.Errorf("--timeout is %v; it must not be negative", c.Timeout)
	case c.ConnectTimeout <= 0 || c.ReconnectMax <= 0:
		return errors.New("--connect-timeout and --reconnect-max must be more than 0")
	case c.PingInterval < 0:
		return fmt.Errorf("--ping-interval is %v; it must not be negative", c.PingInterval)
	case c.Redirects < 0 || c.Redirects > 20:
		return fmt.Errorf("--redirects is %d; it must be from 0 to 20", c.Redirects)
	case c.Whole && (c.NUL || c.JSONL):
		return errors.New("--whole makes one message of all the input: leave --null and --jsonl out")
	case c.Replay != "" && (c.NoInput || c.Whole):
		return errors.New("--replay is the input: leave --no-input and --whole out")
	case c.Replay != "" && c.Replay == c.Record:
		return fmt.Errorf("--record and --replay are both %s: recording would empty it", c.Record)
	case c.Replay == "" && c.Speed != 1:
		return errors.New("--speed goes with --replay")
	case !(c.Speed >= 0 && c.Speed <= 1e6):
		return fmt.Errorf("--speed is %v; it must be from 0 to 1000000", c.Speed)
	case c.ShowSecrets && !c.Verbose:
		return errors.New("--show-secrets goes with --verbose")
	}
	var err error
	if c.Target != "" {
		if c.target, err = talk.ParseTarget(c.Target); err != nil {
			return err
		}
		if c.target.Network != "" && (c.Live || c.Verbose || c.Compress || len(c.Subprotocol) > 0 || c.Origin != "" || c.UnixSocket != "" || c.Proxy != "" || len(c.Header) > 0) {
			return fmt.Errorf("%s has no handshake and no frames: --live, --verbose, --compress, --subprotocol, --origin, --header, --proxy and --unix-socket are for WebSockets", c.target)
		}
	}
	if c.first, err = c.parseExecute(); err != nil {
		return err
	}
	if c.expectation, err = c.parseExpect(); err != nil {
		return err
	}
	if c.proxy, err = c.parseProxy(); err != nil {
		return err
	}
	return cmp.Or(c.clientFlags.validate(), c.tlsFlags.validate(), c.liveFlags.validate(c))
}

// form is how lines stand for messages.
func (c *connectCommand) form() talk.Form {
	switch {
	case c.Binary:
		return talk.Binary
	case c.Hex:
		return talk.Hex
	case c.Base64:
		return talk.Base64
	case c.JSONL:
		return talk.JSONLines
	}
	return talk.Text
}

func (c *connectCommand) parseExpect() (talk.Expectation, error) {
	e := talk.Expectation{Count: c.Count}
	for _, text := range c.Expect {
		p, err := regexp.Compile(string(text))
		if err != nil {
			return e, fmt.Errorf("--expect %q is no regular expression: %w", text, err)
		}
		e.Patterns = append(e.Patterns, p)
	}
	return e, nil
}

func (c *connectCommand) parseExecute() (all []talk.Item, err error) {
	for _, text := range c.Execute {
		it, err := talk.ParseItem([]byte(text), c.form(), c.Live)
		if err != nil {
			return nil, fmt.Errorf("--execute %q: %w", text, err)
		}
		all = append(all, it)
	}
	return all, nil
}

func (c *connectCommand) parseProxy() (*url.URL, error) {
	switch c.Proxy {
	case "":
		return nil, nil
	case "none":
		return &url.URL{}, nil
	}
	text := c.Proxy
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("--proxy must be of the form http://host:port, https://host:port or socks5://host:port, or none")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, fmt.Errorf("--proxy has the scheme %s; it must be http, https, socks5 or socks5h", u.Scheme)
}

// Run talks.
func (c *connectCommand) Run(ctx context.Context, std stdio, log *slog.Logger) error {
	signal.Ignore(syscall.SIGPIPE) // that nobody reads what comes is an error to tell
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	at, err := c.openDesk(ctx, std, leave)
	if err != nil {
		return err
	}
	defer at.close()
	t := &talk.Talk{
		Input: at.input, Screen: at.screen, First: c.first, Expectation: c.expectation, Wait: c.wait(), Timeout: c.Timeout, Commands: c.commands(),
	}
	end, err := c.meet(ctx, t, at, log)
	if err != nil {
		return err
	}
	defer end()
	written, err := c.record(t)
	if err != nil {
		return err
	}
	err = t.Run(ctx)
	at.close()
	err = cmp.Or(err, written())
	if refusal := talk.RefusalIn(err); refusal != nil {
		at.screen.Help(refusal.Details())
	}
	return err
}

// role is which side of the conversation is here.
func (c *connectCommand) role() string {
	if c.Listen != "" {
		return talk.RoleServer
	}
	return talk.RoleClient
}

// record has what passes written down, if it is to be. What it returns ends that, and says what went wrong.
func (c *connectCommand) record(t *talk.Talk) (written func() error, err error) {
	if c.Record == "" {
		return func() error { return nil }, nil
	}
	// For nobody else to read: it may hold anything.
	file, err := os.OpenFile(c.Record, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	recorder, connect := talk.NewRecorder(file, c.role(), cmp.Or(c.Listen, c.target.String())), t.Connect
	t.Connect = func(ctx context.Context) (talk.Peer, error) {
		p, err := connect(ctx)
		if err == nil {
			p = recorder.Record(p)
		}
		return p, err
	}
	return func() error { return cmp.Or(recorder.Err(), file.Close()) }, nil
}

// wait is how long to go on after the input.
func (c *connectCommand) wait() time.Duration {
	switch {
	case c.Wait >= 0:
		return c.Wait
	case c.target.Network == "udp":
		return time.Second
	}
	return 0
}
