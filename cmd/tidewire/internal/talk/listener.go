package talk

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// Listener is a server for one connection at a time: others are refused with 503.
// Close must be called.
type Listener struct {
	options ws.AcceptOptions
	tracer  *Tracer
	server  *http.Server
	conns   chan *ws.Conn
	mu      sync.Mutex
	busy    bool
	closed  bool
	served  chan struct{} // is closed once err is set
	err     error
}

// Listen serves ln, which may speak TLS. tracer may be nil; otherwise o.Wrap is its own.
func Listen(ln net.Listener, o ws.AcceptOptions, tracer *Tracer) *Listener {
	l := &Listener{options: o, tracer: tracer, conns: make(chan *ws.Conn, 1), served: make(chan struct{})}
	l.server = &http.Server{
		Handler: l, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		l.err = l.server.Serve(ln)
		close(l.served)
	}()
	return l
}

// ServeHTTP accepts a connection, if there is none.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	options := l.options
	if l.tracer != nil {
		l.tracer.request(r)
		told := &answer{ResponseWriter: w, tracer: l.tracer}
		w, options.Wrap = told, told.wrap
	}
	l.mu.Lock()
	busy := l.busy
	l.busy = true
	l.mu.Unlock()
	if busy {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "another connection is open, and this server has one at a time", http.StatusServiceUnavailable)
		return
	}
	c, err := ws.Accept(w, r, &options)
	if err != nil {
		l.free()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.CloseNow()
		return
	}
	l.conns <- c // there is room: nobody else has come so far
}

func (l *Listener) free() {
	l.mu.Lock()
	l.busy = false
	l.mu.Unlock()
}

// Connect waits for a connection; it is for Talk.
func (l *Listener) Connect(ctx context.Context) (Peer, error) {
	select {
	case c := <-l.conns:
		context.AfterFunc(c.Context(), l.free)
		return WebSocket(c, fmt.Sprintf("a connection from %v", c.RemoteAddr()))
	case <-l.served:
		return nil, Final{l.err}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends it, and the connections too.
func (l *Listener) Close() {
	l.server.Close()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	select {
	case c := <-l.conns:
		c.CloseNow()
	default:
	}
	<-l.served
}
