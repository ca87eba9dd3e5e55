package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
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
