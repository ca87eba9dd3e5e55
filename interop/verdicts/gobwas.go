package main

import (
	"context"
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// gobwasPeer is wsutil's way, which its README shows. wsflate is left out: messages go
// through wsutil there only in pieces that the user puts together.
var gobwasPeer = peer{
	name:   "gobwas",
	module: "github.com/gobwas/ws",
	serve: echoHandler(func(w http.ResponseWriter, r *http.Request) (func(), error) {
		c, _, _, err := ws.UpgradeHTTP(r, w)
		return func() { gobwasEcho(c, ws.StateServerSide) }, err
	}),
	dial: func(ctx context.Context, url string) error {
		d := ws.Dialer{Protocols: []string{"chat", "superchat"}}
		c, br, _, err := d.Dial(ctx, url)
		if err != nil {
			return err
		}
		defer closing(ctx, c)()
		if br != nil { // what came with the handshake
			c = &buffered{c, br}
		}
		gobwasEcho(c, ws.StateClientSide)
		return nil
	},
}

// buffered reads what the handshake has read too far.
type buffered struct {
	net.Conn
	br interface{ Read([]byte) (int, error) }
}

func (b *buffered) Read(p []byte) (int, error) { return b.br.Read(p) }

func gobwasEcho(c net.Conn, side ws.State) {
	defer c.Close()
	for {
		p, op, err := wsutil.ReadData(c, side)
		if err != nil || wsutil.WriteMessage(c, side, op, p) != nil {
			return
		}
	}
}
