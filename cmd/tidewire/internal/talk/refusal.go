package talk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/tidewire/tidewire/cmd/tidewire/internal/terminal"
)

// Refusal is a handshake that came to nothing, with what the server answered.
type Refusal struct {
	Status string   // "" where there was no answer
	Header []string // fields that may say why
	Body   string   // how it begins
	Err    error
	Try    string // what to try; "" where nobody knows
}

// Error is all in one line.
func (r *Refusal) Error() string { return r.Err.Error() + r.Try }

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

// Details is the answer, in lines, for who wants to see more than an error.
func (r *Refusal) Details() string {
	if r.Status == "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  HTTP %s\n", terminal.Escape([]byte(r.Status)))
	for _, field := range r.Header {
		fmt.Fprintf(&b, "  %s\n", terminal.Escape([]byte(field)))
	}
	if body := strings.TrimSpace(r.Body); body != "" {
		fmt.Fprintf(&b, "\n  %s\n", strings.ReplaceAll(terminal.Escape([]byte(body)), "\n", "\n  "))
	}
	return b.String()
}

// telling are the fields of an answer that may say why it is no 101.
var telling = []string{
	"Allow", "Connection", "Content-Type", "Location", "Proxy-Authenticate", "Retry-After", "Sec-Websocket-Protocol",
	"Sec-Websocket-Version", "Server", "Upgrade", "Via", "Www-Authenticate",
}

// maxBody is how much of an answer's body is shown.
const maxBody = 500

// refused tells of a Dial that failed.
func refused(err error, resp *http.Response, t *Target, proxied *url.URL) error {
	r := &Refusal{Try: advice(err, resp, t)}
	reason := strings.Replace(strings.TrimPrefix(err.Error(), "ws: dial "), "took longer than DialOptions.HandshakeTimeout: context deadline exceeded", "took too long", 1)
	if resp != nil {
		r.Status = resp.Status
		for _, name := range telling {
			for _, value := range resp.Header.Values(name) {
				r.Header = append(r.Header, name+": "+value)
			}
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			r.Body = string(body[:min(len(body), maxBody)])
		}
		if resp.StatusCode != http.StatusSwitchingProtocols {
			reason = fmt.Sprintf("%s: the server answered %s to the handshake", t, resp.Status)
		}
	}
	if proxied != nil && resp == nil {
		r.Try += fmt.Sprintf(" (through the proxy %s://%s, which --proxy or the environment names; --proxy none goes without)", proxied.Scheme, proxied.Host)
	}
	r.Err = reworded{err, reason}
	if resp != nil && isFinal(resp.StatusCode) {
		return Final{r}
	}
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	if errors.As(err, &unknown) || errors.As(err, &hostname) || strings.Contains(reason, "DialOptions.") {
		return Final{r}
	}
	return r
}

// reworded is an error in other words.
type reworded struct {
	error
	words string
}

func (e reworded) Error() string { return e.words }

func (e reworded) Unwrap() error { return e.error }

// isFinal reports whether the same request will be answered so again.
func isFinal(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusSwitchingProtocols:
		return false
	}
	return status < 500
}

// advice is what to try, in brackets, or "".
func advice(err error, resp *http.Response, t *Target) string {
	var try string
	if resp != nil {
		try = answered(resp, t)
	} else {
		try = unanswered(err, t)
	}
	if try == "" {
		return ""
	}
	return " (" + try + ")"
}

