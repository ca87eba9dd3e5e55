package main

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/tidewire/tidewire/js"
	"github.com/tidewire/tidewire/web"
	"github.com/tidewire/tidewire/ws"
)

// newServer makes everything that serve offers: the sockets, and the pages on the
// same port.
func newServer(app *application, ready http.Handler, log *slog.Logger) *ws.Server {
	site := http.NewServeMux()
	site.HandleFunc("GET /healthz", healthy)
	site.Handle("GET /readyz", ready)
	site.HandleFunc("GET /live", noSocket)
	site.Handle("/live", app.hub) // posts, where no WebSocket passes
	pages := web.Handler()
	if app.demos != nil {
		site.Handle("/", pages)
	} else {
		client := js.Handler()
		site.Handle("/tidewire.js", client)
		site.Handle("/tidewire/", client)
	}
	if app.api != nil {
		site.Handle("/api/", app.access.requests(app.api))
	}
	if app.console != nil {
		site.HandleFunc("GET /console/live", noSocket)
		if app.demos == nil {
			for _, path := range []string{"/console/", "/page.js", "/style.css", "/favicon.svg", "/uplot/"} {
				site.Handle(path, pages)
			}
		}
	}
	return &ws.Server{
		HTTP:   site,
		Logger: log,
		Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			switch path := r.Path(); {
			case path == "/live":
				return app.hub.Accept(r)
			case path == "/console/live" && app.console != nil:
				return app.console.Accept(r)
			case path == "/echo" && app.demos != nil:
				return echoTo(app.demos, r)
			}
			return nil, nil, nil // 404
		},
	}
}

// noSocket answers who comes to an endpoint with a browser's address bar.
func noSocket(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	scheme := "ws"
	if r.TLS != nil {
		scheme = "wss"
	}
	text := fmt.Sprintf("This is a WebSocket endpoint: %s://%s%s\nThe pages at / use it.", scheme, r.Host, r.URL.Path)
	http.Error(w, text, http.StatusUpgradeRequired)
}
