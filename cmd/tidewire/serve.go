package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/configfile"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/metrics"
	"github.com/tidewire/tidewire/ws"
)

type serveCommand struct {
	Config      string `help:"Read these flags from a file in YAML. One on the command line comes before its environment variable, which comes before the file." placeholder:"FILE" config:"-"`
	PrintConfig bool   `help:"Print the configuration that would be used, as --config takes it, with secrets masked, and exit." env:"-" config:"-"`

	Addr      string        `help:"Address to listen on: host:port. An empty host means every interface; port 0 means any free one." default:"127.0.0.1:8080"`
	AdminAddr string        `help:"Serve /metrics, /healthz, /readyz and /debug/pprof/ on this address, too: host:port. Let it be one that only those reach who run the server, such as 127.0.0.1:9090." placeholder:"ADDR"`
	Drain     time.Duration `help:"How long to wait for connections to close after Ctrl-C or SIGTERM." default:"10s"`

	applicationFlags
	proxyFlags
	tlsFlags
	storeFlags

	file *configfile.File `kong:"-"` // nil without --config
}

const serveHelp = `Examples:

  tidewire serve --addr :8080 --data /var/lib/tidewire
  tidewire serve --addr :443 --tls-cert cert.pem --tls-key key.pem
  tidewire serve --tls-self-signed
  tidewire serve --config /etc/tidewire.yaml --log-format json
  tidewire serve --config /etc/tidewire.yaml --print-config
  tidewire serve --rooms 'chat:* history=100 presence allow=join,publish' --jwt-public-key public.pem --api-key-file api.keys

The file has the flags' names as keys, and "cluster: {name: x}" is --cluster-name x.

A rule of --rooms is a pattern, in which * stands for one segment and a last > for one or more, and options: history=N messages are kept,
history-age=24h at most; presence, and presence-max=N who are told one by one; allow=join,publish,watch is what clients may do whose token does
not say otherwise, nothing unless given; slow=catch-up, disconnect, drop-oldest or latest is what becomes of slow readers, with
max-keys=N for latest; rate=N messages a second from clients, burst=N at once; max-members=N sessions. The pattern that covers
least counts.`

// Help is kong's hook.
func (*serveCommand) Help() string { return serveHelp }

// BeforeResolve is kong's hook: the environment has been read, and the command line.
func (s *serveCommand) BeforeResolve(ctx context.Context, line *kong.Context) error {
	for _, flag := range configfile.Flags(line) {
		if name, _ := line.FlagValue(flag).(string); flag.Name == "config" && name != "" {
			var file *configfile.File
			if err := untilStopped(ctx, name, func() (err error) { file, err = configfile.Read(name, line); return err }); err != nil {
				return err
			}
			s.file = file
			line.AddResolver(s.file)
		}
	}
	return nil
}

// Validate is kong's hook.
func (s *serveCommand) Validate() error {
	// Nothing at all would be every interface and any port: an unset variable in a
	// script must not open this server to the network.
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		return fmt.Errorf("--addr is %q; it must be host:port", s.Addr)
	}
	if _, _, err := net.SplitHostPort(s.AdminAddr); err != nil && s.AdminAddr != "" {
		return fmt.Errorf("--admin-addr is %q; it must be host:port", s.AdminAddr)
	}
	if s.Drain < 0 {
		return fmt.Errorf("--drain is %v; it must not be negative", s.Drain)
	}
	return cmp.Or(s.applicationFlags.validate(), s.proxyFlags.validate(), s.tlsFlags.validate(), s.storeFlags.validate())
}

