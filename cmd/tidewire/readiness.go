package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// readiness answers a load balancer that asks whether to send anybody here.
type readiness struct {
	store    atomic.Pointer[store] // nil until it is open
	draining atomic.Bool
}

func (r *readiness) drain() { r.draining.Store(true) }

func (r *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	why := ""
	store := r.store.Load()
	switch {
	case r.draining.Load():
		why = "draining"
	case store == nil:
		why = "starting"
	case !store.available():
		why = "degraded: messages cannot be stored"
	default:
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, why)
}
