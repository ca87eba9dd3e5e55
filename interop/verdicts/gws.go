package main

import (
	"context"
	"net/http"

	"github.com/lxzan/gws"
)

var gwsPeer = peer{
	name:   "gws",
	module: "github.com/lxzan/gws",
	serve: echoHandler(func(w http.ResponseWriter, r *http.Request) (func(), error) {
		c, err := gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{
			ReadMaxPayloadSize: maxMessage, WriteMaxPayloadSize: maxMessage, CheckUtf8Enabled: true,
			PermessageDeflate: gwsDeflate(),
		}).Upgrade(w, r)
		return func() { c.ReadLoop() }, err
	}),
	dial: func(ctx context.Context, url string) error {
		c, _, err := gws.NewClient(gwsEcho{}, &gws.ClientOption{
			Addr: url, ReadMaxPayloadSize: maxMessage, WriteMaxPayloadSize: maxMessage, CheckUtf8Enabled: true,
			PermessageDeflate: gwsDeflate(),
			RequestHeader:     http.Header{"Sec-WebSocket-Protocol": {"chat, superchat"}},
		})
		if err != nil {
			return err
		}
		defer closing(ctx, c.NetConn())()
		c.ReadLoop()
		return nil
	},
}

func gwsDeflate() gws.PermessageDeflate {
	return gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true}
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnPing(c *gws.Conn, p []byte) { c.WritePong(p) }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}
