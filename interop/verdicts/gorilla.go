package main

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

var gorillaPeer = peer{
	name:   "gorilla",
	module: "github.com/gorilla/websocket",
	serve: echoHandler(func(w http.ResponseWriter, r *http.Request) (func(), error) {
		c, err := (&websocket.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
		return func() { gorillaEcho(c) }, err
	}),
	dial: func(ctx context.Context, url string) error {
		d := websocket.Dialer{EnableCompression: true, Subprotocols: []string{"chat", "superchat"}}
		c, _, err := d.DialContext(ctx, url, nil)
		if err != nil {
			return err
		}
		defer closing(ctx, c)()
		gorillaEcho(c)
		return nil
	},
}

// gorillaEcho checks text itself: the library leaves that to the application.
func gorillaEcho(c *websocket.Conn) {
	defer c.Close()
	c.SetReadLimit(maxMessage)
	for {
		typ, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		if typ == websocket.TextMessage && !utf8.Valid(p) {
			bad := websocket.FormatCloseMessage(websocket.CloseInvalidFramePayloadData, "")
			c.WriteControl(websocket.CloseMessage, bad, time.Now().Add(time.Second))
			return
		}
		if c.WriteMessage(typ, p) != nil {
			return
		}
	}
}
