//go:build !js

package ws

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// UpgradeOptions configures [Upgrade]. The zero value of each field is its
// default; nil stands for the zero value of them all.
//
// The callbacks run in the order OnURI, OnHost, OnHeader, Subprotocol, once the
// request is known to be a sound WebSocket handshake. The bytes that they are
// given are valid until they return and must not be modified. An error of
// theirs ends the handshake; see [Refusal].
type UpgradeOptions struct {
	ConnOptions

	// Subprotocols, Origins, AnyOrigin and Header are those of [AcceptOptions].
	Subprotocols []string
	Origins      []string
	AnyOrigin    bool
	Header       http.Header

	// HandshakeTimeout bounds the whole handshake, however the request
	// trickles in. 0 means 10 s.
	HandshakeTimeout time.Duration

	// MaxHeader bounds the request's head, in bytes. 0 means 8 KiB.
	MaxHeader int

	// OnURI is given the request's target: a path, and a query if there is one.
	// nil means that any will do.
	OnURI func(uri []byte) error

	// OnHost is given the Host header. nil means that any will do.
	OnHost func(host []byte) error

	// OnHeader is given each header field in the order of arrival, the
	// handshake's own included, with its name as it was sent. nil means that
	// any will do.
	OnHeader func(name, value []byte) error

	// Subprotocol is given each subprotocol that the client offers, in the
	// client's order, until it returns one: the offered one, as a string. It
	// replaces Subprotocols. nil means to go by Subprotocols.
	Subprotocol func(offered []byte) string
}

var defaultUpgrade UpgradeOptions

// lingerTime and lingerBytes bound the wait for a client that was refused: a
// close with unread input would reset the connection and lose the answer.
const (
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// Upgrade runs the server's side of the handshake on a connection that nobody
// has read from yet, without net/http, and takes nc over: when it fails it has
// answered, waited up to a second for the client to take the answer, and closed
// nc. The error is a *[Refusal] where the request is at fault.
//
// A nc that is a *net.TCPConn or a *tls.Conn is best handed over as it is:
// wrappers lose the fast ways of reading.
func Upgrade(nc net.Conn, o *UpgradeOptions) (*Conn, error) {
	if o == nil {
		o = &defaultUpgrade
	}
	timeout, limit := o.HandshakeTimeout, o.MaxHeader
	if timeout <= 0 {
		timeout = defaultHandshakeTimeout
	}
	if limit <= 0 {
		limit = defaultMaxHeader
	}
	nc.SetDeadline(time.Now().Add(timeout))
	b, end, err := readHead(nc, getBuffer(smallBuffer), limit, "")
	defer putBuffer(b)
	if err != nil {
		return nil, failHead(nc, err, len(*b), "UpgradeOptions")
	}
	var h hello
	fields, ref := h.fromHead((*b)[:end])
	if ref == nil {
		ref = h.check()
	}
	if ref == nil {
		ref = o.call(&h, fields)
	}
	var d deal
	if ref == nil {
		t := terms{
			subprotocols: o.Subprotocols,
			choose:       o.Subprotocol,
			origins:      o.Origins,
			anyOrigin:    o.AnyOrigin,
			header:       o.Header,
			compression:  o.Compression,
		}
		d, ref = h.settle(&t)
	}
	if ref != nil {
		ref.send(nc)
		return nil, ref
	}
	return openConn(nc, &h, &d, o.Header, birth{buffered: (*b)[end:], set: settingsFor(&o.ConnOptions)})
}

// call runs the callbacks.
func (o *UpgradeOptions) call(h *hello, fields []byte) *Refusal {
	if o.OnURI != nil {
		if err := o.OnURI(bytesOf(h.target)); err != nil {
			return refusalOf(err)
		}
	}
	if o.OnHost != nil {
		if err := o.OnHost(bytesOf(h.host)); err != nil {
			return refusalOf(err)
		}
	}
	if o.OnHeader != nil {
		for name, value := range eachField(fields) {
			if err := o.OnHeader(name, value); err != nil {
				return refusalOf(err)
			}
		}
	}
	return nil
}

// fromHead parses a request head that arrived on a raw connection.
func (h *hello) fromHead(head []byte) (fields []byte, ref *Refusal) {
	fields, err := parseRequest(head, h)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "malformed request: %v", err)
	}
	if h.hosts > 1 {
		// "A server MUST respond with a 400 […] to any request message that
		// contains more than one Host header field line" (RFC 9112 section 3.2).
		return nil, refuse(http.StatusBadRequest, "the request has more than one Host header")
	}
	if h.target[0] != '/' && h.upgrade {
		if ref := h.relative(); ref != nil {
			return nil, ref
		}
	}
	if strings.IndexByte(h.target, '%') >= 0 {
		path, _, _ := strings.Cut(h.target, "?")
		if _, err := url.PathUnescape(path); err != nil {
			return nil, refuse(http.StatusBadRequest, "malformed request target: %v", err)
		}
	}
	return fields, nil
}

