package servers

import (
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

var gwsServer = Server{
	Name: "gws", Title: "lxzan/gws", Note: "Upgrade, then ReadLoop on a goroutine; fan-out by its Broadcaster", Module: "github.com/lxzan/gws",
	Echo: true, Fanout: true, TLS: true, Deflate: true, Takeover: true,
	Serve: func(ln net.Listener, job Job) error {
		h := &gwsHandler{fanout: job.Fanout}
		upgrader := gws.NewUpgrader(h, &gws.ServerOption{
			ReadMaxPayloadSize: maxMessage, WriteMaxPayloadSize: maxMessage,
			PermessageDeflate: gws.PermessageDeflate{
				Enabled: job.Deflate, ServerContextTakeover: job.Takeover, ClientContextTakeover: job.Takeover,
				// Without these it demands windows of 12 bits, whatever the client offers.
				ServerMaxWindowBits: 15, ClientMaxWindowBits: 15,
			},
		})
		return serveHTTP(ln, job, func(w http.ResponseWriter, r *http.Request) {
			if c, err := upgrader.Upgrade(w, r); err == nil {
				go c.ReadLoop() // so that the memory of the request goes
			}
		})
	},
}

type gwsHandler struct {
	gws.BuiltinEventHandler
	hub[*gws.Conn]
	fanout bool
}

func (h *gwsHandler) OnOpen(c *gws.Conn) {
	if h.fanout {
		h.join(c)
	}
}

func (h *gwsHandler) OnClose(c *gws.Conn, _ error) {
	if h.fanout {
		h.leave(c)
	}
}

func (h *gwsHandler) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if !h.fanout {
		c.WriteMessage(m.Opcode, m.Bytes())
		return
	}
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	h.each(func(c *gws.Conn) { b.Broadcast(c) })
}
