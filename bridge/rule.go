package bridge

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// The defaults of a Rule.
const (
	defaultConnections = 1000
	defaultDialTimeout = 10 * time.Second
	defaultUDPIdle     = time.Minute
	defaultLinger      = 5 * time.Second
)

// Rule says where a bridge listens and where it then connects to. The zero value of each field is its default.
type Rule struct {
	// Listen is where clients come in. Rules may share the address of a WebSocket endpoint, each with a path of its
	// own; the path / stands for all that no other rule has.
	Listen Endpoint

	// Target is where they are connected to.
	Target Endpoint

	// Lookup gives the target instead of Target, for WebSocket clients who name a token: as the query's "token", or as
	// the last segment of the path behind Listen's. An error refuses the client with 404 before anything is dialled.
	// It is called concurrently. [Tokens.Lookup] is one. nil means Target.
	Lookup func(token string) (Endpoint, error)

	// MaxConnections is how many clients there are at once. More are refused: with 503, with a TCP reset, or by
	// dropping their datagrams. 0 means 1000.
	MaxConnections int

	// MaxAddressConnections is how many of them may come from one address; of IPv6, from one /64. 0 means no bound but
	// MaxConnections.
	MaxAddressConnections int

	// DialTimeout is how long connecting to the target may take, with TLS and handshake. 0 means 10 s.
	DialTimeout time.Duration

	// Idle ends a connection on which nothing has passed for so long, pings aside. What the kernel still has for a slow
	// reader passes when that takes it, on Linux; elsewhere it has passed. 0 means for ever, and one minute
	// where a side is UDP, which does not say when it is over. Of a UDP client only what it says itself counts: it may be gone, or
	// never have been at the address that its datagram said, and a target may talk for ever.
	Idle time.Duration

	// Total ends a connection that has lasted so long. 0 means for ever.
	Total time.Duration

	// Linger is how long a target that cannot be told of the client's end may be silent before it is closed, and how long
	// a target may take to end when its client has gone. When the bridge shuts down, it is how long a UDP client may be silent. 0
	// means 5 s.
	Linger time.Duration

	// Framing is how streams mark the boundaries of datagrams and messages. 0 means Raw.
	Framing Framing

	// Proxy is the version of the PROXY protocol in which a stream's target is told who the client is. 0 means that it
	// is not told.
	Proxy ProxyVersion

	// Origins are the web pages that may connect beside those of the same host, as ws.AcceptOptions has them.
	Origins []string

	// AnyOrigin lets every web page connect that a user of this machine or network opens.
	AnyOrigin bool

	// Subprotocols are offered to a WebSocket target, in this order, and accepted from WebSocket clients beside those
	// that the bridge has a meaning for. "base64" has the payload in text messages in base64, as websockify does.
	// nil offers BinaryProtocol and StreamProtocol where the other side is a stream, and what the client offers where it is WebSocket.
	Subprotocols []string

	// Header is sent with the handshake to a WebSocket target. Host in it is sent instead of the target's own.
	Header http.Header

	// TLS is for an endpoint that listens with TLS, which needs it; of rules that share an address one is enough.
	TLS *tls.Config

	// TargetTLS is for targets with TLS. nil means crypto/tls's defaults.
	TargetTLS *tls.Config

	// Web answers requests at Listen's address that ask for no WebSocket or that no rule has the path of: the page that
	// connects, say. nil answers them with 404, or 426 where a WebSocket is.
	Web http.Handler
}

// Framing is how a stream marks boundaries.
type Framing byte

const (
	// Raw: not at all. What a read returns becomes a datagram or message, and boundaries are lost the other way.
	Raw Framing = iota
	// Length16: each datagram or message has its length in front, in 16 bits, most significant first (RFC 4571, and DNS
	// over TCP). Longer messages end the connection.
	Length16
)

// withDefaults returns the rule with its defaults filled in.
func (r Rule) withDefaults() Rule {
	r.MaxConnections = cmp.Or(r.MaxConnections, defaultConnections)
	r.DialTimeout = cmp.Or(r.DialTimeout, defaultDialTimeout)
	r.Linger = cmp.Or(r.Linger, defaultLinger)
	return r
}

// idle is how long connections to the target may be silent; 0 is for ever.
func (r *Rule) idle(target Endpoint) time.Duration {
	if r.Idle == 0 && (r.Listen.packets() || target.packets()) {
		return defaultUDPIdle
	}
	return r.Idle
}

// check finds what cannot be meant.
func (r *Rule) check() error {
	err := r.problem()
	if err != nil && r.Lookup == nil {
		return fmt.Errorf("%s to %s: %w", r.Listen, r.Target.Redacted(), err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.Listen, err)
	}
	return nil
}

func (r *Rule) problem() error {
	switch {
	case r.Listen == Endpoint{}:
		return errors.New("there is no endpoint to listen on")
	case r.Lookup == nil && r.Target == Endpoint{}:
		return errors.New("there is no target")
	case r.Lookup != nil && r.Target != Endpoint{}:
		return errors.New("a target and a list to look it up in exclude each other")
	case r.Lookup != nil && !r.Listen.web():
		return errors.New("only WebSocket clients can name a token")
	case r.Listen.scheme == schemeTLS && r.TLS == nil:
		return errors.New("listening with TLS needs a certificate")
	case !r.Listen.secure() && r.TLS != nil:
		return errors.New("a certificate is for wss: and tls: endpoints that listen")
	case !r.Listen.web() && (len(r.Origins) > 0 || r.AnyOrigin || r.Web != nil):
		return errors.New("origins and pages are for WebSocket endpoints that listen")
	case slices.ContainsFunc(r.Origins, malformed):
		return errors.New("an origin is no pattern: its bracket has no end")
	case r.Listen.web() && strings.Contains(r.Listen.path, "?"):
		return errors.New("the path to listen on must have no query")
	case r.MaxConnections < 0 || r.MaxAddressConnections < 0:
		return errors.New("a number of connections must not be negative")
	case r.DialTimeout < 0 || r.Idle < 0 || r.Total < 0 || r.Linger < 0:
		return errors.New("a time must not be negative")
	case r.Framing > Length16:
		return errors.New("there is no such framing")
	case r.Proxy > ProxyV2:
		return errors.New("there is no such version of the PROXY protocol")
	}
	if r.Lookup == nil {
		return r.fits(r.Target)
	}
	return nil
}

// malformed reports whether an origin is no pattern as path.Match has them.
func malformed(origin string) bool {
	_, err := path.Match(origin, "")
	return err != nil
}

// fits reports why a target cannot be one of this rule.
func (r *Rule) fits(target Endpoint) error {
	if len(r.Header) > 0 && !target.web() {
		return errors.New("headers are for targets that speak WebSocket")
	}
	if r.Proxy != 0 && target.packets() {
		return errors.New("the PROXY protocol is for targets that are streams: it has no place in UDP")
	}
	if r.Framing != Raw && streams(r.Listen, target) != 1 {
		return errors.New("framing is for a stream beside datagrams or messages")
	}
	if target.network() != "unix" && strings.HasSuffix(target.addr, ":0") {
		return errors.New("port 0 is no target")
	}
	return nil
}

// whole reports whether messages are passed as a whole to the other side of a WebSocket connection.
func whole(other Endpoint, framing Framing) bool {
	return other.packets() || framing == Length16
}

// streams counts those that are neither WebSocket nor datagrams.
func streams(all ...Endpoint) (n int) {
	for _, e := range all {
		if !e.web() && !e.packets() {
			n++
		}
	}
	return n
}
