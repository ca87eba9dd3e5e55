//go:build !js

package ws

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Request is a handshake that waits for [Server].Accept to decide. Its methods
// look things up when they are called and return memory of the caller's own. A
// Request is valid until Accept returns, and not safe for concurrent use.
type Request struct {
	hello  *hello
	fields []byte        // of a request on a raw connection
	nc     net.Conn      // the same
	http   *http.Request // nil on a raw connection
	ctx    context.Context
}

// Context returns the context of the http.Request, and on a connection that
// the Server accepted itself one that ends with the Server.
func (r *Request) Context() context.Context {
	if r.http != nil {
		return r.http.Context()
	}
	return r.ctx
}

// Method returns the request's method, which is GET.
func (r *Request) Method() string { return http.MethodGet }

// RequestURI returns the path and the query as they were sent.
func (r *Request) RequestURI() string {
	if r.http != nil {
		return r.http.URL.RequestURI()
	}
	return strings.Clone(r.hello.target)
}

// Path returns the path, with its percent-encoding undone. It is not cleaned:
// it may hold ".." and doubled slashes.
func (r *Request) Path() string {
	if r.http != nil {
		return cmp.Or(r.http.URL.Path, "/") // "" of an absolute target without one
	}
	path, _, _ := strings.Cut(r.hello.target, "?")
	if strings.IndexByte(path, '%') < 0 {
		return strings.Clone(path)
	}
	path, _ = url.PathUnescape(path) // was checked
	return path
}

// RawQuery returns what follows the first question mark, as it was sent.
func (r *Request) RawQuery() string {
	if r.http != nil {
		return r.http.URL.RawQuery
	}
	_, query, _ := strings.Cut(r.hello.target, "?")
	return strings.Clone(query)
}

// Query parses the query. Malformed pairs are left out.
func (r *Request) Query() url.Values {
	q, _ := url.ParseQuery(r.RawQuery())
	return q
}

// Host returns the Host header.
func (r *Request) Host() string { return strings.Clone(r.hello.host) }

// Origin returns the Origin header, or "".
func (r *Request) Origin() string { return strings.Clone(r.hello.origin) }

// Header returns the first value of a header field, or "". Case does not matter
// in the name.
func (r *Request) Header(name string) string {
	if equalFold(name, "host") {
		return r.Host() // net/http keeps it elsewhere
	}
	value := ""
	r.eachValue(name, func(v string) bool {
		value = strings.Clone(v)
		return false
	})
	return value
}

// Headers returns all header fields but Host, which [Request.Host] returns.
func (r *Request) Headers() http.Header {
	if r.http != nil {
		return r.http.Header.Clone()
	}
	h := http.Header{}
	for name, value := range eachField(r.fields) {
		if !equalFold(view(name), "host") {
			h.Add(string(name), string(value))
		}
	}
	return h
}

// Cookie returns the value of the first cookie of that name, and whether there
// is one. Case matters in the name.
func (r *Request) Cookie(name string) (string, bool) {
	value, found := "", false
	r.eachValue("Cookie", func(line string) bool {
		for pair := range strings.SplitSeq(line, ";") {
			n, v, ok := strings.Cut(trimSpace(pair), "=")
			if !ok || n != name {
				continue
			}
			if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
				v = v[1 : len(v)-1]
			}
			value, found = strings.Clone(v), true
			return false
		}
		return true
	})
	return value, found
}

// Subprotocols returns the subprotocols that the client offers, in its order.
func (r *Request) Subprotocols() []string {
	var all []string
	for _, list := range r.hello.protocols.slice() {
		for {
			var p string
			if p, list = nextElement(list); p == "" {
				break
			}
			all = append(all, strings.Clone(p))
		}
	}
	return all
}

// RemoteAddr returns the address that the request came from.
func (r *Request) RemoteAddr() net.Addr {
	if r.http == nil {
		return r.nc.RemoteAddr()
	}
	if ap, err := netip.ParseAddrPort(r.http.RemoteAddr); err == nil {
		return net.TCPAddrFromAddrPort(ap)
	}
	return textAddr(r.http.RemoteAddr)
}

// LocalAddr returns the address that the request came to, or nil if net/http
// did not say.
func (r *Request) LocalAddr() net.Addr {
	if r.http == nil {
		return r.nc.LocalAddr()
	}
	a, _ := r.http.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return a
}

// TLS returns the state of the TLS connection, or nil if there is none.
func (r *Request) TLS() *tls.ConnectionState {
	if r.http != nil {
		return r.http.TLS
	}
	if t, ok := r.nc.(interface{ ConnectionState() tls.ConnectionState }); ok {
		s := t.ConnectionState()
		return &s
	}
	return nil
}

// eachValue calls f with each value of a header field, until f says stop.
func (r *Request) eachValue(name string, f func(value string) (more bool)) {
	if r.http != nil {
		for _, v := range r.http.Header.Values(name) {
			if !f(v) {
				return
			}
		}
		return
	}
	name = strings.ToLower(name)
	for n, v := range eachField(r.fields) {
		if equalFold(view(n), name) && !f(view(v)) {
			return
		}
	}
}

// textAddr is an address that net/http gave as text which is not ip:port.
type textAddr string

func (a textAddr) Network() string { return "tcp" }
func (a textAddr) String() string  { return string(a) }
