package servers

import (
	"net"
	"net/http"

	"golang.org/x/net/websocket"
)

var xnetServer = Server{
	Name: "xnet", Title: "x/net/websocket", Note: "Message.Receive and Message.Send", Module: "golang.org/x/net",
	Echo: true, Fanout: true, TLS: true,
	Serve: func(ln net.Listener, job Job) error {
		var all hub[*websocket.Conn]
		h := websocket.Server{
			Handshake: func(*websocket.Config, *http.Request) error { return nil },
			Handler: func(c *websocket.Conn) {
				c.MaxPayloadBytes = maxMessage
				defer c.Close() // it sends the close frame
				if job.Fanout {
					all.join(c)
					defer all.leave(c)
				}
				var p []byte
				for websocket.Message.Receive(c, &p) == nil {
					if job.Fanout {
						all.each(func(c *websocket.Conn) { websocket.Message.Send(c, p) })
					} else if websocket.Message.Send(c, p) != nil {
						return
					}
				}
			},
		}
		return serveHTTP(ln, job, h.ServeHTTP)
	},
}