// answered is advice for an answer that is no 101.
func answered(resp *http.Response, t *Target) string {
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		return "it wants to know who you are: -H 'Authorization: Bearer …', a user and password in the URL, or with --live --token"
	case code == http.StatusForbidden:
		return "it does not let you in: the Origin may matter, try --origin " + originOf(t) + "; or other credentials with -H"
	case code == http.StatusNotFound:
		return "there is nothing under this path: is it right? Those of tidewire serve are /echo and /live"
	case code == http.StatusMethodNotAllowed, code == http.StatusOK, code == http.StatusNoContent:
		return "this is an HTTP page and no WebSocket endpoint: is the path right, or does a proxy in front of it drop the Upgrade header?"
	case code == http.StatusUpgradeRequired && resp.Header.Get("Sec-Websocket-Version") != "":
		return "it speaks another version of the protocol than 13"
	case code == http.StatusBadRequest && strings.HasPrefix(originOf(t), "http:"):
		return "it has seen no sound WebSocket handshake: it may speak TLS, try wss://; or a proxy in front of it drops the Upgrade header, or it wants a --subprotocol"
	case code == http.StatusUpgradeRequired, code == http.StatusBadRequest:
		return "it has seen no sound WebSocket handshake: a proxy in front of it may drop the Upgrade header, or it wants a --subprotocol"
	case code == http.StatusProxyAuthRequired:
		return "the proxy wants to know who you are: --proxy http://user:password@host:port"
	case code >= 300 && code < 400 && resp.Header.Get("Location") != "":
		return fmt.Sprintf("it is elsewhere: try %s, or --redirects 3 to follow", webSocketOf(resp.Header.Get("Location"), t))
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return "it is busy: try later, or --reconnect"
	case code == http.StatusBadGateway, code == http.StatusGatewayTimeout:
		return "a proxy in front of it does not reach it"
	case code == http.StatusSwitchingProtocols && len(resp.Header.Values("Sec-Websocket-Protocol")) > 0:
		return "offer what it speaks with --subprotocol"
	}
	return ""
}

// originOf is the origin of a page of the target's own.
func originOf(t *Target) string {
	u, err := url.Parse(t.URL)
	if err != nil {
		return "https://example.com"
	}
	scheme := "http"
	if u.Scheme == "wss" || u.Scheme == "https" {
		scheme = "https"
	}
	return scheme + "://" + u.Host
}

// webSocketOf is where a Location leads, as somebody would type it.
func webSocketOf(location string, t *Target) string {
	base, err := url.Parse(t.URL)
	if err != nil {
		return location
	}
	u, err := base.Parse(location)
	if err != nil {
		return location
	}
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	return withoutSecrets(u.String())
}

// unanswered is advice for an attempt without an answer.
func unanswered(err error, t *Target) string {
	var name *net.DNSError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	switch text := err.Error(); {
	case errors.As(err, &name) && name.IsNotFound:
		return "there is no such host: is the name right?"
	case errors.As(err, &name):
		return "the name could not be looked up: is there a network?"
	case errors.Is(err, errRefused):
		return "nobody listens there: is the port right, and the server up?"
	case errors.Is(err, os.ErrNotExist) && (t.Socket != "" || t.Network == "unix" || strings.Contains(text, "dial unix")):
		return "there is no such socket: is the path right, and the server up?"
	case errors.As(err, &unknown):
		return "its certificate is signed by nobody whom this machine trusts: --ca-file with who did, or --insecure-skip-verify"
	case errors.As(err, &hostname):
		return "its certificate is for another name: use that in the URL, or --insecure-skip-verify"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate is out of date, or this machine's clock is wrong"
	case t.Network == "tls" && errors.As(err, &plain):
		return "try tcp://"
	case strings.Contains(text, "it answered 407 "):
		return "the proxy wants to know who you are: --proxy http://user:password@host:port"
	case strings.Contains(text, "does not speak TLS"):
		return "try ws:// instead of wss://"
	case strings.Contains(text, "TLS alert: use wss"):
		return ""
	case strings.Contains(text, "remote error: tls: certificate required"):
		return "it wants a certificate: --client-cert and --client-key"
	case strings.Contains(text, "remote error: tls: unknown certificate"), strings.Contains(text, "remote error: tls: bad certificate"):
		return "it wants another certificate than it was shown: --client-cert and --client-key"
	case strings.Contains(text, "closed the connection without an answer") && strings.HasPrefix(originOf(t), "http:"):
		return "does it speak TLS? Then try wss://"
	case errors.Is(err, context.DeadlineExceeded):
		return "nothing came within --connect-timeout: does a firewall drop it?"
	case strings.Contains(text, "is not HTTP"):
		return "this is no web server: tcp:// talks to anything else"
	}
	return ""
}

// RefusalIn returns the Refusal in err's chain, or nil.
func RefusalIn(err error) (r *Refusal) {
	errors.As(err, &r)
	return r
}