// relative brings a target in absolute form, which "a server MUST accept" (RFC
// 9112 section 3.2.2; RFC 6455 section 4.2.1, item 1), into origin form.
func (h *hello) relative() *Refusal {
	scheme, rest, ok := strings.Cut(h.target, "://")
	if !ok || defaultPort(scheme) == "" {
		return refuse(http.StatusBadRequest, "the request target is neither a path nor an HTTP URL")
	}
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		i = len(rest)
	}
	if !equalHost(rest[:i], h.host) {
		return refuse(http.StatusBadRequest, "the request target and the Host header name different hosts")
	}
	if h.target = rest[i:]; h.target == "" {
		h.target = "/"
	}
	return nil
}

// openConn sends the 101 and makes the Conn. b holds what is not set here.
func openConn(nc net.Conn, h *hello, d *deal, header http.Header, b birth) (*Conn, error) {
	answer := getBuffer(smallBuffer)
	*answer = appendAnswer(*answer, h.key, d, header)
	_, err := nc.Write(*answer)
	putBuffer(answer)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("ws: sending the handshake's answer: %w", err)
	}
	nc.SetDeadline(time.Time{})
	b.stream, b.subprotocol, b.deflate = nc, d.subprotocol, d.deflate
	return newConn(b), nil
}

// failHead answers a request head that could not be read, and closes nc.
// options names the type that holds the limits.
func failHead(nc net.Conn, err error, received int, options string) error {
	var ref *Refusal
	switch {
	case errors.Is(err, errHeadTooLarge):
		ref = refuse(http.StatusRequestHeaderFieldsTooLarge, "the request's head is larger than %s.MaxHeader", options)
	case errors.Is(err, os.ErrDeadlineExceeded):
		ref = refuse(http.StatusRequestTimeout, "the request took longer than %s.HandshakeTimeout", options)
		ref.Cause = err
		if received == 0 {
			nc.Close()
			return ref
		}
	case errors.Is(err, errNotHTTP):
		ref = refuse(http.StatusBadRequest, "malformed request: what arrived is not HTTP")
	default:
		nc.Close()
		return fmt.Errorf("ws: reading the handshake: %w", err)
	}
	ref.send(nc)
	return ref
}

// send answers on a raw connection and closes it.
func (r *Refusal) send(nc net.Conn) {
	defer nc.Close()
	count.refused.Add(1)
	b := getBuffer(smallBuffer)
	defer putBuffer(b)
	*b = r.append(*b)
	nc.SetDeadline(time.Now().Add(lingerTime))
	if _, err := nc.Write(*b); err != nil {
		return
	}
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	for n := 0; n < lingerBytes; {
		m, err := nc.Read((*b)[:cap(*b)])
		if n += m; err != nil {
			return
		}
	}
}
