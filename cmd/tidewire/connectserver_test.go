package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/deflate"
)

// connectPeers is a server with a peer of each kind for connect, by its path:
//
//	/echo          says everything again
//	/asked         says which headers it was asked with
//	/say/TEXT      says TEXT, and goes on as /echo
//	/flood         says the same as long as it can
//	/zeros         says three bytes of 0, 1 and 2
//	/close/CODE    closes
//	/cut           cuts the connection off when something comes
//	/cut/once      does so once, and is /echo from then on
//	/gone          closes without an answer
//	/status/CODE   refuses the handshake
//	/live          is connectHub
//	/redirect/N    leads to /echo by N redirects
func connectPeers(t testing.TB) (address string) {
	server := httptest.NewServer(connectHandler(t))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// connectHandler is what connectPeers serves.
func connectHandler(t testing.TB) http.Handler {
	cut := false
	mux := http.NewServeMux()
	accept := func(pattern string, f func(ctx context.Context, r *http.Request, c *ws.Conn) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, &ws.AcceptOptions{
				ConnOptions: ws.ConnOptions{Compression: &deflate.Options{}, MaxMessage: 32 << 20}, Subprotocols: []string{"chat"}, AnyOrigin: true,
			})
			if err != nil {
				return
			}
			defer c.CloseNow()
			if err := f(context.Background(), r, c); err == nil {
				c.Close(ws.StatusNormalClosure, "")
			}
		})
	}
	again := func(ctx context.Context, _ *http.Request, c *ws.Conn) error {
		for {
			typ, p, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if err := c.Write(ctx, typ, p); err != nil {
				return err
			}
		}
	}
	accept("/echo", again)
	mux.HandleFunc("/gone", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	accept("/asked", func(ctx context.Context, r *http.Request, c *ws.Conn) error {
		said := ""
		for _, name := range []string{"Authorization", "Origin", "X-Extra"} {
			said += fmt.Sprintf("%s=%s;", name, r.Header.Get(name))
		}
		return c.Write(ctx, ws.Text, []byte(said+"Host="+r.Host))
	})
	accept("/say/{text}", func(ctx context.Context, r *http.Request, c *ws.Conn) error {
		if err := c.Write(ctx, ws.Text, []byte(r.PathValue("text"))); err != nil {
			return err
		}
		return again(ctx, r, c)
	})
	accept("/flood", func(ctx context.Context, _ *http.Request, c *ws.Conn) error {
		for {
			if err := c.Write(ctx, ws.Text, bytes.Repeat([]byte("more "), 1000)); err != nil {
				return err
			}
		}
	})
	accept("/zeros", func(ctx context.Context, r *http.Request, c *ws.Conn) error {
		return c.Write(ctx, ws.Binary, []byte{0, 1, 2})
	})
	accept("/close/{code}", func(ctx context.Context, r *http.Request, c *ws.Conn) error {
		code, err := strconv.Atoi(r.PathValue("code"))
		if err == nil {
			err = c.Close(ws.StatusCode(code), "as asked")
		}
		return errors.Join(err, io.EOF)
	})
	accept("/cut", func(ctx context.Context, r *http.Request, c *ws.Conn) error {
		c.Read(ctx)
		return io.ErrUnexpectedEOF
	})
	accept("/cut/once", func(ctx context.Context, r *http.Request, c *ws.Conn) error {
		if !cut { // by one connection after the other
			cut = true
			c.Read(ctx)
			return io.ErrUnexpectedEOF
		}
		return again(ctx, r, c)
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.PathValue("code"))
		if err != nil {
			code = http.StatusTeapot
		}
		if code/100 == 3 {
			w.Header().Set("Location", "/echo")
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, "this is\nthe body of %d", code)
	})
	mux.Handle("/live", connectHub(t))
	mux.HandleFunc("/redirect/{left}", func(w http.ResponseWriter, r *http.Request) {
		to := "/echo"
		if left, _ := strconv.Atoi(r.PathValue("left")); left > 1 {
			to = fmt.Sprint("/redirect/", left-1)
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	return mux
}
