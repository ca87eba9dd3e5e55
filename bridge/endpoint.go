package bridge

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// The schemes of an Endpoint.
const (
	schemeWS     = "ws"
	schemeWSS    = "wss"
	schemeWSUnix = "ws+unix"
	schemeTCP    = "tcp"
	schemeTLS    = "tls"
	schemeUDP    = "udp"
	schemeUnix   = "unix"
)

// Endpoint is where a bridge listens, or where it connects to. [Parse] makes one.
type Endpoint struct {
	scheme string
	addr   string // host:port, or the path of a Unix socket
	path   string // of a WebSocket URL, with its query
}

// Parse reads an endpoint:
//
//	ws://host:port/path    WebSocket
//	wss://host:port/path   WebSocket over TLS
//	ws+unix:/socket:/path  WebSocket over a Unix socket
//	tcp:host:port          TCP
//	tls:host:port          TLS over TCP
//	udp:host:port          UDP
//	unix:/socket           a stream over a Unix socket
//
// The forms with two slashes behind the colon, such as tcp://host:port, mean the same. ws has port 80 unless it says
// otherwise, and wss 443; an empty host means every interface where one listens, and this machine where one connects. So
// does [::], while 0.0.0.0 means those of IPv4 alone.
func Parse(s string) (Endpoint, error) {
	e, err := parse(s)
	if err != nil {
		return Endpoint{}, fmt.Errorf("bridge: %q: %w", s, err)
	}
	return e, nil
}

// MustParse is Parse for what is known to be right. It panics otherwise.
func MustParse(s string) Endpoint {
	e, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return e
}

var errScheme = errors.New("an endpoint is ws://host:port/path, wss://host:port/path, ws+unix:/socket:/path, tcp:host:port, tls:host:port, udp:host:port or unix:/socket")

func parse(s string) (Endpoint, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Endpoint{}, errScheme
	}
	scheme = strings.ToLower(scheme)
	switch scheme {
	case schemeWS, schemeWSS:
		return parseURL(scheme, s)
	case schemeTCP, schemeTLS, schemeUDP:
		addr := strings.TrimPrefix(rest, "//")
		if err := checkAddr(addr); err != nil {
			return Endpoint{}, err
		}
		return Endpoint{scheme: scheme, addr: addr}, nil
	case schemeUnix:
		path, err := socketPath(rest)
		return Endpoint{scheme: scheme, addr: path}, err
	case schemeWSUnix:
		rest, path, _ := strings.Cut(strings.TrimPrefix(rest, "//"), ":")
		socket, err := socketPath(rest)
		if err != nil {
			return Endpoint{}, err
		}
		if path, err = requestPath(path); err != nil {
			return Endpoint{}, err
		}
		return Endpoint{scheme: scheme, addr: socket, path: path}, nil
	}
	return Endpoint{}, errScheme
}

func parseURL(scheme, s string) (Endpoint, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Endpoint{}, errors.New("not a URL")
	}
	switch {
	case u.Host == "" || u.Opaque != "":
		return Endpoint{}, fmt.Errorf("write %s://host:port/path", scheme)
	case u.User != nil:
		return Endpoint{}, errors.New("a user and password do not belong here: send an Authorization header instead")
	case u.Fragment != "":
		return Endpoint{}, errors.New("a URL for WebSocket has no fragment (RFC 6455 section 3)")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{schemeWS: "80", schemeWSS: "443"}[scheme]
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	if err := checkAddr(addr); err != nil {
		return Endpoint{}, err
	}
	path, err := requestPath(u.RequestURI())
	return Endpoint{scheme: scheme, addr: addr, path: path}, err
}

// checkAddr checks host:port.
func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("the address must be host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("the port must be a number from 0 to 65535")
	}
	if i := strings.IndexFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' || r == '@' || r == '?' || r == '#' }); i >= 0 {
		return errors.New("this is no host")
	}
	if ip, err := netip.ParseAddr(host); strings.ContainsRune(host, ':') && (err != nil || strings.ContainsAny(ip.Zone(), "%[]\"")) || strings.ContainsAny(host, "[]%\"") && err != nil {
		return errors.New("this is no host")
	}
	return nil
}

func socketPath(path string) (string, error) {
	path = strings.TrimPrefix(path, "//")
	// 104 on macOS and BSD, 108 on Linux.
	if path == "" || len(path) > 103 || strings.ContainsRune(path, 0) {
		return "", errors.New("the path of a Unix socket has 1 to 103 bytes")
	}
	return path, nil
}

// requestPath checks what a request line says behind its method.
func requestPath(path string) (string, error) {
	if path == "" {
		return "/", nil
	}
	if path[0] != '/' || strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return "", errors.New("the path must begin with a slash and hold no blanks")
	}
	return path, nil
}

// String returns the endpoint as Parse takes it.
func (e Endpoint) String() string {
	switch e.scheme {
	case schemeWS, schemeWSS:
		return e.scheme + "://" + strings.Replace(e.addr, "%", "%25", 1) + e.path
	case schemeWSUnix:
		return e.scheme + ":" + e.addr + ":" + e.path
	}
	return e.scheme + ":" + e.addr
}

// Redacted is String without the query of a WebSocket URL, which may hold a key. Logs and Stats have it.
func (e Endpoint) Redacted() string {
	if path, _, found := strings.Cut(e.path, "?"); found {
		e.path = path + "?xxxxx"
	}
	return e.String()
}

// Host returns host:port of an endpoint that has one, and otherwise "".
func (e Endpoint) Host() string {
	if e.network() == "unix" {
		return ""
	}
	return e.addr
}

// At returns the endpoint with the address that it listens on, which knows the port where the endpoint says 0.
func (e Endpoint) At(addr net.Addr) Endpoint {
	host, _, _ := net.SplitHostPort(e.addr)
	if _, port, err := net.SplitHostPort(addr.String()); err == nil && e.network() != "unix" {
		e.addr = net.JoinHostPort(host, port)
	}
	return e
}

// web reports whether it speaks WebSocket.
func (e Endpoint) web() bool {
	return e.scheme == schemeWS || e.scheme == schemeWSS || e.scheme == schemeWSUnix
}

// secure reports whether there is TLS.
func (e Endpoint) secure() bool { return e.scheme == schemeWSS || e.scheme == schemeTLS }

// packets reports whether it has datagrams.
func (e Endpoint) packets() bool { return e.scheme == schemeUDP }

// network is what package net calls it.
func (e Endpoint) network() string {
	switch e.scheme {
	case schemeUDP:
		return "udp"
	case schemeUnix, schemeWSUnix:
		return "unix"
	}
	return "tcp"
}

// listens is what package net calls it where one listens: to that 0.0.0.0 would be every address, those of IPv6 too.
func (e Endpoint) listens() string {
	network := e.network()
	if network != "unix" && strings.HasPrefix(e.addr, "0.0.0.0:") {
		network += "4"
	}
	return network
}
