//go:build !js

package ws

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws/deflate"
)

// errDialTimeout is the cause that ends a Dial that took too long.
var errDialTimeout = fmt.Errorf("the handshake took longer than DialOptions.HandshakeTimeout: %w", context.DeadlineExceeded)

// Dial opens a WebSocket connection to a URL whose scheme is ws or wss (http and
// https mean the same). A user and password in the URL become Basic
// authentication. ctx bounds Dial alone, not the connection.
//
// Whenever the server answered, the *http.Response is returned, also beside an
// error; its Body then holds up to the first KiB of the body, needs no closing,
// and is what the error quotes.
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, *http.Response, error) {
	if o == nil {
		o = &DialOptions{}
	}
	d, err := newDialer(rawURL, o)
	if err != nil {
		return nil, nil, fmt.Errorf("ws: dial: %w", err)
	}
	timeout := orDefault(o.HandshakeTimeout, defaultHandshakeTimeout)
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errDialTimeout)
		defer cancel()
	}
	for hops := 0; ; hops++ {
		c, resp, err := d.attempt(ctx)
		if resp != nil && d.jar != nil {
			if cookies := resp.Cookies(); len(cookies) > 0 {
				d.jar.SetCookies(d.httpURL(), cookies)
			}
		}
		if err == nil {
			return c, resp, nil
		}
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			<-ctx.Done() // a deadline of the connection's may be ahead by a hair
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause // what the connection said while it was closed is no news
		} else if resp != nil && isRedirect(resp.StatusCode) {
			if hops < o.FollowRedirects {
				if err = d.redirect(resp); err == nil {
					continue
				}
			} else if o.FollowRedirects > 0 {
				err = fmt.Errorf("%w (DialOptions.FollowRedirects is %d)", err, o.FollowRedirects)
			} else {
				err = fmt.Errorf("%w (DialOptions.FollowRedirects is off)", err)
			}
		}
		return nil, resp, fmt.Errorf("ws: dial %s: %w", nameOf(d.url), err)
	}
}

// dialer is one Dial.
type dialer struct {
	o      *DialOptions
	url    *url.URL // scheme ws or wss
	header http.Header
	host   string // DialOptions.Host
	jar    http.CookieJar
	limit  int
}

// newDialer checks everything that goes on the wire. The errors name the field.
func newDialer(rawURL string, o *DialOptions) (*dialer, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	d := &dialer{o: o, url: u, header: o.Header.Clone(), host: o.Host, jar: o.Jar, limit: o.MaxHeader}
	if d.limit <= 0 {
		d.limit = defaultMaxHeader
	}
	for name, values := range o.Header {
		switch {
		case !isToken(name):
			return nil, fmt.Errorf("DialOptions.Header holds a name that is not a token: %q", name)
		case ownField(name):
			return nil, fmt.Errorf("DialOptions.Header cannot set %s: the handshake does", http.CanonicalHeaderKey(name))
		case equalFold(name, "host"):
			return nil, errors.New("DialOptions.Header cannot set Host: use DialOptions.Host")
		case equalFold(name, "origin") && o.Origin != "":
			return nil, errors.New("DialOptions.Header and DialOptions.Origin both set Origin")
		}
		switch key := http.CanonicalHeaderKey(name); key {
		case "Authorization", "Cookie", "Origin": // looked up below
			if name != key {
				delete(d.header, name)
				d.header[key] = append(d.header[key], values...)
			}
		}
		for _, v := range values {
			if !all(v, inValue) {
				return nil, fmt.Errorf("DialOptions.Header holds a control character in the value of %s: %q", name, v)
			}
		}
	}
	if !all(o.Origin, inTarget) {
		return nil, fmt.Errorf("DialOptions.Origin holds a space or a control character: %q", o.Origin)
	}
	if !all(o.Host, inHost) {
		return nil, fmt.Errorf("DialOptions.Host is not host or host:port: %q", o.Host)
	}
	if err := checkOffer(o.Subprotocols); err != nil {
		return nil, err
	}
	if o.HTTPClient != nil {
		if o.TLSConfig != nil || o.InsecureSkipVerify || o.Proxy != nil || o.NetDial != nil || o.UnixSocket != "" || o.Wrap != nil {
			return nil, errors.New("DialOptions.HTTPClient goes with none of TLSConfig, InsecureSkipVerify, Proxy, NetDial, UnixSocket and Wrap: set them in its Transport")
		}
		if d.jar == nil {
			d.jar = o.HTTPClient.Jar
		}
	}
	return d, nil
}

