package servers

import (
	"net"
	"net/http"

	"github.com/coder/websocket"
)

var coderServer = Server{
	Name: "coder", Title: "coder/websocket", Note: "Read and Write; it has no prepared messages", Module: "github.com/coder/websocket",
	Echo: true, Fanout: true, TLS: true, Deflate: true, Takeover: true,
	Serve: func(ln net.Listener, job Job) error {
		options := &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled}
		if job.Deflate {
			options.CompressionMode = websocket.CompressionNoContextTakeover
		}
		if job.Takeover {
			options.CompressionMode = websocket.CompressionContextTakeover
		}
		var all hub[*websocket.Conn]
		return serveHTTP(ln, job, func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, options)
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.SetReadLimit(maxMessage)
			if job.Fanout {
				all.join(c)
				defer all.leave(c)
			}
			for {
				typ, p, err := c.Read(r.Context())
				if err != nil {
					return
				}
				if job.Fanout {
					all.each(func(c *websocket.Conn) { c.Write(r.Context(), typ, p) })
				} else if err := c.Write(r.Context(), typ, p); err != nil {
					return
				}
			}
		})
	},
}
