//go:build !js

package wstest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/ws"
	"github.com/tidewire/tidewire/ws/frame"
	"github.com/tidewire/tidewire/ws/wstest"
)

// TestListenerServesWebSocket goes through every door of a server in a bubble,
// over a network that delivers byte by byte and slowly.
func TestListenerServesWebSocket(t *testing.T) {
	echoing := func(engine *ws.Engine) *ws.AcceptOptions {
		return &ws.AcceptOptions{ConnOptions: ws.ConnOptions{Engine: engine}, Subprotocols: []string{"tide"}}
	}
	doors := map[string]func(*ws.Engine) http.Handler{
		"Accept": func(e *ws.Engine) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c, err := ws.Accept(w, r, echoing(e)); err == nil {
					echo(c)
				}
			})
		},
		"HTTPHandler": func(e *ws.Engine) http.Handler {
			return ws.HTTPHandler(func(_ context.Context, c *ws.Conn) error { echo(c); return nil }, echoing(e))
		},
	}
	for name, door := range doors {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := ws.NewEngine()
				var sent wstest.Recorder
				slow := wstest.Faults{Chunk: 1, Delay: time.Millisecond}
				l := wstest.Listen(wstest.PipeOptions{Faults: slow, Tap: sent.Tap}, wstest.PipeOptions{Faults: slow})
				srv := &http.Server{Handler: door(engine)}
				served := make(chan error)
				go func() { served <- srv.Serve(l) }()

				start := time.Now()
				c, _, err := ws.Dial(t.Context(), "ws://localhost/", &ws.DialOptions{
					ConnOptions: ws.ConnOptions{Engine: engine}, NetDial: l.DialContext, Subprotocols: []string{"tide"},
				})
				if err != nil {
					t.Fatal(err)
				}
				if c.Subprotocol() != "tide" {
					t.Errorf("subprotocol %q", c.Subprotocol())
				}
				if time.Since(start) < 100*time.Millisecond {
					t.Errorf("a handshake of some hundred slow bytes took %v", time.Since(start))
				}
				if err := c.Write(t.Context(), ws.Text, []byte("hello")); err != nil {
					t.Fatal(err)
				}
				_, p, err := c.Read(t.Context())
				if string(p) != "hello" || err != nil {
					t.Errorf("Read: %q, %v", p, err)
				}
				if err := c.Close(ws.StatusNormalClosure, ""); err != nil {
					t.Errorf("Close: %v", err)
				}
				frames, err := sent.Frames()
				if len(frames) != 2 || err != nil || frames[0].Opcode != frame.Text || frames[1].Opcode != frame.Close {
					t.Errorf("frames %v, %v", frames, err)
				}
				if err := srv.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if err := <-served; err != http.ErrServerClosed {
					t.Error(err)
				}
			})
		})
	}
}

// TestListenerServesAServer has a ws.Server drain in a bubble.
func TestListenerServesAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := ws.NewEngine()
		l := wstest.Listen(wstest.PipeOptions{Faults: wstest.Faults{Chunk: 1}})
		srv := &ws.Server{
			Engine: engine,
			Accept: func(r *ws.Request) (ws.Handler, *ws.AcceptOptions, error) {
				return ws.HandlerFunc(func(c *ws.Conn, typ ws.MessageType, p []byte) {
					c.Write(context.Background(), typ, p)
				}), nil, nil
			},
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(l) }()
		c, _, err := ws.Dial(t.Context(), "ws://localhost/room", &ws.DialOptions{
			ConnOptions: ws.ConnOptions{Engine: engine}, NetDial: l.DialContext,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Write(t.Context(), ws.Binary, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(t.Context()); len(p) != 1000 || err != nil {
			t.Errorf("Read: %d bytes, %v", len(p), err)
		}
		down := make(chan error, 1)
		go func() { down <- srv.Shutdown(t.Context()) }()
		if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.StatusGoingAway {
			t.Errorf("Read while the server drains: %v", err)
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, ws.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestListenerStallsAHandshake has Dial give up on a server that never answers.
func TestListenerStallsAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Listen(wstest.PipeOptions{}, wstest.PipeOptions{Faults: wstest.Faults{Stall: true}})
		srv := &http.Server{Handler: http.NotFoundHandler()}
		go srv.Serve(l)
		defer srv.Close()
		start := time.Now()
		_, _, err := ws.Dial(t.Context(), "ws://localhost/", &ws.DialOptions{NetDial: l.DialContext})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "HandshakeTimeout") {
			t.Errorf("Dial: %v", err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("Dial gave up after %v", d)
		}
	})
}
