//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/tidewire/tidewire/ws"
)

// A server without net/http looks at the request while it is parsed.
func ExampleUpgrade() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	options := &ws.UpgradeOptions{
		OnURI: func(uri []byte) error {
			if !bytes.HasPrefix(uri, []byte("/room/")) {
				return &ws.Refusal{Status: http.StatusNotFound, Body: "rooms are under /room/"}
			}
			return nil
		},
		Subprotocols: []string{"v2", "v1"},
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			c, err := ws.Upgrade(nc, options)
			if err != nil {
				continue // has been answered
			}
			c.Attach(ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
				c.Write(context.Background(), typ, p)
			}))
		}
	}()

	ctx := context.Background()
	_, resp, err := ws.Dial(ctx, "ws://"+ln.Addr().String()+"/lobby", nil)
	fmt.Println(resp.StatusCode, err != nil)

	c, _, err := ws.Dial(ctx, "ws://"+ln.Addr().String()+"/room/1", &ws.DialOptions{Subprotocols: []string{"v1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, ws.Text, []byte("echo"))
	_, p, _ := c.Read(ctx)
	fmt.Printf("%s %s\n", c.Subprotocol(), p)
	c.Close(ws.StatusNormalClosure, "")
	// Output:
	// 404 true
	// v1 echo
}
