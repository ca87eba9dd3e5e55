package servers

import (
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

var gorillaServer = Server{
	Name: "gorilla", Title: "gorilla/websocket", Note: "ReadMessage and WriteMessage; fan-out by PreparedMessage", Module: "github.com/gorilla/websocket",
	Echo: true, Fanout: true, TLS: true, Deflate: true,
	Serve: func(ln net.Listener, job Job) error {
		upgrader := websocket.Upgrader{EnableCompression: job.Deflate}
		var all hub[*websocket.Conn]
		return serveHTTP(ln, job, func(w http.ResponseWriter, r *http.Request) {
			c, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			c.SetReadLimit(maxMessage)
			if job.Fanout {
				all.join(c)
				defer all.leave(c)
			}
			for {
				typ, p, err := c.ReadMessage()
				if err != nil {
					return
				}
				if !job.Fanout {
					if err := c.WriteMessage(typ, p); err != nil {
						return
					}
					continue
				}
				m, err := websocket.NewPreparedMessage(typ, p)
				if err != nil {
					return
				}
				all.each(func(c *websocket.Conn) { c.WritePreparedMessage(m) })
			}
		})
	},
}
