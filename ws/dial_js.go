package ws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// errDialTimeout is the cause that ends a Dial that took too long.
var errDialTimeout = fmt.Errorf("the handshake took longer than DialOptions.HandshakeTimeout: %w", context.DeadlineExceeded)

var errUserInfo = errors.New("the URL has a user, whom a browser does not authenticate: leave it out")

var errDialFailed = errors.New("the browser could not connect, and tells no program why; its console may say more")

// Dial opens a WebSocket connection to a URL whose scheme is ws or wss (http and
// https mean the same). ctx bounds Dial alone, not the connection.
//
// The browser makes the handshake: it sends its own cookies and origin, and
// offers compression in any case, so that Compression changes nothing. The
// options that a browser cannot honour are refused with an error that names the
// option, and so is a user in the URL. A browser refuses a server that chooses
// none of the subprotocols offered. It shows no response, so that the
// *http.Response is nil, also beside an error.
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, *http.Response, error) {
	if o == nil {
		o = &DialOptions{}
	}
	u, err := parseURL(rawURL)
	if err == nil {
		err = checkOffer(o.Subprotocols)
	}
	if err == nil && u.User != nil {
		err = errUserInfo
	}
	if err == nil {
		err = refuseOptions(o)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ws: dial: %w", err)
	}
	if timeout := orDefault(o.HandshakeTimeout, defaultHandshakeTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errDialTimeout)
		defer cancel()
	}
	name := nameOf(u)
	if err := context.Cause(ctx); err != nil {
		return nil, nil, fmt.Errorf("ws: dial %s: %w", name, err)
	}
	c, err := newConn(u.String(), address(name), o.Subprotocols, settingsFor(&o.ConnOptions))
	if err != nil {
		return nil, nil, fmt.Errorf("ws: dial %s: %w", name, err)
	}
	select {
	case <-c.opened:
		return c, nil, nil
	case <-c.gone:
		if c.isOpened() {
			return c, nil, nil // and closed already: its first call tells
		}
		err = errDialFailed
	case <-ctx.Done():
		err = context.Cause(ctx)
		c.CloseNow()
	}
	return nil, nil, fmt.Errorf("ws: dial %s: %w", name, err)
}

// refuseOptions refuses what a browser cannot honour.
func refuseOptions(o *DialOptions) error {
	for _, option := range []struct {
		name string
		set  bool
	}{
		{"DialOptions.Header", len(o.Header) > 0},
		{"DialOptions.Host", o.Host != ""},
		{"DialOptions.Origin", o.Origin != ""},
		{"DialOptions.Jar", o.Jar != nil},
		{"DialOptions.TLSConfig", o.TLSConfig != nil},
		{"DialOptions.InsecureSkipVerify", o.InsecureSkipVerify},
		{"DialOptions.Proxy", o.Proxy != nil},
		{"DialOptions.NetDial", o.NetDial != nil},
		{"DialOptions.UnixSocket", o.UnixSocket != ""},
		{"DialOptions.Wrap", o.Wrap != nil},
		{"DialOptions.MaxHeader", o.MaxHeader != 0},
		{"DialOptions.FollowRedirects", o.FollowRedirects != 0},
		{"DialOptions.HTTPClient", o.HTTPClient != nil},
		{"ConnOptions.MessageTimeout", o.MessageTimeout > 0},
		{"ConnOptions.PingInterval", o.PingInterval > 0},
		{"ConnOptions.PingMisses", o.PingMisses > 0},
		{"ConnOptions.ControlRate", o.ControlRate > 0},
	} {
		if option.set {
			return fmt.Errorf("%s cannot be honoured in a browser: leave it unset", option.name)
		}
	}
	return nil
}
