package main

import (
	"context"
	"strings"

	"golang.org/x/net/websocket"
)

var xnetPeer = peer{
	name:   "x/net",
	module: "golang.org/x/net",
	serve: func() (string, func(), error) {
		// A Server without a Handshake lets clients connect that send no Origin.
		return serveHTTP(websocket.Server{Handler: xnetEcho})
	},
	dial: func(ctx context.Context, url string) error {
		cfg, err := websocket.NewConfig(url, "http"+strings.TrimPrefix(url, "ws"))
		if err != nil {
			return err
		}
		cfg.Protocol = []string{"chat", "superchat"}
		c, err := cfg.DialContext(ctx)
		if err != nil {
			return err
		}
		defer closing(ctx, c)()
		xnetEcho(c)
		return nil
	},
}

// xnetRaw gives the type and the payload of each frame.
var xnetRaw = websocket.Codec{
	Marshal: func(v any) ([]byte, byte, error) {
		m := v.(xnetFrame)
		return m.p, m.typ, nil
	},
	Unmarshal: func(p []byte, typ byte, v any) error {
		*v.(*xnetFrame) = xnetFrame{typ, p}
		return nil
	},
}

type xnetFrame struct {
	typ byte
	p   []byte
}

func xnetEcho(c *websocket.Conn) {
	defer c.Close()
	c.MaxPayloadBytes = maxMessage
	for {
		var m xnetFrame
		if xnetRaw.Receive(c, &m) != nil || xnetRaw.Send(c, m) != nil {
			return
		}
	}
}
