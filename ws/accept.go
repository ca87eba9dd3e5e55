//go:build !js

package ws

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/ws/deflate"
)

// errNoUpgrade is the cause of a Refusal of a plain HTTP request.
var errNoUpgrade = errors.New("not a WebSocket handshake")

// AcceptOptions configures the server's side of a handshake. The zero value of
// each field is its default; nil stands for the zero value of them all.
type AcceptOptions struct {
	ConnOptions

	// Subprotocols are the subprotocols spoken, in order of preference. The
	// first that the client offers is chosen. nil means none.
	Subprotocols []string

	// Origins lists origins that may connect beside the request's own host, as
	// patterns of [path.Match] on a host ("*.example.com", "localhost:*") or on
	// scheme://host ("https://*.example.com"). Case does not matter; a port is
	// part of the host unless it is the scheme's own. nil means same-origin
	// only.
	Origins []string

	// AnyOrigin switches the check of the Origin header off: any web page may
	// then connect with its visitor's cookies. false means the check is on.
	AnyOrigin bool

	// Header is sent with the 101 answer, beside what the handler set on its
	// ResponseWriter. It cannot hold the handshake's own fields. nil means none.
	Header http.Header

	// HandshakeTimeout bounds the handshake: reading the request where this
	// package reads it, and writing the answer. 0 means 10 s.
	HandshakeTimeout time.Duration

	// Wrap is given the stream once the handshake is over, and returns what the
	// connection runs over in its place: to count what passes, or to look at it. What
	// the client sent right behind its handshake is still to be read from it. Over
	// what is no plain socket a connection owns a goroutine; see [Conn.Attach]. nil
	// means the stream itself, as a nil Wrap does. If it panics the stream is closed.
	Wrap func(nc net.Conn) net.Conn
}

var defaultAccept AcceptOptions

// terms is what both kinds of options say about a handshake.
type terms struct {
	subprotocols []string
	choose       func(offered []byte) string
	origins      []string
	anyOrigin    bool
	header       http.Header
	compression  *deflate.Options
}

func (o *AcceptOptions) terms() terms {
	return terms{
		subprotocols: o.Subprotocols,
		origins:      o.Origins,
		anyOrigin:    o.AnyOrigin,
		header:       o.Header,
		compression:  o.Compression,
	}
}

func (o *AcceptOptions) timeout() time.Duration {
	if o.HandshakeTimeout <= 0 {
		return defaultHandshakeTimeout
	}
	return o.HandshakeTimeout
}

// deal is what a handshake agreed on.
type deal struct {
	subprotocol string
	extension   string          // the Sec-WebSocket-Extensions to answer
	deflate     *deflate.Params // nil: none
}

// Accept takes the connection over from a net/http handler: it checks the
// handshake, answers it, and returns the open connection. When it refuses, it
// has answered the request, and the error is a *[Refusal].
//
// w may be wrapped as long as its wrappers have an Unwrap method, as
// [http.ResponseController] wants it. What a client sent right behind its
// handshake is kept, and the deadlines of the http.Server no longer apply.
//
// net/http keeps the request, its context and the handler's stack alive for as
// long as the handler has not returned. [HTTPHandler], [Conn.Attach] and
// [Server] let it return.
func Accept(w http.ResponseWriter, r *http.Request, o *AcceptOptions) (*Conn, error) {
	if o == nil {
		o = &defaultAccept
	}
	var h hello
	if ref := h.fromHTTP(r); ref != nil {
		ref.answer(w)
		return nil, ref
	}
	return acceptHTTP(w, &h, o, settingsFor(&o.ConnOptions), nil)
}

// fromHTTP fills the hello from what net/http parsed, and checks it.
func (h *hello) fromHTTP(r *http.Request) *Refusal {
	if r.ProtoMajor != 1 {
		return refuse(http.StatusHTTPVersionNotSupported,
			"this request came over %s, where a WebSocket needs extended CONNECT (RFC 8441); connect with HTTP/1.1",
			r.Proto)
	}
	h.method, h.major, h.minor, h.host = r.Method, r.ProtoMajor, r.ProtoMinor, r.Host
	h.hosts = 1 // net/http sees to that
	h.key, h.keys = single(r.Header["Sec-Websocket-Key"])
	h.version, h.versions = single(r.Header["Sec-Websocket-Version"])
	h.origin, h.origins = single(r.Header["Origin"])
	for _, v := range r.Header["Upgrade"] {
		h.upgrade = h.upgrade || hasToken(v, "websocket")
	}
	for _, v := range r.Header["Connection"] {
		h.connection = h.connection || hasToken(v, "upgrade")
	}
	for _, v := range r.Header["Sec-Websocket-Protocol"] {
		h.protocols.add(v)
	}
	for _, v := range r.Header["Sec-Websocket-Extensions"] {
		h.extensions.add(v)
	}
	h.body = r.ContentLength != 0 || len(r.TransferEncoding) > 0
	return h.check()
}

func single(values []string) (string, int) {
	if len(values) == 0 {
		return "", 0
	}
	return trimSpace(values[0]), len(values)
}

