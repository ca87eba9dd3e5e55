package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/bridge"
	"github.com/tidewire/tidewire/service/metrics"
)

type bridgeCommand struct {
	bridgeRule
	Rules string `help:"Take the rules from this file, a line each: what would stand behind tidewire bridge, with quotes as in a shell; # begins a comment." placeholder:"FILE"`

	AdminAddr string        `help:"Serve /metrics, /healthz, /readyz and /debug/pprof/ on this address, too: host:port." placeholder:"ADDR"`
	Drain     time.Duration `help:"How long to wait for connections to end after Ctrl-C or SIGTERM." default:"10s"`

	proxyFlags
}

const bridgeHelp = `Examples:

  tidewire bridge ws://127.0.0.1:8081/db tcp:127.0.0.1:5432
  tidewire bridge tcp:127.0.0.1:5432 wss://example.org/db -H 'Authorization: Bearer x'
  tidewire bridge ws://127.0.0.1:8081/game udp:127.0.0.1:9999 --origins https://example.org
  tidewire bridge ws://127.0.0.1:6080/ tokens:/etc/desktops --web /usr/share/novnc
  tidewire bridge --rules bridge.rules --admin-addr 127.0.0.1:9090

An endpoint is ws://host:port/path, wss://host:port/path, ws+unix:/socket:/path, tcp:host:port, tls:host:port, udp:host:port or
unix:/socket. The target may be tokens:FILE instead: clients then name a token, as ?token=NAME or as the path's last segment,
and each line of the file, or of the files of a folder, is "token: target", as websockify reads it.

A connection that ends in good order ends so on the other side, half of it at a time where that is possible; one that breaks is
broken there too. One datagram is one message. The exit status is 3 when connections had to be broken off at the end.`

// Help is kong's hook.
func (*bridgeCommand) Help() string { return bridgeHelp }

// Validate is kong's hook.
func (b *bridgeCommand) Validate() error {
	if _, _, err := net.SplitHostPort(b.AdminAddr); err != nil && b.AdminAddr != "" {
		return fmt.Errorf("--admin-addr is %q; it must be host:port", b.AdminAddr)
	}
	if b.Drain < 0 {
		return fmt.Errorf("--drain is %v; it must not be negative", b.Drain)
	}
	if err := b.proxyFlags.validate(); err != nil {
		return err
	}
	if b.Rules == "" {
		return b.bridgeRule.validate()
	}
	if plain, err := parseRule(nil); err != nil || !reflect.DeepEqual(*plain, b.bridgeRule) {
		return errors.New("with --rules, what a rule is and its flags stand in the file: neither on the command line, nor in the environment as TIDEWIRE_IDLE and the like")
	}
	return nil
}

// Run bridges until ctx ends, then drains.
func (b *bridgeCommand) Run(ctx context.Context, std stdio, log *slog.Logger) (err error) {
	// As serve does: who reads the log may go before.
	signal.Ignore(syscall.SIGPIPE)
	written := []*bridgeRule{&b.bridgeRule}
	if b.Rules != "" {
		if written, err = readRules(ctx, b.Rules); err != nil {
			return err
		}
	}
	var rules []bridge.Rule
	var pairs keyPairs
	for _, from := range written {
		rule, pair, err := from.open(ctx, log)
		if err != nil {
			return err
		}
		rules = append(rules, rule)
		if from.TLSCert != "" {
			pairs = append(pairs, pair)
		}
	}
	open, err := bridge.Listen(rules, &bridge.Options{Client: b.proxyFlags.client(), Logger: log})
	if err != nil {
		return err
	}
	defer open.Close()
	systemd, err := newNotifier(log)
	if err != nil {
		return err
	}
	defer systemd.close()
	ready := &readiness{}
	ready.open(func() string { return "" })
	var desk *admin
	if b.AdminAddr != "" {
		numbers := metrics.New(metrics.Options{Version: version(), Logger: log})
		numbers.Registerer().MustRegister(bridgeFigures{open})
		if desk, err = startAdmin(nil, b.AdminAddr, ready, numbers.Handler(), log); err != nil {
			return err
		}
		defer desk.close()
	}
	greetBridge(std.out, written, open, desk)

	running, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	if len(pairs) > 0 {
		renew := make(chan os.Signal, 1)
		signal.Notify(renew, syscall.SIGHUP)
		defer signal.Stop(renew)
		group.Go(func() { pairs.watch(running, renew) })
	}
	systemd.ready(func() { open.Open() })
	if err := open.Run(ctx); err != nil {
		return err
	}
	ready.drain()
	systemd.say("STOPPING=1\nSTATUS=draining")
	log.Info("draining", "open", open.Open(), "within", b.Drain.String())
	bound, cancel := context.WithTimeout(context.Background(), b.Drain)
	defer cancel()
	if err := open.Shutdown(bound); err != nil {
		return errCut
	}
	log.Info("stopped")
	return nil
}

// greetBridge says what is bridged, with the ports that were free where a rule says 0.
func greetBridge(w io.Writer, rules []*bridgeRule, open *bridge.Bridge, desk *admin) {
	fmt.Fprintln(w, "Tidewire is bridging")
	for i, rule := range rules {
		fmt.Fprintf(w, "  %s to %s\n", rule.listen.At(open.Addr(i)), rule.shown())
	}
	if desk != nil {
		fmt.Fprintf(w, "  admin: http://%s/metrics\n", visible(desk.addr))
	}
	fmt.Fprintf(w, "Press Ctrl-C to stop.\n")
}