// httpURL is the URL as package http knows it, without its user.
func (d *dialer) httpURL() *url.URL {
	u := *d.url
	u.User = nil
	u.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	return &u
}

// hostPort is the address to connect to.
func (d *dialer) hostPort() string {
	return net.JoinHostPort(d.url.Hostname(), cmp.Or(d.url.Port(), defaultPort(d.url.Scheme)))
}

// hostHeader is the value of the Host header: "the host component, followed by
// :port when it is not the default port" (RFC 6455 section 4.1, item 4).
func (d *dialer) hostHeader() string {
	if d.host != "" {
		return d.host
	}
	host := d.url.Hostname()
	if strings.Contains(host, ":") {
		host, _, _ = strings.Cut(host, "%") // a zone means nothing to the peer (RFC 6874)
		host = "[" + host + "]"
	}
	if p := d.url.Port(); p != "" && p != defaultPort(d.url.Scheme) {
		host += ":" + p
	}
	return host
}

// attempt opens a connection to the URL as it stands.
func (d *dialer) attempt(ctx context.Context) (*Conn, *http.Response, error) {
	key := newKey()
	if d.o.HTTPClient != nil {
		return d.attemptClient(ctx, key)
	}
	raw, nc, err := d.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	var secure *tls.ConnectionState
	if t, ok := nc.(*tls.Conn); ok {
		s := t.ConnectionState()
		secure = &s
	}
	if d.o.Wrap != nil {
		nc = (&birth{wrap: d.o.Wrap}).wrapped(nc)
	}
	// Closing is the one way to interrupt that works on every net.Conn.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c, resp, err := d.handshake(nc, key)
	if resp != nil {
		resp.TLS = secure
	}
	if !stop() {
		// The connection is closed, or just about to be.
		if c != nil {
			c.CloseNow()
		}
		raw.Close()
		return nil, resp, context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
	}
	return c, resp, err
}

// handshake speaks over a connection to the server itself.
func (d *dialer) handshake(nc net.Conn, key string) (*Conn, *http.Response, error) {
	b := getBuffer(smallBuffer)
	*b = d.appendRequest(*b, key)
	_, err := nc.Write(*b)
	*b = (*b)[:0]
	if err != nil {
		putBuffer(b)
		return nil, nil, fmt.Errorf("sending the handshake: %w", err)
	}
	b, end, err := readHead(nc, b, d.limit, "HTTP/")
	defer func() { putBuffer(b) }()
	for informed := 0; err == nil && isInformational((*b)[:end]); informed++ {
		// "A client MUST be able to parse one or more 1xx responses received
		// prior to a final response" (RFC 9110 section 15.2).
		if informed == 5 {
			return nil, nil, errors.New("the server sent too many 1xx answers")
		}
		*b = append((*b)[:0], (*b)[end:]...)
		b, end, err = readHead(nc, b, d.limit, "HTTP/")
	}
	if err != nil {
		return nil, nil, d.explainHead(err, *b)
	}
	req := d.request()
	if !isSwitching((*b)[:end]) {
		resp, err := readRefusal(nc, *b, req)
		if err != nil {
			return nil, nil, err
		}
		return nil, resp, explainRefusal(resp)
	}
	resp, err := parseSwitching((*b)[:end], req)
	if err != nil {
		return nil, nil, fmt.Errorf("the server's answer is malformed: %w: %s", err, quote((*b)[:end]))
	}
	p, err := d.confirm(resp, key)
	if err != nil {
		return nil, resp, err
	}
	return newConn(birth{
		stream:      nc,
		buffered:    (*b)[end:],
		set:         settingsFor(&d.o.ConnOptions),
		client:      true,
		subprotocol: resp.Header.Get("Sec-Websocket-Protocol"),
		deflate:     p,
	}), resp, nil
}

