package bridge

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Connections of a WebSocket door that may be in HTTP at once, before their upgrade.
const (
	maxHandshakes        = 4096 // more wait in the kernel's backlog
	maxAddressHandshakes = 1024 // of one address; more are reset
)

// A webDoor listens for WebSocket, for all rules of its address.
type webDoor struct {
	scheme string
	ln     net.Listener
	server *http.Server
	paths  map[string]*way // by the decoded path
	web    http.Handler    // may be nil
	tls    *tls.Config
	log    *slog.Logger
	slots  chan struct{} // held by connections before their upgrade
	early  admission     // counts them by address

	closing context.Context // the bridge's

	mu     sync.Mutex
	shut   bool
	inside sync.WaitGroup // of handlers
	ended  chan struct{}  // closed when shut, and answered what was under way
}

func listenWeb(w *way) (*webDoor, error) {
	ln, err := w.listen()
	if err != nil {
		return nil, err
	}
	d := &webDoor{
		scheme: w.Listen.scheme, ln: ln, log: w.bridge.log, closing: w.bridge.closing, paths: map[string]*way{},
		slots: make(chan struct{}, maxHandshakes), ended: make(chan struct{}),
	}
	d.server = &http.Server{
		Handler:           d,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/2 has another WebSocket
		ErrorLog:          slog.NewLogLogger(w.bridge.log.Handler(), slog.LevelDebug),
		ConnState: func(conn net.Conn, state http.ConnState) {
			if state == http.StateHijacked || state == http.StateClosed {
				d.early.leave(conn.RemoteAddr())
				<-d.slots
			}
		},
	}
	d.early.max = maxHandshakes
	if w.Listen.network() != "unix" { // whose clients have no address
		d.early.maxAddress = maxAddressHandshakes
	}
	return d, nil
}

// add has it serve a rule.
func (d *webDoor) add(w *way) error {
	path, err := url.PathUnescape(w.Listen.path)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", w.Listen, err)
	case w.Listen.scheme != d.scheme:
		return fmt.Errorf("%s: at this address another rule listens for %s", w.Listen, d.scheme)
	case d.paths[path] != nil:
		return fmt.Errorf("%s: two rules have this path", w.Listen)
	case w.Web != nil && d.web != nil:
		return fmt.Errorf("%s: two rules of this address have pages (Web)", w.Listen)
	case w.TLS != nil && d.tls != nil && w.TLS != d.tls:
		return fmt.Errorf("%s: two rules of this address have certificates", w.Listen)
	}
	d.paths[path] = w
	if w.Web != nil {
		d.web = w.Web
	}
	if w.TLS != nil {
		d.tls = w.TLS
	}
	return nil
}

func (d *webDoor) addr() net.Addr { return d.ln.Addr() }

// limited is a door's listener that leaves those who come to the kernel while there are enough before their upgrade.
type limited struct {
	net.Listener
	door *webDoor
}

func (l limited) Accept() (net.Conn, error) {
	d := l.door
	d.slots <- struct{}{}
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			<-d.slots
			return nil, err
		}
		from := conn.RemoteAddr()
		if err := d.early.enter(from); err != nil {
			d.log.Debug("refused", "listen", d.scheme+"://"+d.ln.Addr().String(), "from", from.String(), "why", "too many of this address have said nothing yet")
			newStream(conn).close(err)
			continue
		}
		return conn, nil
	}
}

func (d *webDoor) serve() error {
	var ln net.Listener = limited{d.ln, d}
	if d.tls != nil {
		config := d.tls.Clone()
		config.NextProtos = []string{"http/1.1"}
		ln = tls.NewListener(ln, config)
	}
	err := d.server.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		<-d.ended
		return nil
	}
	return err
}

func (d *webDoor) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return
	}
	d.shut = true
	d.ln.Close()
	go d.drain()
}

// drain ends the server when what is being answered has been, or when the relays are broken off. Who is still saying what it
// wants by then, or takes the end of an answer, has a little time.
func (d *webDoor) drain() {
	defer close(d.ended)
	stop := context.AfterFunc(d.closing, func() { d.server.Close() })
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		d.inside.Wait()
		select {
		case <-time.After(5 * time.Second):
			cancel()
		case <-ctx.Done():
		}
	}()
	if d.server.Shutdown(ctx) != nil {
		d.server.Close()
	}
	d.inside.Wait()
}

// enter counts a handler, unless the door is closed.
func (d *webDoor) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return false
	}
	d.inside.Add(1)
	return true
}

func (d *webDoor) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !d.enter() {
		http.Error(rw, "shutting down", http.StatusServiceUnavailable)
		return
	}
	defer d.inside.Done()
	w, token := d.find(r.URL.Path)
	if w == nil || !upgrades(r) {
		switch {
		case d.web != nil:
			d.web.ServeHTTP(page{rw, d.server.WriteTimeout}, r)
		case w == nil:
			http.Error(rw, "nothing is bridged at this path", http.StatusNotFound)
		default:
			rw.Header().Set("Upgrade", "websocket")
			rw.Header().Set("Connection", "Upgrade")
			http.Error(rw, "this is for WebSocket", http.StatusUpgradeRequired)
		}
		return
	}
	w.receive(rw, r, token)
}

// find returns the rule for a path, and the token that the path has in its last segment.
func (d *webDoor) find(path string) (w *way, token string) {
	if w := d.paths[path]; w != nil {
		return w, ""
	}
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		for _, before := range []string{path[:i], path[:i+1]} {
			if w := d.paths[before]; w != nil && w.Lookup != nil {
				return w, path[i+1:]
			}
		}
	}
	return d.paths["/"], ""
}

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
		ConnOptions: connOptions(target, w.Framing, chosen == Base64Protocol && !target.web()),
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

// nobody is a host whose pages there are none of, and that nobody knows.
var nobody = rand.Text() + ".invalid"

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
