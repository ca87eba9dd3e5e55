package ws

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// parseURL parses a URL to dial, and brings its scheme to ws or wss.
func parseURL(rawURL string) (*url.URL, error) {
	if strings.Contains(rawURL, "#") {
		// "Fragment identifiers […] MUST NOT be used" (RFC 6455 section 3).
		return nil, errors.New("the URL has a fragment (#), which a WebSocket URL cannot have")
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("malformed URL: %w", unwrapURL(err))
	}
	if err := checkURL(u); err != nil {
		return nil, err
	}
	return u, nil
}

// unwrapURL takes the URL, which may hold a password, out of url.Parse's error.
func unwrapURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// checkURL refuses what cannot be dialled, and brings the scheme to ws or wss.
func checkURL(u *url.URL) error {
	switch u.Scheme {
	case "ws", "wss":
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return fmt.Errorf("the URL's scheme is %q, and must be ws or wss", u.Scheme)
	}
	if u.Opaque != "" || u.Hostname() == "" {
		return errors.New("the URL has no host")
	}
	for i := range len(u.Host) {
		if u.Host[i] >= 0x80 {
			return fmt.Errorf("the URL's host %q is not ASCII: write it in its xn-- form", u.Host)
		}
		if charClass[u.Host[i]]&inHost == 0 {
			return fmt.Errorf("the URL's host %q holds a character that no host has", u.Host)
		}
	}
	return nil
}

// nameOf is a URL without what may be secret in it.
func nameOf(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// checkOffer refuses subprotocols that cannot be offered.
func checkOffer(offer []string) error {
	seen := map[string]bool{}
	for _, p := range offer {
		// "The elements that comprise this value MUST be non-empty strings […]
		// and MUST all be unique strings" (RFC 6455 section 4.1, item 10).
		if !isToken(p) {
			return fmt.Errorf("DialOptions.Subprotocols holds one that is not a token: %q", p)
		}
		if seen[p] {
			return fmt.Errorf("DialOptions.Subprotocols holds %q twice", p)
		}
		seen[p] = true
	}
	return nil
}
