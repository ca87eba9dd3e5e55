package servers

import (
	"net"
	"net/http"

	"github.com/olahol/melody"
)

// melody is for fan-out: a hub over gorilla/websocket.
var melodyServer = Server{
	Name: "melody", Title: "olahol/melody", Note: "BroadcastBinary, rooms by BroadcastFilter; over gorilla/websocket", Module: "github.com/olahol/melody",
	Fanout: true, Live: true, TLS: true,
	Serve: func(ln net.Listener, job Job) error {
		if job.Live {
			return serveMelody(ln, job)
		}
		m := melody.New()
		m.Config.MaxMessageSize = maxMessage
		m.HandleMessageBinary(func(_ *melody.Session, p []byte) { m.BroadcastBinary(p) })
		return serveHTTP(ln, job, func(w http.ResponseWriter, r *http.Request) { m.HandleRequest(w, r) })
	},
}
