package talk

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Target is what to connect to.
type Target struct {
	// Network is tcp, tls, udp or unix for a stream or datagrams, and "" for a
	// WebSocket.
	Network string

	// Address is host:port, or the path of a Unix socket.
	Address string

	// URL is that of a WebSocket.
	URL string

	// Socket is the Unix socket that leads to it; "" means the URL's host.
	Socket string
}

// ParseTarget understands ws://, wss://, http:// and https:// URLs, host:port/path and :port/path as such
// of ws, ws+unix:///PATH[:/URI], tcp://, tls:// and udp:// with host:port, and unix:PATH.
func ParseTarget(text string) (Target, error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case strings.HasPrefix(text, "unix:"):
		path := strings.TrimPrefix(strings.TrimPrefix(text, "unix:"), "//")
		if path == "" {
			return Target{}, fmt.Errorf("%q has no path: write unix:/run/x.sock", text)
		}
		return Target{Network: "unix", Address: path}, nil
	case !found:
		if strings.HasPrefix(text, ":") { // a port of this machine
			text = "localhost" + text
		}
		return parseURL("ws://" + text)
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case "ws", "wss", "http", "https":
		return parseURL(text)
	case "ws+unix", "wss+unix":
		path, uri, _ := strings.Cut(rest, ":")
		if path == "" || uri != "" && uri[0] != '/' {
			return Target{}, fmt.Errorf("%q is not of the form %s:///run/x.sock:/path", text, scheme)
		}
		t, err := parseURL(strings.TrimSuffix(scheme, "+unix") + "://localhost" + uri)
		t.Socket = path
		return t, err
	case "tcp", "tls", "udp":
		rest = strings.TrimSuffix(rest, "/")
		if host, port, err := net.SplitHostPort(rest); err != nil || port == "" {
			return Target{}, fmt.Errorf("%q is not of the form %s://host:port", text, scheme)
		} else if host == "" {
			rest = "localhost:" + port
		}
		return Target{Network: scheme, Address: rest}, nil
	}
	return Target{}, fmt.Errorf("the scheme of %q is none of ws, wss, http, https, ws+unix, tcp, tls, udp and unix", withoutSecrets(text))
}

func parseURL(text string) (Target, error) {
	u, err := url.Parse(text)
	if err == nil && u.Fragment != "" {
		return Target{}, errors.New("the URL of a WebSocket has no fragment: leave # and what follows it out, or write %23 for #")
	}
	if err != nil || u.Host == "" {
		return Target{}, fmt.Errorf("%q is no URL of a WebSocket, such as ws://127.0.0.1:8080/path", withoutSecrets(text))
	}
	return Target{URL: text}, nil
}

// String is the target without what may be secret in it.
func (t Target) String() string {
	switch {
	case t.Network == "unix":
		return "unix:" + t.Address
	case t.Network != "":
		return t.Network + "://" + t.Address
	case t.Socket != "":
		return withoutSecrets(t.URL) + " through " + t.Socket
	}
	return withoutSecrets(t.URL)
}

// withoutSecrets masks the password of a URL, and the values in its query.
func withoutSecrets(text string) string {
	head, query, found := strings.Cut(text, "?")
	if i := strings.Index(head, "://"); i >= 0 {
		authority, path, slash := strings.Cut(head[i+3:], "/")
		if at := strings.LastIndex(authority, "@"); at >= 0 {
			user, _, _ := strings.Cut(authority[:at], ":")
			authority = user + ":xxxxx" + authority[at:]
		}
		head = head[:i+3] + authority
		if slash {
			head += "/" + path
		}
	}
	if !found {
		return head
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, _, ok := strings.Cut(pair, "="); ok {
			pairs[i] = name + "=xxxxx"
		}
	}
	return head + "?" + strings.Join(pairs, "&")
}
