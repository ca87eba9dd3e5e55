package talk

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Dialer opens connections to a Target.
type Dialer struct {
	Target Target

	// WebSocket is for those; its TLSConfig is for tls:// too.
	WebSocket ws.DialOptions

	// Timeout bounds each attempt. 0 means 10 s.
	Timeout time.Duration

	// Raw says that what comes by streams and datagrams is binary, as it is.
	Raw bool

	// Tracer sees what passes on WebSockets; nil: nobody does.
	Tracer *Tracer

	// Token is asked for by Live; nil: there is none.
	Token Token

	// Note is told what becomes of the connection that Live has opened.
	Note func(format string, args ...any)
}

// Connect is for Talk.
func (d *Dialer) Connect(ctx context.Context) (Peer, error) {
	if d.Target.Network == "" {
		return d.webSocket(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout())
	defer cancel()
	what := d.Target.String()
	nc, err := d.stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w%s", what, err, advice(err, nil, &d.Target))
	}
	if d.Target.Network == "udp" {
		return Datagrams(nc, what, d.Raw), nil
	}
	return Stream(nc, what, d.Raw), nil
}

func (d *Dialer) timeout() time.Duration { return cmp.Or(d.Timeout, 10*time.Second) }

func (d *Dialer) stream(ctx context.Context) (net.Conn, error) {
	network := d.Target.Network
	if network != "tls" {
		var nd net.Dialer
		return nd.DialContext(ctx, network, d.Target.Address)
	}
	td := tls.Dialer{Config: d.WebSocket.TLSConfig}
	return td.DialContext(ctx, "tcp", d.Target.Address)
}

// webSocketOptions are those of an attempt, and in the end the proxy that it went through.
func (d *Dialer) webSocketOptions() (o ws.DialOptions, proxied **url.URL) {
	o, proxied = d.WebSocket, new(*url.URL)
	o.UnixSocket = cmp.Or(d.Target.Socket, o.UnixSocket)
	o.HandshakeTimeout = d.timeout()
	if d.Tracer != nil {
		o.Wrap = d.Tracer.Client
	}
	choose := o.Proxy
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	o.Proxy = func(r *http.Request) (*url.URL, error) {
		var err error
		*proxied, err = choose(r)
		return *proxied, err
	}
	return o, proxied
}

func (d *Dialer) webSocket(ctx context.Context) (Peer, error) {
	o, proxied := d.webSocketOptions()
	c, resp, err := ws.Dial(ctx, d.Target.URL, &o)
	if err != nil {
		return nil, refused(err, resp, &d.Target, *proxied)
	}
	what := d.Target.String()
	if resp != nil && resp.Header.Get("Sec-Websocket-Extensions") != "" {
		what += ", " + resp.Header.Get("Sec-Websocket-Extensions")
	}
	return WebSocket(c, what)
}
