package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// readiness answers a load balancer that asks whether to send anybody here.
type readiness struct {
	why      atomic.Pointer[func() string] // nil until clients may come; then what speaks against it
	draining atomic.Bool
}

// open says that clients may come, unless why says something.
func (r *readiness) open(why func() string) { r.why.Store(&why) }

func (r *readiness) drain() { r.draining.Store(true) }

func (r *readiness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	why, open := "starting", r.why.Load()
	switch {
	case r.draining.Load():
		why = "draining"
	case open != nil:
		why = (*open)()
	}
	if why == "" {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, why)
}
