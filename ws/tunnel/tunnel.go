// Package tunnel carries WebSocket connections through plain HTTP, for browsers behind
// something that lets no WebSocket pass. It knows nothing of frames: what the server
// writes is the body of the answer to one POST, and what the client writes are the
// bodies of others, numbered, so that one whose answer was lost can be sent again.
//
// A body begins with a line of text, and the bytes of the connection stand behind it:
//
//	POST  open PROTOCOLS\n BYTES         200  SECRET PROTOCOL\n BYTES…   until the connection ends
//	POST  post SECRET N\n BYTES          204  taken, now or before
//	                                     404  there is no such connection (any more)
//	                                     409  a post before N is missing
//	                                     503  not now: send it again
//
// PROTOCOLS are the subprotocols offered, with commas between, and PROTOCOL is the one that
// was chosen; they may be empty. N counts from 1. SECRET is known to nobody but the client.
//
// The Handler in front of which a Tunnel stands sees an ordinary WebSocket handshake, with
// the request's own Origin, cookies and remote address, and hijacks the connection. So
// every rule that it has for WebSockets holds for tunnels.
package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Tunnel is an http.Handler that gives Next WebSocket connections through plain HTTP. Set
// its fields before use. It is safe for concurrent use.
type Tunnel struct {
	// Next accepts WebSocket connections by hijacking them, as package ws does.
	Next http.Handler

	// MaxPost bounds a request's body, in bytes. 0 means 256 KiB.
	MaxPost int64

	// Timeout bounds how long a request's body may take to come, and how long Next may
	// take to read it. 0 means 10 s.
	Timeout time.Duration

	// Node is put in front of each secret, so that Forward knows whose it is. It has no
	// spaces. "" means that there is one node.
	Node string

	// Forward brings a post to the node whose connection it is for, and returns the
	// status that Post returned there, or 503. It is called for secrets that are not
	// known here. nil means that there is one node.
	Forward func(ctx context.Context, secret string, n uint64, body []byte) (status int)

	mu    sync.Mutex
	conns map[string]*conn // by secret
}

// Len returns the number of open connections.
func (t *Tunnel) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

func (t *Tunnel) timeout() time.Duration {
	if t.Timeout <= 0 {
		return 10 * time.Second
	}
	return t.Timeout
}

// ServeHTTP opens a connection, or takes what a client writes to one.
func (t *Tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a WebSocket handshake or a POST is wanted here", http.StatusMethodNotAllowed)
		return
	}
	most := t.MaxPost
	if most <= 0 {
		most = 256 << 10
	}
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(t.timeout()))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		// The deadline stays: the server reads what is left of the body before it answers, and would wait for that for ever.
		w.Header().Set("Connection", "close")
		status := http.StatusRequestTimeout
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, "the request's body: "+err.Error(), status)
		return
	}
	control.SetReadDeadline(time.Time{})
	line, rest, ok := bytes.Cut(body, []byte("\n"))
	what, more, _ := strings.Cut(string(line), " ")
	secret, n, two := strings.Cut(more, " ")
	switch {
	case ok && what == "open":
		t.open(w, r, more, rest)
	case ok && what == "post" && two:
		t.post(w, r, secret, n, rest)
	default:
		http.Error(w, `the body begins with "open PROTOCOL" or "post SECRET N", and a line feed`, http.StatusBadRequest)
	}
}

// open has Next accept a connection, and is what it writes to until it has ended.
func (t *Tunnel) open(w http.ResponseWriter, r *http.Request, protocol string, first []byte) {
	c := newConn(w, r, t.Node+"."+rand.Text())
	c.posts.Lock() // what came with the request is first
	t.Next.ServeHTTP(&hijackable{w, t, c}, handshake(r, protocol))
	if !c.hijacked {
		return // refused, and answered
	}
	defer t.forget(c)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		c.feed(first, t.timeout())
		c.posts.Unlock()
	}()
	select {
	case <-c.over:
	case <-r.Context().Done():
	}
	c.Close()
	<-fed
}

func (t *Tunnel) enlist(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns == nil {
		t.conns = map[string]*conn{}
	}
	t.conns[c.secret] = c
}

func (t *Tunnel) forget(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c.secret)
}

func (t *Tunnel) find(secret string) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conns[secret]
}

// post takes what the client of a connection writes.
func (t *Tunnel) post(w http.ResponseWriter, r *http.Request, secret, number string, body []byte) {
	n, err := strconv.ParseUint(number, 10, 53)
	if err != nil || n == 0 {
		http.Error(w, "the number of a post is a positive integer", http.StatusBadRequest)
		return
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		allow(w, origin) // the secret is the proof, and the answer is a status
	}
	w.Header().Set("Cache-Control", "no-store")
	var status int
	switch node, _, _ := strings.Cut(secret, "."); {
	case t.Forward != nil && node != t.Node:
		status = t.Forward(r.Context(), secret, n, body)
	default:
		status = t.Post(secret, n, body)
	}
	w.WriteHeader(status)
}

// Post takes a post, perhaps one that another node has forwarded, and returns its status.
func (t *Tunnel) Post(secret string, n uint64, body []byte) (status int) {
	c := t.find(secret)
	if c == nil {
		return http.StatusNotFound
	}
	return c.post(n, body, t.timeout())
}

// handshake returns the WebSocket handshake that a request stands for.
func handshake(r *http.Request, protocol string) *http.Request {
	g := r.Clone(r.Context())
	g.Method, g.Proto, g.ProtoMajor, g.ProtoMinor = http.MethodGet, "HTTP/1.1", 1, 1
	g.Body, g.ContentLength, g.TransferEncoding = http.NoBody, 0, nil
	for _, name := range []string{"Content-Length", "Content-Type", "Transfer-Encoding", "Sec-Websocket-Extensions"} {
		g.Header.Del(name)
	}
	g.Header.Set("Connection", "Upgrade")
	g.Header.Set("Upgrade", "websocket")
	g.Header.Set("Sec-WebSocket-Version", "13")
	g.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	g.Header.Del("Sec-WebSocket-Protocol")
	if protocol != "" {
		g.Header.Set("Sec-WebSocket-Protocol", protocol)
	}
	return g
}

// hijackable is the ResponseWriter that Next takes a connection from.
type hijackable struct {
	http.ResponseWriter
	tunnel *Tunnel
	conn   *conn
}

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c := h.conn
	if c.hijacked {
		return nil, nil, http.ErrHijacked
	}
	c.hijacked = true
	h.tunnel.enlist(c) // before the client can know the secret
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}
