//go:build !js

package ws

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"golang.org/x/net/proxy"
)

// connect opens the stream that the handshake runs over. raw is the connection
// at its bottom, whose Close interrupts everything. When connect fails, nothing
// is left open.
func (d *dialer) connect(ctx context.Context) (raw, nc net.Conn, err error) {
	raw, nc, err = d.reach(ctx)
	if err != nil || d.url.Scheme != "wss" {
		return raw, nc, err
	}
	nc, err = d.startTLS(ctx, nc, d.url.Hostname(), d.o.TLSConfig)
	if err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("TLS with %s: %w", d.url.Hostname(), err)
	}
	return raw, nc, nil
}

// reach opens a connection to the server's port, through a proxy if need be.
func (d *dialer) reach(ctx context.Context) (raw, nc net.Conn, err error) {
	if path := d.o.UnixSocket; path != "" {
		nc, err = d.netDial(ctx, "unix", path)
		return nc, nc, err
	}
	choose := d.o.Proxy
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	p, err := choose(d.request())
	if err != nil {
		return nil, nil, fmt.Errorf("choosing a proxy: %w", unwrapURL(err))
	}
	if p == nil {
		nc, err = d.netDial(ctx, "tcp", d.hostPort())
		return nc, nc, err
	}
	switch p.Scheme {
	case "http", "https":
		raw, nc, err = d.viaConnect(ctx, p)
	case "socks5", "socks5h":
		raw, err = d.viaSOCKS(ctx, p)
		nc = raw
	default:
		err = errors.New("its scheme must be http, https, socks5 or socks5h")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("proxy %s://%s: %w", p.Scheme, p.Host, err)
	}
	return raw, nc, nil
}

func (d *dialer) netDial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.o.NetDial != nil {
		nc, err := d.o.NetDial(ctx, network, addr)
		if err == nil && nc == nil {
			err = errors.New("DialOptions.NetDial returned neither a connection nor an error")
		}
		return nc, err
	}
	var nd net.Dialer
	return nd.DialContext(ctx, network, addr)
}

// startTLS closes nothing when it fails.
func (d *dialer) startTLS(ctx context.Context, nc net.Conn, host string, config *tls.Config) (*tls.Conn, error) {
	if config == nil {
		config = &tls.Config{}
	} else {
		config = config.Clone()
	}
	config.ServerName = cmp.Or(config.ServerName, host)
	config.NextProtos = []string{"http/1.1"}
	if d.o.InsecureSkipVerify {
		config.InsecureSkipVerify = true
	}
	t := tls.Client(nc, config)
	if err := t.HandshakeContext(ctx); err != nil {
		var re tls.RecordHeaderError
		if errors.As(err, &re) && all(string(re.RecordHeader[:]), inValue) {
			return nil, fmt.Errorf("the server does not speak TLS on this port: %w", err)
		}
		return nil, err
	}
	return t, nil
}

// proxyAddr is host:port of a proxy.
func proxyAddr(p *url.URL) string {
	port := p.Port()
	if port == "" {
		switch p.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		default:
			port = "1080"
		}
	}
	return net.JoinHostPort(p.Hostname(), port)
}

// viaConnect asks an HTTP proxy for a tunnel (RFC 9110 section 9.3.6).
func (d *dialer) viaConnect(ctx context.Context, p *url.URL) (raw, nc net.Conn, err error) {
	bottom, err := d.netDial(ctx, "tcp", proxyAddr(p))
	if err != nil {
		return nil, nil, err
	}
	nc = bottom
	stop := context.AfterFunc(ctx, func() { bottom.Close() })
	if p.Scheme == "https" {
		config := d.o.TLSConfig.Clone()
		if config != nil {
			config.ServerName = "" // is the server's
		}
		nc, err = d.startTLS(ctx, bottom, p.Hostname(), config)
	}
	if err == nil {
		err = d.askConnect(nc, p.User)
	}
	if !stop() {
		err = cmp.Or(context.Cause(ctx), err)
	}
	if err != nil {
		bottom.Close()
		return nil, nil, err
	}
	return bottom, nc, nil
}

func (d *dialer) askConnect(nc net.Conn, user *url.Userinfo) error {
	b := getBuffer(smallBuffer)
	*b = fmt.Appendf(*b, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n", d.hostPort())
	if user != nil {
		*b = fmt.Appendf(*b, "Proxy-Authorization: %s\r\n", basic(user))
	}
	*b = append(*b, "\r\n"...)
	_, err := nc.Write(*b)
	*b = (*b)[:0]
	if err != nil {
		putBuffer(b)
		return err
	}
	b, end, err := readHead(nc, b, d.limit, "HTTP/")
	defer func() { putBuffer(b) }()
	switch {
	case errors.Is(err, errHeadTooLarge):
		return errors.New("its answer has a head larger than DialOptions.MaxHeader")
	case errors.Is(err, errNotHTTP):
		return fmt.Errorf("its answer is not HTTP: %s", quote(*b))
	case err != nil:
		return fmt.Errorf("reading its answer: %w", err)
	}
	head := (*b)[:end]
	if s := statusOf(head); s == "" || s[0] != '2' {
		if resp, err := readRefusal(nc, *b, &http.Request{Method: http.MethodConnect}); err == nil {
			return fmt.Errorf("it answered %s to CONNECT: %s", resp.Status, quote(readSome(resp.Body)))
		}
		line, _, _ := bytes.Cut(head, []byte("\n"))
		return fmt.Errorf("it answered %s to CONNECT", quote(line))
	}
	if len(*b) > end {
		// Whoever dials speaks first, so nothing can have come through yet.
		return fmt.Errorf("it sent bytes behind its answer to CONNECT: %s", quote((*b)[end:]))
	}
	return nil
}

// viaSOCKS has a SOCKS5 proxy (RFC 1928, RFC 1929) resolve and connect.
func (d *dialer) viaSOCKS(ctx context.Context, p *url.URL) (net.Conn, error) {
	var auth *proxy.Auth
	if u := p.User; u != nil {
		auth = &proxy.Auth{User: u.Username()}
		auth.Password, _ = u.Password()
	}
	bottom := &netDialer{d: d}
	s, err := proxy.SOCKS5("tcp", proxyAddr(p), auth, bottom)
	if err != nil {
		return nil, err
	}
	if _, err = s.(proxy.ContextDialer).DialContext(ctx, "tcp", d.hostPort()); err != nil {
		if bottom.nc != nil {
			bottom.nc.Close()
		}
		return nil, err
	}
	// What DialContext returns wraps the connection, which would hide that it
	// is a *net.TCPConn.
	return bottom.nc, nil
}

// netDialer lets package proxy dial as the options say, and keeps what it got.
type netDialer struct {
	d  *dialer
	nc net.Conn
}

func (n *netDialer) Dial(network, addr string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, addr)
}

func (n *netDialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := n.d.netDial(ctx, network, addr)
	n.nc = nc
	return nc, err
}
