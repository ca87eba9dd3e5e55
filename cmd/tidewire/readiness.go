package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// readiness answers a load balancer that asks whether to send anybody here.
type readiness struct {
	store    atomic.Pointer[store] // nil until it is open
	app      atomic.Pointer[application]
	draining atomic.Bool
}

// open says that clients may come.
func (r *readiness) open(s *store, app *application) {
	r.app.Store(app)
	r.store.Store(s)
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
	case r.app.Load().ready() != nil:
		why = "starting: " + r.app.Load().ready().Error()
	case !store.available():
		why = "degraded: messages cannot be stored"
	default:
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, why)
}
