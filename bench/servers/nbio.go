package servers

import (
	"net"
	"net/http"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"
)

var nbioServer = Server{
	Name: "nbio", Title: "lesismal/nbio", Note: "nbhttp's engine in its non-blocking mode; it has no prepared messages", Module: "github.com/lesismal/nbio",
	Echo: true, Fanout: true,
	Serve: func(ln net.Listener, job Job) error {
		logging.SetLevel(logging.LevelNone)
		var all hub[*websocket.Conn]
		upgrader := websocket.NewUpgrader()
		upgrader.BlockingModAsyncWrite = false
		upgrader.OnMessage(func(c *websocket.Conn, typ websocket.MessageType, p []byte) {
			if job.Fanout {
				all.each(func(c *websocket.Conn) { c.WriteMessage(typ, p) })
			} else {
				c.WriteMessage(typ, p)
			}
		})
		if job.Fanout {
			upgrader.OnOpen(func(c *websocket.Conn) { all.join(c) })
			upgrader.OnClose(func(c *websocket.Conn, _ error) { all.leave(c) })
		}
		engine := nbhttp.NewEngine(nbhttp.Config{
			Network: "tcp", Addrs: []string{ln.Addr().String()},
			Listen:                  func(string, string) (net.Listener, error) { return ln, nil },
			ReleaseWebsocketPayload: true, MaxWebsocketFramePayloadSize: maxMessage,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { upgrader.Upgrade(w, r, nil) }),
		})
		if err := engine.Start(); err != nil {
			return err
		}
		select {}
	},
}
