package main

import (
	"context"
	"net"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

var ours = peer{
	name:   "Tidewire",
	module: "github.com/tidewire/tidewire",
	serve: func() (string, func(), error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", nil, err
		}
		srv := &ws.Server{Accept: func(*ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			return echo{}, &ws.AcceptOptions{ConnOptions: ourOptions()}, nil
		}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			srv.Serve(ln)
		}()
		return "ws://" + ln.Addr().String() + "/", func() {
			srv.Close()
			<-done
		}, nil
	},
	dial: func(ctx context.Context, url string) error {
		c, _, err := ws.Dial(ctx, url, &ws.DialOptions{ConnOptions: ourOptions(), Subprotocols: []string{"chat", "superchat"}})
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { c.CloseNow() })()
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return err
			}
			if err := c.Write(context.Background(), m.Type, m.Data); err != nil {
				return err
			}
		}
		return nil
	},
}

func ourOptions() ws.ConnOptions {
	return ws.ConnOptions{MaxMessage: maxMessage, WriteQueue: 2 * maxMessage, Compression: &deflate.Options{}}
}

type echo struct{}

func (echo) Opened(*ws.Conn) {}
func (echo) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	c.Write(context.Background(), typ, p)
}
func (echo) Closed(*ws.Conn, error) {}
