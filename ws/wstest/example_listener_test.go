//go:build !js

package wstest_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/wstest"
)

// A real server and a real handshake, without sockets. A test in a bubble gives
// both sides one ws.Engine of its own.
func ExampleListener() {
	l := wstest.Listen()
	engine := ws.NewEngine()
	srv := &http.Server{Handler: ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
		return c.Write(ctx, ws.Text, []byte("hello, "+c.RemoteAddr().String()))
	}, &ws.AcceptOptions{ConnOptions: ws.ConnOptions{Engine: engine}})}
	go srv.Serve(l)
	defer srv.Close()

	// The name localhost keeps proxies of the environment out of it.
	ctx := context.Background()
	c, _, err := ws.Dial(ctx, "ws://localhost/", &ws.DialOptions{
		ConnOptions: ws.ConnOptions{Engine: engine},
		NetDial:     l.DialContext,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, p, err := c.Read(ctx)
	fmt.Printf("%s, %v\n", p, err)
	_, _, err = c.Read(ctx)
	fmt.Println(ws.CloseStatus(err))
	// Output:
	// hello, client:1, <nil>
	// normal closure
}