// confirm checks a 101 (RFC 6455 section 4.1, "the client MUST validate the
// server's response").
func (d *dialer) confirm(resp *http.Response, key string) (*deflate.Params, error) {
	h := resp.Header
	wrong := func(name, rule string) error {
		if v := h.Values(name); len(v) > 0 {
			return fmt.Errorf("the server answered 101 with %s %q: %s", name, strings.Join(v, ", "), rule)
		}
		return fmt.Errorf("the server answered 101 without %s: %s", name, rule)
	}
	if v := h["Upgrade"]; len(v) != 1 || !equalFold(v[0], "websocket") {
		return nil, wrong("Upgrade", "it must be websocket")
	}
	connection := false
	for _, v := range h["Connection"] {
		connection = connection || hasToken(v, "upgrade")
	}
	if !connection {
		return nil, wrong("Connection", "it must name Upgrade")
	}
	if v := h["Sec-Websocket-Accept"]; len(v) != 1 || v[0] != string(appendAccept(nil, key)) {
		return nil, wrong("Sec-WebSocket-Accept", "it does not answer this handshake's key; a cache or a server that is no WebSocket server may stand in between")
	}
	if h.Get("Transfer-Encoding") != "" || cmp.Or(h.Get("Content-Length"), "0") != "0" {
		// Forbidden in a 1xx answer (RFC 9112 sections 6.1 and 6.2).
		return nil, errors.New("the server answered 101 with a body (Content-Length, Transfer-Encoding)")
	}
	if v := h["Sec-Websocket-Protocol"]; len(v) > 1 {
		return nil, wrong("Sec-WebSocket-Protocol", "it may come only once")
	} else if len(v) == 1 {
		asked := false
		for _, p := range d.o.Subprotocols {
			asked = asked || p == v[0]
		}
		if !asked {
			return nil, wrong("Sec-WebSocket-Protocol", "DialOptions.Subprotocols did not offer it")
		}
	}
	extensions := h["Sec-Websocket-Extensions"]
	if len(extensions) == 0 {
		return nil, nil
	}
	if d.o.Compression == nil {
		return nil, wrong("Sec-WebSocket-Extensions", "none was offered")
	}
	p, ok, err := d.o.Compression.Confirm(extensions)
	if err != nil {
		return nil, wrong("Sec-WebSocket-Extensions", err.Error())
	}
	if !ok {
		return nil, nil
	}
	return &p, nil
}

// request is the handshake as package http knows it: for the Response, for the
// Proxy function, and for HTTPClient.
func (d *dialer) request() *http.Request {
	return &http.Request{
		Method:     http.MethodGet,
		URL:        d.httpURL(),
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     d.fields(),
		Host:       d.hostHeader(),
	}
}

// fields are the header fields that do not belong to the handshake itself.
func (d *dialer) fields() http.Header {
	h := d.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if d.o.Origin != "" {
		h.Set("Origin", d.o.Origin)
	}
	if u := d.url.User; u != nil && h.Get("Authorization") == "" {
		h.Set("Authorization", basic(u))
	}
	var cookies []string
	if d.jar != nil {
		r := http.Request{Header: http.Header{}}
		for _, c := range d.jar.Cookies(d.httpURL()) {
			r.AddCookie(c)
		}
		cookies = r.Header["Cookie"]
	}
	if cookies = append(h["Cookie"], cookies...); len(cookies) > 0 {
		h.Set("Cookie", strings.Join(cookies, "; "))
	}
	return h
}

// basic is the value of an Authorization header (RFC 7617).
func basic(u *url.Userinfo) string {
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}

// quote shows the start of what a peer sent.
func quote(b []byte) string {
	const most = 200
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}

// readSome reads the first bytes of a body.
func readSome(r io.Reader) []byte {
	b, _ := io.ReadAll(io.LimitReader(r, 1<<10))
	return b
}

// bodyTime bounds the wait for the body of a refusal.
const bodyTime = 2 * time.Second
