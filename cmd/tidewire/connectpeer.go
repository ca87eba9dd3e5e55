package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/talk"
	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// maxReceived is the largest message that connect takes.
const maxReceived = 64 << 20

// reconnectMin is the first wait of --reconnect.
const reconnectMin = 500 * time.Millisecond

// meet says whom to talk with. What it returns ends what it has opened.
func (c *connectCommand) meet(ctx context.Context, t *talk.Talk, at *desk, log *slog.Logger) (end func(), err error) {
	var tracer *talk.Tracer
	if c.Verbose {
		tracer = &talk.Tracer{Tell: at.screen.Trace, Secrets: c.ShowSecrets}
	}
	if c.Listen != "" {
		return c.listen(ctx, t, at, tracer, log)
	}
	d := &talk.Dialer{Target: c.target, Timeout: c.ConnectTimeout, Raw: c.form() != talk.Text, Tracer: tracer}
	if d.WebSocket, err = c.dialOptions(log); err != nil {
		return nil, err
	}
	connect := d.Connect
	if c.Live {
		d.WebSocket.Logger = at.logger(log)
		d.Note, d.Token = at.screen.Note, c.token()
		connect = d.Live
	}
	t.Connect = at.announced(connect)
	if t.Again = c.Reconnect; t.Again {
		t.Backoff = talk.Backoff{Min: min(reconnectMin, c.ReconnectMax), Max: c.ReconnectMax}
	}
	return func() {}, nil
}

func (c *connectCommand) connOptions(log *slog.Logger) ws.ConnOptions {
	o := ws.ConnOptions{MaxMessage: maxReceived, PingInterval: c.PingInterval, MessageTimeout: -1, QueuePolicy: ws.RefuseWrite, Logger: log}
	if c.PingInterval == 0 {
		o.PingInterval = -1
	}
	if c.Compress {
		o.Compression = &deflate.Options{}
	}
	return o
}

func (c *connectCommand) dialOptions(log *slog.Logger) (ws.DialOptions, error) {
	o := ws.DialOptions{
		ConnOptions: c.connOptions(log), Header: c.header(), Subprotocols: c.Subprotocol, Origin: c.Origin, Host: c.Host,
		UnixSocket: c.UnixSocket, FollowRedirects: c.Redirects,
	}
	if host := o.Header.Get("Host"); host != "" {
		o.Header.Del("Host")
		o.Host = host
	}
	var err error
	if o.TLSConfig, err = c.tls(); err != nil {
		return o, err
	}
	o.TLSConfig.ServerName = c.ServerName
	switch {
	case c.proxy == nil:
	case c.proxy.Host == "":
		o.Proxy = http.ProxyURL(nil)
	default:
		o.Proxy = http.ProxyURL(c.proxy)
	}
	return o, nil
}

// listen is meet for a server.
func (c *connectCommand) listen(ctx context.Context, t *talk.Talk, at *desk, tracer *talk.Tracer, log *slog.Logger) (end func(), err error) {
	network, addr, host := "tcp", c.Listen, c.Listen
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr, host = "unix", strings.TrimPrefix(path, "//"), "localhost:0"
	} else if !strings.Contains(addr, ":") {
		addr = "127.0.0.1:" + addr // a port alone is for this machine alone
		host = addr
	}
	pair, err := c.tlsFlags.open(ctx, host, at.logger(log))
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("%w (choose another address with --listen)", err)
	}
	uri := "://" + visible(ln.Addr())
	if network == "unix" {
		uri = "+unix" + uri
	}
	if pair == nil {
		uri = "ws" + uri
	} else {
		ln = tls.NewListener(ln, pair.config())
		uri = "wss" + uri
	}
	o := ws.AcceptOptions{ConnOptions: c.connOptions(log), Subprotocols: c.Subprotocol, AnyOrigin: c.AnyOrigin}
	l := talk.Listen(ln, o, tracer)
	at.screen.Note("listening on %s", uri)
	t.Connect = at.announced(l.Connect)
	t.Again = c.Keep
	if c.TLSCert == "" {
		return l.Close, nil
	}
	ctx, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { keyPairs{pair}.watch(ctx, nil) })
	return func() {
		l.Close()
		stop()
		group.Wait()
	}, nil
}
