package ws

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// DialOptions configures [Dial]. The zero value of each field is its default;
// nil stands for the zero value of them all.
type DialOptions struct {
	ConnOptions

	// Header is sent with the handshake. It cannot hold the handshake's own
	// fields (Sec-WebSocket-*, Upgrade, Connection) nor Host, for which there
	// is a field below. nil means none.
	Header http.Header

	// Host is sent as the Host header. "" means the URL's host.
	Host string

	// Origin is sent as the Origin header, as a browser would. "" means none.
	Origin string

	// Subprotocols are offered in this order; [Conn.Subprotocol] tells which
	// one the server chose, if any. nil means none.
	Subprotocols []string

	// Jar gives the cookies that are sent, and takes those that come back. nil
	// means none.
	Jar http.CookieJar

	// TLSConfig is used for wss, and for https proxies. ServerName defaults to
	// the host; NextProtos is replaced by "http/1.1". nil means the defaults of
	// crypto/tls.
	TLSConfig *tls.Config

	// InsecureSkipVerify accepts any certificate, which lets anyone in between
	// read and change what is sent. false means that certificates are verified.
	InsecureSkipVerify bool

	// Proxy tells which proxy to use, as http.Transport's field does: nil is
	// none; http and https proxies are asked to CONNECT, socks5 and socks5h
	// proxies resolve the host themselves; user and password come from the
	// proxy's URL. The request it is given has the scheme http for ws and https
	// for wss. A nil Proxy means http.ProxyFromEnvironment; a function that
	// returns nil, nil means no proxy.
	Proxy func(*http.Request) (*url.URL, error)

	// NetDial opens the connection to the server or to the proxy. It is given
	// "tcp" and host:port, or "unix" and a path, and must return when its ctx
	// ends. nil means net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// UnixSocket is the path of a Unix socket to connect to instead of the URL's
	// host, which then serves the Host header (and TLS) alone. No proxy is used.
	// "" means the URL's host.
	UnixSocket string

	// Wrap is given the stream to the server, behind TLS and behind a proxy, before the
	// handshake, and returns what the handshake and the connection run over in its
	// place: to look at what passes, or to count it. Over what is no plain socket a
	// connection owns a goroutine; see [Conn.Attach]. It is called for each
	// connection that is opened, those of redirects too. nil means the stream
	// itself, as a nil Wrap does. If it panics the stream is closed.
	Wrap func(nc net.Conn) net.Conn

	// HandshakeTimeout bounds Dial as a whole, redirects included, beside its
	// ctx. 0 means 10 s; negative means that ctx alone does.
	HandshakeTimeout time.Duration

	// MaxHeader bounds the head of the server's answer, and of a proxy's, in
	// bytes. 0 means 8 KiB.
	MaxHeader int

	// FollowRedirects is how many redirects are followed, never from wss to ws.
	// Another host is not sent Authorization, Cookie, Host or the URL's user;
	// the Jar decides for itself. 0 means that a redirect is an error.
	FollowRedirects int

	// HTTPClient makes the handshake instead of this package, for the sake of
	// its Transport. The connection is slower then and without deadlines, and
	// TLSConfig, InsecureSkipVerify, Proxy, NetDial, UnixSocket and Wrap must be left
	// alone. Its Timeout and CheckRedirect are not used; its Jar is, unless Jar
	// is set. nil means that this package makes the handshake.
	HTTPClient *http.Client
}