// check holds the request against RFC 6455 section 4.2.1.
func (h *hello) check() *Refusal {
	switch {
	case h.major != 1 || h.minor < 1:
		// Item 1: "An HTTP/1.1 or higher GET request".
		return refuse(http.StatusHTTPVersionNotSupported,
			"a WebSocket handshake needs HTTP/1.1, and this request is HTTP/%d.%d", h.major, h.minor)
	case !h.upgrade:
		// Item 3: "An |Upgrade| header field containing the value "websocket"".
		ref := refuseUpgrade("this is a WebSocket endpoint: the request lacks the header \"Upgrade: websocket\"")
		ref.Cause = errNoUpgrade
		return ref
	case h.method != http.MethodGet:
		ref := refuse(http.StatusMethodNotAllowed, "a WebSocket handshake is a GET, and this request is a %s", h.method)
		ref.Header = http.Header{"Allow": {http.MethodGet}}
		return ref
	case !h.connection:
		// Item 4: "A |Connection| header field that includes the token "Upgrade"".
		return refuseUpgrade("the request lacks the header \"Connection: Upgrade\"; a proxy in between may have removed it")
	case h.body:
		return refuse(http.StatusBadRequest, "a WebSocket handshake has no body, and this request announces one (Content-Length, Transfer-Encoding)")
	case h.hosts == 0 || h.host == "":
		// Item 2.
		return refuse(http.StatusBadRequest, "the request lacks a Host header")
	case h.hosts > 1:
		return refuse(http.StatusBadRequest, "the request has more than one Host header")
	case !all(h.host, inHost):
		// "A server MUST respond with a 400 […] to any request message that
		// contains […] a Host header field with an invalid field value" (RFC 9112
		// section 3.2).
		return refuse(http.StatusBadRequest, "the Host header %q is not host or host:port", h.host)
	case h.versions > 1:
		return refuse(http.StatusBadRequest, "the request has more than one Sec-WebSocket-Version header")
	case h.version != "13":
		// Item 6: "with a value of 13"; section 4.4 has the answer.
		if h.versions == 0 {
			return refuseUpgrade("the request lacks the header \"Sec-WebSocket-Version: 13\"")
		}
		return refuseUpgrade("Sec-WebSocket-Version %q is not supported; 13 is", h.version)
	case h.keys == 0:
		// Item 5.
		return refuse(http.StatusBadRequest, "the request lacks a Sec-WebSocket-Key header")
	case h.keys > 1:
		return refuse(http.StatusBadRequest, "the request has more than one Sec-WebSocket-Key header")
	case !validKey(h.key):
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key %q is not the base64 of 16 bytes", h.key)
	case h.origins > 1:
		return refuse(http.StatusBadRequest, "the request has more than one Origin header")
	}
	return nil
}

// settle decides what the request leaves open: origin, subprotocol, extension.
func (h *hello) settle(t *terms) (d deal, ref *Refusal) {
	if err := checkHeader(t.header); err != nil {
		return d, &Refusal{Status: http.StatusInternalServerError, Cause: err}
	}
	if !t.anyOrigin {
		if ref := checkOrigin(h.origin, h.host, t.origins); ref != nil {
			return d, ref
		}
	}
	if h.protocols.first != "" {
		if d.subprotocol, ref = h.protocols.choose(t); ref != nil {
			return d, ref
		}
	}
	if h.extensions.first == "" {
		return d, nil
	}
	if ref := h.extensions.checkSyntax(); ref != nil {
		return d, ref
	}
	if t.compression != nil {
		params, response, ok := t.compression.Negotiate(h.extensions.slice())
		if ok {
			d.extension, d.deflate = response, &params
		}
	}
	return d, nil
}

// checkSyntax refuses a Sec-WebSocket-Extensions that is malformed, compression
// or not (RFC 6455 section 9.1).
func (l *lines) checkSyntax() *Refusal {
	one := [1]string{l.first}
	err := deflate.CheckSyntax(one[:])
	if err == nil && len(l.rest) > 0 {
		err = deflate.CheckSyntax(l.rest)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Extensions is malformed: %v", err)
	}
	return nil
}

// choose picks the subprotocol (RFC 6455 section 4.2.2, item 5.5).
func (l *lines) choose(t *terms) (string, *Refusal) {
	best := len(t.subprotocols)
	chosen := ""
	for i := -1; i < len(l.rest); i++ {
		list := l.first
		if i >= 0 {
			list = l.rest[i]
		}
		for {
			var offered string
			if offered, list = nextElement(list); offered == "" {
				break
			}
			if !isToken(offered) {
				return "", refuse(http.StatusBadRequest, "Sec-WebSocket-Protocol offers %q, which is not a token", offered)
			}
			if t.choose != nil {
				if chosen == "" {
					chosen = t.choose(bytesOf(offered))
					if chosen != "" && chosen != offered {
						return "", &Refusal{Status: http.StatusInternalServerError, Cause: fmt.Errorf(
							"UpgradeOptions.Subprotocol chose %q when offered %q", chosen, offered)}
					}
				}
				continue
			}
			for j, p := range t.subprotocols[:best] {
				if p == offered {
					best, chosen = j, p
					break
				}
			}
		}
	}
	return chosen, nil
}

