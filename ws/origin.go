//go:build !js

package ws

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
)

var errOrigin = errors.New("not an origin")

// checkOrigin decides about a request's Origin (RFC 6455 section 10.2): a page
// may open a connection to the host it came from, and others may where a pattern
// says so. Only browsers send an Origin, so a request without one passes.
func checkOrigin(origin, host string, patterns []string) *Refusal {
	if origin == "" || sameOrigin(origin, host) {
		return nil
	}
	// A copy, because the pattern matching may keep what it is given.
	scheme, rest, err := cutOrigin(strings.Clone(origin))
	for _, pattern := range patterns {
		if equalFold(origin, strings.ToLower(pattern)) { // "null", and hosts that hold brackets
			return nil
		}
		if err != nil {
			continue
		}
		subject := rest
		if s, p, ok := strings.Cut(pattern, "://"); ok {
			if !strings.EqualFold(s, scheme) {
				continue
			}
			pattern = p
		}
		if strings.EqualFold(pattern, subject) {
			return nil
		}
		match, err := path.Match(strings.ToLower(pattern), subject)
		if err != nil {
			return refuse(http.StatusInternalServerError, "the option Origins holds a malformed pattern: %q", pattern)
		}
		if match {
			return nil
		}
	}
	return refuse(http.StatusForbidden,
		"origin %q may not connect to host %q; the server's option Origins lists the origins that may", origin, host)
}

// sameOrigin compares what follows the scheme in an Origin with a Host header.
// The server may sit behind a proxy that ends TLS, so the scheme itself says
// nothing; it gives the port where one side leaves it out.
func sameOrigin(origin, host string) bool {
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok || host == "" || len(rest) > 512 {
		return false
	}
	port := defaultPort(scheme)
	if port == "" {
		return false
	}
	oh, op := cutPort(rest, port)
	hh, hp := cutPort(host, port)
	return oh != "" && op == hp && equalHost(oh, hh)
}

// equalHost compares two host names without regard to ASCII case.
func equalHost(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x |= 0x20; x != y|0x20 || x < 'a' || x > 'z' {
			return false
		}
	}
	return true
}

// cutPort splits host[:port], leaving the brackets of an IPv6 address on.
func cutPort(hostport, port string) (string, string) {
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && strings.IndexByte(hostport[i:], ']') < 0 {
		if i+1 < len(hostport) {
			port = hostport[i+1:]
		}
		return hostport[:i], port
	}
	return hostport, port
}

func defaultPort(scheme string) string {
	switch {
	case equalFold(scheme, "http"), equalFold(scheme, "ws"):
		return "80"
	case equalFold(scheme, "https"), equalFold(scheme, "wss"):
		return "443"
	}
	return ""
}

// cutOrigin splits a serialised origin (RFC 6454 section 6.2) into its scheme
// and its host, both in lower case, the port only where it is not the scheme's.
func cutOrigin(origin string) (scheme, host string, err error) {
	u, err := url.Parse(origin)
	if err != nil {
		return "", "", err
	}
	if u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", "", errOrigin
	}
	scheme = u.Scheme
	host, port := cutPort(strings.ToLower(u.Host), "")
	if port != "" && port != defaultPort(scheme) {
		host += ":" + port
	}
	return scheme, host, nil
}
