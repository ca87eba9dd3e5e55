package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// An admin is the address for those who run the server: health, readiness, metrics and profiles.
type admin struct {
	server *http.Server
	addr   net.Addr
	ended  chan struct{}
}

// startAdmin listens on the socket that was handed over, or on addr, and serves until close.
func startAdmin(handed sockets, addr string, ready, numbers http.Handler, log *slog.Logger) (*admin, error) {
	listener, err := handed.listen(adminSocket, addr, "--admin-addr")
	if err != nil {
		return nil, err
	}
	a := &admin{server: newAdmin(ready, numbers, log), addr: listener.Addr(), ended: make(chan struct{})}
	if tcp, ok := a.addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		log.Warn("the admin address is no loopback address: whoever reaches it sees profiles of this process", "addr", a.addr.String())
	}
	go func() {
		defer close(a.ended)
		if err := a.server.Serve(listener); err != http.ErrServerClosed {
			log.Error("the admin address does not serve any more", "error", err)
		}
	}()
	return a, nil
}

// close ends it at once.
func (a *admin) close() {
	a.server.Close()
	<-a.ended
}

// newAdmin makes the server. Its times hold for whoever sends or reads slowly; a profile over some seconds gets these as well.
func newAdmin(ready, numbers http.Handler, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", healthy)
	mux.Handle("GET /readyz", ready)
	mux.Handle("GET /metrics", numbers)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.Handle("/debug/pprof/cmdline", http.NotFoundHandler()) // it may have passwords in it
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// healthy answers whether the process serves, which it does when it answers.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}