// checkHeader refuses fields that belong to the handshake, and values that
// would start a field of their own.
func checkHeader(h http.Header) error {
	for name, values := range h {
		switch {
		case !isToken(name):
			return fmt.Errorf("the option Header holds a name that is not a token: %q", name)
		case ownField(name):
			return fmt.Errorf("the option Header cannot set %s: the handshake does", http.CanonicalHeaderKey(name))
		}
		for _, v := range values {
			if !all(v, inValue) {
				return fmt.Errorf("the option Header holds a control character in the value of %s: %q", name, v)
			}
		}
	}
	return nil
}

// ownField reports whether a header field belongs to the handshake.
func ownField(name string) bool {
	switch len(name) {
	case len("upgrade"):
		return equalFold(name, "upgrade")
	case len("connection"):
		return equalFold(name, "connection")
	case len("content-length"):
		return equalFold(name, "content-length")
	case len("transfer-encoding"):
		if equalFold(name, "transfer-encoding") {
			return true
		}
	}
	const prefix = "sec-websocket-"
	return len(name) >= len(prefix) && equalFold(name[:len(prefix)], prefix)
}

// appendAnswer appends the 101 (RFC 6455 section 4.2.2, item 5).
func appendAnswer(b []byte, key string, d *deal, headers ...http.Header) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = appendAccept(b, key)
	if d.subprotocol != "" {
		b = append(append(b, "\r\nSec-WebSocket-Protocol: "...), d.subprotocol...)
	}
	if d.extension != "" {
		b = append(append(b, "\r\nSec-WebSocket-Extensions: "...), d.extension...)
	}
	b = append(b, "\r\n"...)
	for _, h := range headers {
		for name, values := range h {
			if ownField(name) || !isToken(name) {
				continue
			}
			for _, v := range values {
				if all(v, inValue) {
					b = append(append(b, name...), ": "...)
					b = append(append(b, v...), "\r\n"...)
				}
			}
		}
	}
	return append(b, "\r\n"...)
}

// acceptHTTP answers a request that passed its checks, and takes the connection.
func acceptHTTP(w http.ResponseWriter, h *hello, o *AcceptOptions, set *settings, onGone func(*Conn)) (*Conn, error) {
	t := o.terms()
	d, ref := h.settle(&t)
	if ref != nil {
		ref.answer(w)
		return nil, ref
	}
	nc, brw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		ref := refuseHijack(w, err)
		ref.answer(w)
		return nil, ref
	}
	nc, buffered := release(nc, brw)
	b := getBuffer(smallBuffer)
	*b = appendAnswer(*b, h.key, &d, w.Header(), o.Header)
	nc.SetWriteDeadline(time.Now().Add(o.timeout()))
	_, err = nc.Write(*b)
	putBuffer(b)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("ws: sending the handshake's answer: %w", err)
	}
	nc.SetDeadline(time.Time{})
	return newConn(birth{
		stream:      nc,
		buffered:    buffered,
		set:         set,
		subprotocol: d.subprotocol,
		deflate:     d.deflate,
		onGone:      onGone,
		wrap:        o.Wrap,
	}), nil
}

// release takes what was read ahead out of the buffers that came with a hijacked
// connection, and lets the buffers go: net/http keeps hold of them, empty or
// not, until the handler returns.
func release(nc net.Conn, brw *bufio.ReadWriter) (net.Conn, []byte) {
	var buffered []byte
	if brw != nil && brw.Reader != nil {
		buffered, _ = brw.Reader.Peek(brw.Reader.Buffered())
		*brw.Reader = bufio.Reader{}
	}
	if brw != nil && brw.Writer != nil {
		*brw.Writer = bufio.Writer{}
	}
	if r, ok := nc.(replayer); ok {
		var ahead []byte
		nc, ahead = r.unwrap()
		if len(ahead) > 0 {
			buffered = append(append([]byte(nil), buffered...), ahead...)
		}
	}
	return nc, buffered
}

// refuseHijack says which ResponseWriter does not let the connection go.
func refuseHijack(w http.ResponseWriter, err error) *Refusal {
	if !errors.Is(err, http.ErrNotSupported) {
		return &Refusal{Status: http.StatusInternalServerError, Cause: fmt.Errorf("hijacking the connection: %w", err)}
	}
	var path strings.Builder
	for {
		fmt.Fprintf(&path, "%T", w)
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
		path.WriteString(" around ")
	}
	return &Refusal{
		Status: http.StatusNotImplemented,
		Body:   "this server cannot hand the connection over to a WebSocket",
		Cause: fmt.Errorf("the ResponseWriter is a %s: %T has neither Hijack nor Unwrap; a middleware that wraps the ResponseWriter needs a method Unwrap() http.ResponseWriter",
			path.String(), w),
	}
}
