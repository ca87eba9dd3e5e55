//go:build !js

package ws_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/tidewire/tidewire/ws"
)

// A function that reads and writes until it is done, inside any http.Server.
func ExampleHTTPHandler() {
	h := ws.HTTPHandler(func(ctx context.Context, c *ws.Conn) error {
		for {
			var m struct{ Name string }
			if err := ws.JSON.Receive(ctx, c, &m); err != nil {
				return err
			}
			if err := ws.Plain.Send(ctx, c, "hello "+m.Name); err != nil {
				return err
			}
		}
	}, nil)
	s := httptest.NewServer(h)
	defer s.Close()

	ctx := context.Background()
	c, _, err := ws.Dial(ctx, s.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, ws.Text, []byte(`{"name": "ada"}`))
	_, p, err := c.Read(ctx)
	fmt.Printf("%s %v\n", p, err)
	fmt.Println(c.Close(ws.StatusNormalClosure, "bye"))
	// Output:
	// hello ada <nil>
	// <nil>
}
