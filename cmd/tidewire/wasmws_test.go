package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidewire/tidewire/ws"
)

// peer is what the program in the browser connects to: how it behaves depends on
// the door. The program asks over HTTP what a peer with a key has seen.
type peer struct {
	door     string
	query    url.Values
	released chan struct{} // a peer at /stall, /mute or /hang goes on
	closed   chan struct{}
	how      string // how it was closed; set before closed is
	count    atomic.Int64
}

func (p *peer) Opened(c *ws.Conn) {
	switch p.door {
	case "/close":
		code, _ := strconv.Atoi(p.query.Get("code"))
		c.Close(ws.StatusCode(code), p.query.Get("reason"))
	case "/burst":
		for i := range 3 {
			c.Write(context.Background(), ws.Text, fmt.Appendf(nil, "burst %d", i))
		}
		c.Close(ws.StatusNormalClosure, "done")
	case "/break":
		c.CloseNow()
	case "/mute":
		<-p.released
	case "/big":
		size, _ := strconv.Atoi(p.query.Get("size"))
		c.Write(context.Background(), ws.Binary, make([]byte, size))
	}
}

func (p *peer) Message(c *ws.Conn, typ ws.MessageType, data []byte) {
	p.count.Add(1)
	switch {
	case p.door == "/stall":
		<-p.released
	case string(data) == "bye":
		c.Close(ws.StatusGoingAway, "bye")
	default:
		c.Write(context.Background(), typ, data)
	}
}

func (p *peer) Closed(c *ws.Conn, err error) {
	ce := err.(*ws.CloseError)
	p.how = fmt.Sprintf("%s %d %q", ce.By, ce.Code, ce.Reason)
	close(p.closed)
}

// peers finds the peers by their keys.
type peers struct {
	mu    sync.Mutex
	byKey map[string]*peer
}

func (ps *peers) get(key string) *peer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.byKey[key]
	if p == nil {
		p = &peer{released: make(chan struct{}), closed: make(chan struct{})}
		if key != "" {
			ps.byKey[key] = p
		}
	}
	return p
}

// accept lets the program in by any door but /nowhere.
func (ps *peers) accept(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
	query := r.Query()
	p := ps.get(query.Get("key"))
	switch r.Path() {
	case "/nowhere":
		return nil, nil, nil
	case "/hang":
		<-p.released
		return nil, nil, nil
	}
	p.door, p.query = r.Path(), query
	return p, &ws.AcceptOptions{Subprotocols: []string{"chat"}}, nil
}

// ServeHTTP tells the program what a peer has seen, or lets it go on.
func (ps *peers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := ps.get(r.URL.Query().Get("key"))
	switch r.URL.Path {
	case "/release":
		ps.release(p)
	case "/closed":
		select {
		case <-p.closed:
			fmt.Fprint(w, p.how)
		case <-r.Context().Done():
		}
	case "/count":
		fmt.Fprint(w, p.count.Load())
	}
}

func (ps *peers) release(p *peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	select {
	case <-p.released:
	default:
		close(p.released)
	}
}

func (ps *peers) releaseAll() {
	ps.mu.Lock()
	all := make([]*peer, 0, len(ps.byKey))
	for _, p := range ps.byKey {
		all = append(all, p)
	}
	ps.mu.Unlock()
	for _, p := range all {
		ps.release(p)
	}
}

// TestWSInBrowser tries package ws from inside Chromium against a ws.Server.
func TestWSInBrowser(t *testing.T) {
	goForBrowsers(t, "vet", "../../ws/...", "../../client/...", "../../ws/testdata/browser", "../../client/testdata/browser")
	all := &peers{byKey: map[string]*peer{}}
	mux := http.NewServeMux()
	mux.Handle("/", all)
	serveWasm(t, mux, "../../ws/testdata/browser")
	server := &ws.Server{Accept: all.accept, HTTP: mux}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		all.releaseAll()
		server.Close()
		<-done
	})
	runWasm(t, "http://"+listener.Addr().String(), 32)
}
