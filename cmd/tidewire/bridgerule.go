package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidewire/tidewire/bridge"
)

// tokensTarget begins a target that is a list of them.
const tokensTarget = "tokens:"

// bridgeRule is one of the rules of a bridge: what stands on the command line, or on a line of a file.
type bridgeRule struct {
	Listen string `arg:"" optional:"" help:"Endpoint to listen on."`
	Target string `arg:"" optional:"" help:"Endpoint to connect its clients to, or tokens:FILE."`

	MaxConnections        int           `help:"Clients at once; more are refused." default:"1000"`
	MaxAddressConnections int           `help:"Clients at once from one address, or one /64 of IPv6; 0 means no other bound." default:"0"`
	DialTimeout           time.Duration `help:"How long connecting to the target may take, with TLS and handshake." default:"10s"`
	Idle                  time.Duration `help:"End a connection on which nothing has passed for so long. 0s means for ever, and a minute where a side is UDP." default:"0s"`
	Total                 time.Duration `help:"End a connection that has lasted so long; 0s means for ever." default:"0s"`
	Linger                time.Duration `help:"How long a target may be silent that is WebSocket or UDP and whose client has ended, and how long one may take to end whose client has gone. When the bridge is to end, also how long a UDP client may be silent." default:"5s"`
	Framing               string        `help:"How a stream marks the boundaries of datagrams and messages: ${enum}. length16 has their length in front of them, in 16 bits." enum:"raw,length16" default:"raw"`
	ProxyProtocol         string        `help:"Tell a target that is a stream who the client is, by the PROXY protocol: ${enum}." enum:"no,v1,v2" default:"no"`

	Origins      []string `help:"Web pages of which sites may connect, beside those of the same host: patterns such as https://*.example.com." placeholder:"PATTERN"`
	AnyOrigin    bool     `help:"Let any web page connect that somebody opens who reaches this address."`
	Subprotocols []string `help:"Subprotocols to offer to a WebSocket target and to accept from clients, beside those that need no mention." placeholder:"NAME"`
	Web          string   `help:"Serve the files of this folder on the address of a WebSocket endpoint." placeholder:"DIR"`

	tlsFlags
	TLSClientCA string `name:"tls-client-ca" help:"Take only clients that show a certificate which one of these, in PEM, has signed." placeholder:"FILE"`
	clientFlags

	listen bridge.Endpoint
	target bridge.Endpoint // none where it is a list
}

// parseRule reads a rule as it stands on a line.
func parseRule(args []string) (*bridgeRule, error) {
	rule := &bridgeRule{}
	parser, err := kong.New(rule, kong.NoDefaultHelp(), kong.Writers(io.Discard, io.Discard))
	if err == nil {
		_, err = parser.Parse(args)
	}
	return rule, err
}

// validate finds out what needs no file to be known as wrong.
func (b *bridgeRule) validate() (err error) {
	if b.Listen == "" || b.Target == "" {
		return errors.New("a bridge needs an endpoint to listen on and a target")
	}
	if b.listen, err = parseEndpoint(b.Listen); err != nil {
		return err
	}
	if !strings.HasPrefix(b.Target, tokensTarget) {
		if b.target, err = parseEndpoint(b.Target); err != nil {
			return err
		}
	}
	switch { // of all these 0 is bridge.Rule's default
	case b.MaxConnections == 0:
		return errors.New("--max-connections is 0; nobody could connect")
	case b.DialTimeout == 0:
		return errors.New("--dial-timeout is 0s; nothing could be reached")
	case b.Linger == 0:
		return errors.New("--linger is 0s; choose a short time, such as 1ms")
	}
	if err := b.tlsFlags.validate(); err != nil {
		return err
	}
	if b.TLSClientCA != "" && b.TLSCert == "" && !b.TLSSelfSigned {
		return errors.New("--tls-client-ca goes with --tls-cert and --tls-key, or --tls-self-signed")
	}
	if to := b.target.String(); b.target != (bridge.Endpoint{}) && !strings.HasPrefix(to, "wss:") && !strings.HasPrefix(to, "tls:") &&
		(b.CAFile != "" || b.InsecureSkipVerify || b.ClientCert != "") {
		return fmt.Errorf("there is no TLS to %s: --ca-file, --insecure-skip-verify and --client-cert are for wss: and tls: targets", b.shown())
	}
	return b.clientFlags.validate()
}

// parseEndpoint is bridge.Parse, whose errors say which command they are of: kong says so too.
func parseEndpoint(text string) (bridge.Endpoint, error) {
	e, err := bridge.Parse(text)
	if err != nil {
		err = errors.New(strings.TrimPrefix(err.Error(), "bridge: "))
	}
	return e, err
}

// shown is the target without secrets.
func (b *bridgeRule) shown() string {
	if b.target == (bridge.Endpoint{}) {
		return b.Target
	}
	return b.target.Redacted()
}

// open makes the rule of it, with what the files hold that it names. The pair is nil unless it listens with TLS.
func (b *bridgeRule) open(ctx context.Context, log *slog.Logger) (rule bridge.Rule, pair *keyPair, err error) {
	rule = bridge.Rule{
		Listen: b.listen, Target: b.target, MaxConnections: b.MaxConnections, MaxAddressConnections: b.MaxAddressConnections,
		DialTimeout: b.DialTimeout, Idle: b.Idle, Total: b.Total, Linger: b.Linger,
		Origins: b.Origins, AnyOrigin: b.AnyOrigin, Subprotocols: b.Subprotocols,
		Proxy: map[string]bridge.ProxyVersion{"v1": bridge.ProxyV1, "v2": bridge.ProxyV2}[b.ProxyProtocol],
	}
	if b.Framing == "length16" {
		rule.Framing = bridge.Length16
	}
	if len(b.Header) > 0 {
		rule.Header = b.header()
	}
	if name, ok := strings.CutPrefix(b.Target, tokensTarget); ok {
		tokens, err := bridge.OpenTokens(name, log)
		if err != nil {
			return rule, nil, err
		}
		rule.Lookup = tokens.Lookup
	}
	if rule.TargetTLS, err = b.clientFlags.tls(); err != nil {
		return rule, nil, err
	}
	if pair, err = b.tlsFlags.open(ctx, b.listen.Host(), log); err != nil {
		return rule, nil, err
	}
	if pair != nil {
		rule.TLS = pair.config()
	}
	if b.TLSClientCA != "" {
		if rule.TLS.ClientCAs, err = certificates(b.TLSClientCA); err != nil {
			return rule, nil, err
		}
		rule.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if b.Web != "" {
		if info, err := os.Stat(b.Web); err != nil {
			return rule, nil, err
		} else if !info.IsDir() {
			return rule, nil, fmt.Errorf("--web %s is no folder", b.Web)
		}
		rule.Web = http.FileServer(http.Dir(b.Web))
	}
	return rule, pair, nil
}

// readRules reads a file of rules.
func readRules(ctx context.Context, name string) (rules []*bridgeRule, err error) {
	data, err := readBounded(ctx, name)
	if err != nil {
		return nil, err
	}
	n := 0
	text := strings.TrimPrefix(string(data), "\ufeff") // what some editors begin a file with
	for line := range strings.Lines(text) {
		n++
		words, err := splitWords(line)
		if err == nil && len(words) == 0 {
			continue
		}
		var rule *bridgeRule
		if err == nil {
			rule, err = parseRule(words)
		}
		if err == nil {
			err = rule.validate()
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		rules = append(rules, rule)
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("%s holds no rules", name)
	}
	return rules, nil
}
