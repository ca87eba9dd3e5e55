//go:build !js

package ws

import (
	"errors"
	"fmt"
	"net/http"
)

// isRedirect reports whether a status asks for the same GET elsewhere.
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirect points the dialer at an answer's Location.
func (d *dialer) redirect(resp *http.Response) error {
	location := resp.Header.Get("Location")
	if location == "" {
		return fmt.Errorf("the server answered %s without a Location", resp.Status)
	}
	u, err := d.url.Parse(location)
	if err != nil {
		return fmt.Errorf("the server redirects to a malformed URL: %w", unwrapURL(err))
	}
	if err := checkURL(u); err != nil {
		return fmt.Errorf("the server redirects to %q: %w", location, err)
	}
	if d.url.Scheme == "wss" && u.Scheme == "ws" {
		return fmt.Errorf("the server redirects from wss to ws (%q), which is not followed", location)
	}
	u.Fragment, u.RawFragment = "", ""
	from := *d
	d.url = u
	sameHost := equalHost(from.url.Hostname(), u.Hostname())
	samePort := from.hostPort() == d.hostPort() ||
		from.url.Scheme == "ws" && u.Scheme == "wss" && from.url.Port() == "" && u.Port() == ""
	if sameHost && samePort {
		u.User = from.url.User
		return nil
	}
	if d.o.UnixSocket != "" {
		return errors.New("the server redirects to another host, which DialOptions.UnixSocket cannot reach")
	}
	// Another host gets none of what was meant for this one.
	u.User = nil
	d.host = ""
	for name := range d.header {
		if equalFold(name, "authorization") || equalFold(name, "cookie") || equalFold(name, "cookie2") ||
			equalFold(name, "proxy-authorization") || equalFold(name, "www-authenticate") {
			delete(d.header, name)
		}
	}
	return nil
}
