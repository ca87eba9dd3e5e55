package main

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

var coderPeer = peer{
	name:   "coder",
	module: "github.com/coder/websocket",
	serve: echoHandler(func(w http.ResponseWriter, r *http.Request) (func(), error) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
		return func() { coderEcho(r.Context(), c) }, err
	}),
	dial: func(ctx context.Context, url string) error {
		c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
			CompressionMode: websocket.CompressionContextTakeover, Subprotocols: []string{"chat", "superchat"},
		})
		if err != nil {
			return err
		}
		coderEcho(ctx, c)
		return nil
	},
}

func coderEcho(ctx context.Context, c *websocket.Conn) {
	defer c.CloseNow()
	c.SetReadLimit(maxMessage)
	for {
		typ, p, err := c.Read(ctx)
		if err != nil || c.Write(ctx, typ, p) != nil {
			return
		}
	}
}
