//go:build !js

package ws_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/ws"
)

// shouter answers each message in capitals.
type shouter struct{ name string }

func (s shouter) Opened(c *ws.Conn) {
	c.Write(context.Background(), ws.Text, []byte("hello "+s.name))
}

func (s shouter) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	c.Write(context.Background(), typ, []byte(strings.ToUpper(string(p))))
}

func (s shouter) Closed(c *ws.Conn, err error) {}

// One port serves WebSocket connections, which are let in by a cookie and driven
// by events, and a page beside them.
func ExampleServer() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "a page") })
	srv := &ws.Server{
		HTTP: mux,
		Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
			user, ok := r.Cookie("user")
			if !ok {
				return nil, nil, &ws.Refusal{Status: http.StatusUnauthorized, Body: "log in first"}
			}
			return shouter{user}, nil, nil
		},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- srv.Serve(ln) }()

	ctx := context.Background()
	url := "http://" + ln.Addr().String()
	resp, err := http.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	page, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Printf("%s\n", page)

	_, resp, err = ws.Dial(ctx, url, nil)
	fmt.Println(resp.StatusCode, err != nil)

	c, _, err := ws.Dial(ctx, url, &ws.DialOptions{Header: http.Header{"Cookie": {"user=ada"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, ws.Text, []byte("is anybody there?"))
	for range 2 {
		_, p, _ := c.Read(ctx)
		fmt.Printf("%s\n", p)
	}

	go srv.Shutdown(ctx)
	_, _, err = c.Read(ctx)
	fmt.Println(ws.CloseStatus(err) == ws.StatusGoingAway)
	fmt.Println(<-served)
	// Output:
	// a page
	// 401 true
	// hello ada
	// IS ANYBODY THERE?
	// true
	// ws: Server closed
}
