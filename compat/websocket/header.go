//go:build !js

package websocket

import (
	"net/http"
	"strings"
)

// IsWebSocketUpgrade reports whether r asks for a WebSocket connection: Connection
// names upgrade, and Upgrade names websocket.
func IsWebSocketUpgrade(r *http.Request) bool {
	return hasToken(r.Header, "Connection", "upgrade") && hasToken(r.Header, "Upgrade", "websocket")
}

// Subprotocols returns the subprotocols that the client offers, in its order, or
// nil.
func Subprotocols(r *http.Request) []string { return elements(r.Header["Sec-Websocket-Protocol"]) }

// elements returns the elements of a list that may be spread over several fields
// of the same name (RFC 9110 section 5.6.1).
func elements(values []string) []string {
	var all []string
	for _, v := range values {
		for e := range strings.SplitSeq(v, ",") {
			if e = strings.Trim(e, " \t"); e != "" {
				all = append(all, e)
			}
		}
	}
	return all
}

// hasToken reports whether the list in the field name has the token, whatever its
// case.
func hasToken(h http.Header, name, token string) bool {
	for _, e := range elements(h[name]) {
		if strings.EqualFold(e, token) {
			return true
		}
	}
	return false
}
