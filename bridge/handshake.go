package bridge

import (
	"crypto/rand"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/ws"
)

// upgrades reports whether a request asks for a WebSocket.
func upgrades(r *http.Request) bool {
	return slices.ContainsFunc(listed(r, "Upgrade"), func(name string) bool { return strings.EqualFold(name, "websocket") })
}

// listed is what a field of a request's header lists, with commas between (RFC 9110 section 5.6.1).
func listed(r *http.Request, field string) (all []string) {
	for _, line := range r.Header.Values(field) {
		for element := range strings.SplitSeq(line, ",") {
			if element = strings.TrimSpace(element); element != "" {
				all = append(all, element)
			}
		}
	}
	return all
}

// receive lets a WebSocket client in.
func (w *way) receive(rw http.ResponseWriter, r *http.Request, token string) {
	g := &guest{from: w.bridge.client(r)}
	g.to, _ = r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	target := w.Target
	if w.Lookup != nil {
		if named := r.URL.Query().Get("token"); named != "" {
			token = named
		}
		var err error
		if target, err = w.Lookup(token); err == nil {
			err = w.fits(target)
		}
		if err != nil {
			w.turnAway(&w.refusedToken, g.from, err)
			http.Error(rw, "no target has this token", http.StatusNotFound)
			return
		}
	}
	leave, err := w.admit(g.from)
	if err != nil {
		rw.Header().Set("Retry-After", "5")
		http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		return
	}
	subprotocols := w.subprotocols(target, r)
	chosen := choose(subprotocols, r)
	if target.web() && chosen != "" {
		g.offered = []string{chosen}
	}
	if rebound(r, g.to) { // no origin is the same then
		r = r.Clone(r.Context())
		r.Host = nobody
	}
	conn, err := ws.Accept(rw, r, &ws.AcceptOptions{
		ConnOptions: connOptions(target, w.Framing, chosen == Base64Protocol),
		Origins:     w.Origins, AnyOrigin: w.AnyOrigin, Subprotocols: subprotocols,
	})
	if err != nil { // and it has answered
		leave()
		w.turnAway(&w.refusedRequest, g.from, err)
		return
	}
	w.bridge.relays.Go(func() {
		defer leave()
		front := newMessages(conn, whole(target, w.Framing))
		front.unmaskedOut = w.Listen.scheme == schemeWS && !front.base64
		w.relay(front, target, g)
	})
}

// nobody is a host whose pages there are none of, and that nobody knows. A refusal shows it.
var nobody = "another-name-of-a-loopback-address." + rand.Text() + ".invalid"

// rebound reports whether a request came to a loopback address by a name that is not this machine's: a page's, whose
// site has its own name stand for this machine now, so that the page counts as ours (DNS rebinding).
func rebound(r *http.Request, to net.Addr) bool {
	ap, ok := addrPort(to)
	if !ok || !ap.Addr().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host = strings.TrimSuffix(strings.ToLower(host), "."); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return false
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil || !addr.Unmap().IsLoopback()
}

// subprotocols are those that a client may choose from.
func (w *way) subprotocols(target Endpoint, r *http.Request) []string {
	if target.web() {
		if w.Subprotocols != nil {
			return w.Subprotocols
		}
		return offered(r)
	}
	known := []string{BinaryProtocol, Base64Protocol}
	if !target.packets() {
		known = append([]string{StreamProtocol}, known...)
	}
	return append(known, w.Subprotocols...)
}

// offered are the subprotocols that a request offers.
func offered(r *http.Request) []string { return listed(r, "Sec-WebSocket-Protocol") }

// choose returns what ws.Accept will: the first of ours that the client offers.
func choose(ours []string, r *http.Request) string {
	theirs := offered(r)
	for _, name := range ours {
		if slices.Contains(theirs, name) {
			return name
		}
	}
	return ""
}

// peerOf is the address that a request's connection comes from.
func peerOf(r *http.Request) net.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return net.TCPAddrFromAddrPort(ap)
	}
	return &net.UnixAddr{Net: "unix"}
}