// Run serves until ctx ends, then drains.
func (s *serveCommand) Run(ctx context.Context, std stdio, log *slog.Logger, line *kong.Context) (err error) {
	if s.PrintConfig {
		return configfile.Print(std.out, line)
	}
	// Who reads the log may go before: Ctrl-C ends all of a pipeline at once. What is written then is lost, and the process goes on.
	signal.Ignore(syscall.SIGPIPE)
	pair, err := s.tlsFlags.open(ctx, s.Addr, log)
	if err != nil {
		return err
	}
	renew := make(chan os.Signal, 1)
	if s.TLSCert != "" {
		signal.Notify(renew, syscall.SIGHUP)
		defer signal.Stop(renew)
	}
	handed, err := inherit()
	if err != nil {
		return err
	}
	defer handed.close()
	systemd, err := newNotifier(log)
	if err != nil {
		return err
	}
	defer systemd.close()
	listener, err := handed.listen(httpSocket, s.Addr, "--addr")
	if err != nil {
		return err
	}
	ready := &readiness{}
	var desk *admin
	var numbers *metrics.Metrics // nil without an admin address
	if s.AdminAddr != "" || handed.has(adminSocket) {
		numbers = metrics.New(metrics.Options{Version: version(), Logger: log})
		if desk, err = startAdmin(handed, s.AdminAddr, ready, numbers.Handler(), log); err != nil {
			listener.Close()
			return err
		}
		defer desk.close()
	}
	store, err := s.storeFlags.open(ctx, log)
	if err != nil {
		listener.Close()
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	app, err := s.applicationFlags.open(ctx, &live.Options{Broker: store.broker(), Address: s.proxyFlags.address(), Logger: log}, numbers)
	if err != nil {
		listener.Close()
		return err
	}
	if numbers != nil {
		numbers.Registerer().MustRegister(figures{app.asks, pair})
	}
	ready.open(func() string {
		if err := app.ready(); err != nil {
			return "starting: " + err.Error()
		}
		if !store.available() {
			return "degraded: messages cannot be stored"
		}
		return ""
	})
	s.greet(std.out, visible(listener.Addr()), pair, desk, app)

	server := newServer(app, ready, log)
	failed := make(chan error, 1)
	running, stop := context.WithCancel(context.Background())
	var group sync.WaitGroup
	if pair == nil {
		go func() { failed <- server.Serve(listener) }()
	} else {
		server.TLSConfig = pair.config()
		go func() { failed <- server.ServeTLS(listener, "", "") }()
	}
	if s.TLSCert != "" {
		group.Go(func() { keyPairs{pair}.watch(running, renew) })
	}
	app.run()
	defer group.Wait()
	defer stop()
	systemd.ready(func() { app.hub.Len() }) // which needs its mutex

	select {
	case err := <-failed:
		app.close(running)
		server.Close()
		return err
	case <-ctx.Done():
	}
	draining := time.Now()
	ready.drain()
	systemd.say("STOPPING=1\nSTATUS=draining")
	log.Info("draining", "open", ws.Stats().Open, "within", s.Drain.String())
	bound, cancel := context.WithTimeout(context.Background(), s.Drain)
	defer cancel()
	settle(bound, server, s.Drain)
	// First the hub, whose guests are told when to come back.
	err = errors.Join(app.shutdown(bound), server.Shutdown(bound))
	last, done := context.WithTimeout(context.Background(), max(lastWords, s.Drain-time.Since(draining)))
	defer done()
	app.close(last)
	<-failed
	if errors.Is(err, context.DeadlineExceeded) {
		return errCut
	}
	log.Info("stopped")
	return err
}

// greet says where it serves.
func (s *serveCommand) greet(w io.Writer, host string, pair *keyPair, desk *admin, app *application) {
	secure := ""
	if pair != nil {
		secure = "s"
	}
	fmt.Fprintf(w, "Tidewire is serving on http%s://%s/\n", secure, host)
	if app.demos != nil {
		fmt.Fprintf(w, "  echo: ws%s://%s/echo\n", secure, host)
	}
	fmt.Fprintf(w, "  live: ws%s://%s/live\n", secure, host)
	if app.api != nil {
		fmt.Fprintf(w, "  API: http%s://%s/api/\n", secure, host)
	}
	if app.console != nil {
		fmt.Fprintf(w, "  console: http%s://%s/console/\n", secure, host)
	}
	if s.TLSSelfSigned {
		fmt.Fprintf(w, "  self-signed certificate, SHA-256: %s\n", pair.fingerprint())
	}
	if desk != nil {
		fmt.Fprintf(w, "  admin: http://%s/debug/pprof/\n", visible(desk.addr))
	}
	fmt.Fprintf(w, "Press Ctrl-C to stop.\n")
}

// visible is the address as somebody on this machine can open it.
func visible(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", tcp.Port)
	}
	return addr.String()
}
