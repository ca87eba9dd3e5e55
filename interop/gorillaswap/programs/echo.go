package main

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// An echo server that upgrades with compression, and a client that sends every kind
// of message and says goodbye.

func serveEcho(s *stage) {
	upgrader := websocket.Upgrader{EnableCompression: true, Subprotocols: []string{"echo.v2", "echo.v1"}}
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, http.Header{"X-Served-By": {"echo"}})
		if err != nil {
			s.say("server", "upgrade: %v", err)
			return
		}
		defer c.Close()
		s.say(r.URL.Path, "subprotocol %q, offered %q", c.Subprotocol(), websocket.Subprotocols(r))
		for {
			mt, message, err := c.ReadMessage()
			if err != nil {
				s.say(r.URL.Path, "read: %v", err)
				return
			}
			s.say(r.URL.Path, "%d %s", mt, sum(message))
			if err := c.WriteMessage(mt, message); err != nil {
				s.say(r.URL.Path, "write: %v", err)
				return
			}
		}
	})
}

func dialEcho(s *stage) {
	for path, dialer := range map[string]*websocket.Dialer{
		"/plain":      {HandshakeTimeout: patience},
		"/compressed": {EnableCompression: true, Subprotocols: []string{"echo.v1"}},
		"/small":      {WriteBufferSize: 64, ReadBufferSize: 64, Subprotocols: []string{"none", "echo.v1", "echo.v2"}},
	} {
		echoThrough(s, path, dialer)
	}
}

func echoThrough(s *stage, path string, dialer *websocket.Dialer) {
	c, resp, err := dialer.Dial("ws://"+s.addr+path, nil)
	if err != nil {
		s.say(path, "dial: %v", err)
		return
	}
	defer c.Close()
	s.say(path, "%s, served by %q, subprotocol %q", resp.Status, resp.Header.Get("X-Served-By"), c.Subprotocol())

	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			mt, message, err := c.ReadMessage()
			if err != nil {
				s.say(path+" receives", "read: %v, closed: %v", err, websocket.IsCloseError(err, websocket.CloseNormalClosure))
				return
			}
			s.say(path+" receives", "%d %s", mt, sum(message))
		}
	}()
	for _, n := range []int{0, 1, 125, 126, 4096, 65535, 65536, 300_000} {
		if err := c.WriteMessage(websocket.TextMessage, tide(n)); err != nil {
			s.say(path, "write: %v", err)
		}
		if err := c.WriteMessage(websocket.BinaryMessage, noise(n)); err != nil {
			s.say(path, "write: %v", err)
		}
	}
	err = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	s.say(path, "goodbye: %v", err)
	select {
	case <-done:
	case <-time.After(patience):
		s.say(path, "no answer to the goodbye")
	}
}
