//go:build !js

package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Dialer is the client's side of the handshake. The zero value is ready to use, nil
// stands for DefaultDialer, and both are safe for concurrent use as long as nobody
// changes them.
type Dialer struct {
	// NetDial opens the connection to the server or the proxy. nil means
	// net.Dialer.
	NetDial func(network, addr string) (net.Conn, error)

	// NetDialContext is NetDial with the context of the dialling, and goes before
	// it. nil means NetDial.
	NetDialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// NetDialTLSContext opens connections for wss, and its result is taken for
	// one whose TLS handshake is done; TLSClientConfig is not used then. nil means
	// NetDialContext, and TLS by this package.
	NetDialTLSContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy chooses the proxy: http and https (CONNECT) and socks5. nil means
	// none, and so does a nil URL.
	Proxy func(*http.Request) (*url.URL, error)

	// TLSClientConfig is used for wss. nil means the defaults of crypto/tls.
	TLSClientConfig *tls.Config

	// HandshakeTimeout bounds dialling as a whole. 0 means that only the context
	// does.
	HandshakeTimeout time.Duration

	// ReadBufferSize has no effect: an idle connection holds no buffer.
	// WriteBufferSize is the size of the frames that NextWriter sends, in bytes;
	// 0 means 4096.
	ReadBufferSize, WriteBufferSize int

	// WriteBufferPool has no effect: package ws pools its buffers by itself.
	WriteBufferPool BufferPool

	// Subprotocols are offered in this order. nil means those in the request
	// header, if any.
	Subprotocols []string

	// EnableCompression offers permessage-deflate without context takeover.
	// false means no compression.
	EnableCompression bool

	// Jar gives the cookies that are sent and takes those that come back. nil
	// means none.
	Jar http.CookieJar
}

// DefaultDialer uses the proxy that the environment names, and gives the handshake
// 45 seconds.
var DefaultDialer = &Dialer{
	Proxy:            http.ProxyFromEnvironment,
	HandshakeTimeout: 45 * time.Second,
}

var errURL = errors.New("malformed ws or wss URL")

// maxHeader bounds the head of the server's answer.
const maxHeader = 64 << 10

// Dial is DialContext without a context.
func (d *Dialer) Dial(urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	return d.DialContext(context.Background(), urlStr, requestHeader)
}

// DialContext opens a connection to a ws or wss URL. ctx bounds the dialling, not
// the connection. requestHeader is sent with the handshake: Origin, Cookie, Host, and
// Sec-WebSocket-Protocol unless Dialer.Subprotocols is set; it cannot hold the
// handshake's other fields.
//
// A server that answers, but not with a valid handshake, gives ErrBadHandshake and
// its response, with up to a KiB of the body, which needs no closing.
func (d *Dialer) DialContext(ctx context.Context, urlStr string, requestHeader http.Header) (*Conn, *http.Response, error) {
	if d == nil {
		d = DefaultDialer
	}
	u, err := url.Parse(urlStr)
	if err != nil {
		return nil, nil, err
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.User != nil {
		return nil, nil, errURL
	}
	u.Fragment, u.RawFragment = "", "" // never sent
	o := &ws.DialOptions{
		ConnOptions:      connOptions(d.EnableCompression),
		Subprotocols:     d.Subprotocols,
		Jar:              d.Jar,
		TLSConfig:        d.TLSClientConfig,
		Proxy:            d.Proxy,
		HandshakeTimeout: d.HandshakeTimeout,
		MaxHeader:        maxHeader,
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = -1
	}
	if o.Proxy == nil {
		o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	}
	if err := setHeader(o, requestHeader); err != nil {
		return nil, nil, err
	}
	dial := d.netDial()
	if u.Scheme == "wss" && d.NetDialTLSContext != nil {
		dial = d.NetDialTLSContext
		pretendPlain(o, u)
	}
	// What the callbacks say is the program's to compare.
	var fault error
	choose := o.Proxy
	o.Proxy = func(r *http.Request) (*url.URL, error) {
		p, err := choose(r)
		fault = err
		return p, err
	}
	o.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		fault = err
		return nc, err
	}
	c, resp, err := ws.Dial(ctx, u.String(), o)
	switch {
	case err == nil:
		return newConn(c, d.WriteBufferSize), resp, nil
	case fault != nil:
		err = fault
	case resp != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
		err = ErrBadHandshake
	}
	return nil, resp, err
}

// setHeader spreads the request header over the options.
func setHeader(o *ws.DialOptions, h http.Header) error {
	o.Header = http.Header{}
	for name, values := range h {
		switch name {
		case "Host":
			if len(values) > 0 {
				o.Host = values[0]
			}
			continue
		case "Sec-Websocket-Protocol":
			if len(o.Subprotocols) == 0 {
				o.Subprotocols = elements(values)
				continue
			}
			fallthrough
		case "Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions":
			return fmt.Errorf("websocket: the request header cannot set %s: the handshake does", name)
		}
		o.Header[name] = values
	}
	return nil
}

func (d *Dialer) netDial() func(ctx context.Context, network, addr string) (net.Conn, error) {
	switch {
	case d.NetDialContext != nil:
		return d.NetDialContext
	case d.NetDial != nil:
		return func(_ context.Context, network, addr string) (net.Conn, error) { return d.NetDial(network, addr) }
	}
	return new(net.Dialer).DialContext
}

// pretendPlain makes a wss URL one that package ws adds no TLS to, where the
// program's own function has done so, while server, proxy and jar see the same as
// ever.
func pretendPlain(o *ws.DialOptions, u *url.URL) {
	secure := *u
	secure.Scheme = "https"
	if o.Host == "" {
		o.Host = u.Host
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "443")
	}
	u.Scheme = "ws"
	choose := o.Proxy
	o.Proxy = func(r *http.Request) (*url.URL, error) {
		r.URL = &secure
		return choose(r)
	}
	if o.Jar != nil {
		o.Jar = &secureJar{o.Jar, &secure}
	}
}

// secureJar asks a jar about another URL.
type secureJar struct {
	http.CookieJar
	url *url.URL
}

func (j *secureJar) Cookies(*url.URL) []*http.Cookie          { return j.CookieJar.Cookies(j.url) }
func (j *secureJar) SetCookies(_ *url.URL, cs []*http.Cookie) { j.CookieJar.SetCookies(j.url, cs) }

// NewClient runs the client's side of the handshake over a connection that is open
// already, through TLS if the URL's scheme is wss.
//
// Deprecated: Use Dialer with NetDial.
func NewClient(netConn net.Conn, u *url.URL, requestHeader http.Header, readBufSize, writeBufSize int) (c *Conn, response *http.Response, err error) {
	d := Dialer{
		ReadBufferSize:  readBufSize,
		WriteBufferSize: writeBufSize,
		NetDial:         func(string, string) (net.Conn, error) { return netConn, nil },
	}
	return d.Dial(u.String(), requestHeader)
}
