package servers

import (
	"net"
	"net/http"

	"github.com/olahol/melody"
)

// melody is for fan-out: a hub over gorilla/websocket.
var melodyServer = Server{
	Name: "melody", Title: "olahol/melody", Note: "BroadcastBinary; over gorilla/websocket", Module: "github.com/olahol/melody",
	Fanout: true, TLS: true,
	Serve: func(ln net.Listener, job Job) error {
		m := melody.New()
		m.Config.MaxMessageSize = maxMessage
		m.HandleMessageBinary(func(_ *melody.Session, p []byte) { m.BroadcastBinary(p) })
		return serveHTTP(ln, job, func(w http.ResponseWriter, r *http.Request) { m.HandleRequest(w, r) })
	},
}
