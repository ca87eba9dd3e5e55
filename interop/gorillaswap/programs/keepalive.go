package main

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// Keepalive the way gorilla's programs do it: pings on the clock, and a read
// deadline that each pong moves.

func serveKeepalive(s *stage) {
	upgrader := websocket.Upgrader{}
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			s.say("server", "upgrade: %v", err)
			return
		}
		defer c.Close()
		if r.URL.Path == "/client-pings" {
			answerPings(s, c)
			return
		}
		pongs := make(chan string, 1)
		ended := make(chan struct{})
		wait := patience
		if r.URL.Path == "/deaf" {
			wait = 200 * time.Millisecond // this one is bound to pass
		}
		c.SetReadDeadline(time.Now().Add(wait))
		c.SetPongHandler(func(p string) error {
			err := c.SetReadDeadline(time.Now().Add(patience))
			pongs <- p
			return err
		})
		go func() {
			defer close(ended)
			_, _, err := c.ReadMessage()
			var ne net.Error
			timeout := errors.As(err, &ne) && ne.Timeout()
			_, _, err2 := c.ReadMessage()
			s.say(r.URL.Path+" reader", "timeout: %v, the same again: %v", timeout, err2 == err)
			if !timeout {
				s.say(r.URL.Path+" reader", "read: %v", err)
			}
		}()
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for n := range 5 {
			<-ticker.C
			mark := string(rune('a' + n))
			if err := c.WriteControl(websocket.PingMessage, []byte(mark), time.Now().Add(patience)); err != nil {
				s.say(r.URL.Path, "ping: %v", err)
			}
			select {
			case p := <-pongs:
				s.say(r.URL.Path, "ping %s, pong %s", mark, p)
			case <-ended:
				s.say(r.URL.Path, "ping %s, no pong", mark)
				return
			}
		}
		c.SetReadDeadline(time.Now()) // ends the reader under way
		<-ended
	})
}

func answerPings(s *stage, c *websocket.Conn) {
	answer := c.PingHandler()
	c.SetPingHandler(func(p string) error {
		s.say("/client-pings", "ping %s", p)
		return answer(p)
	})
	_, _, err := c.ReadMessage()
	s.say("/client-pings", "read: %v", err)
}

func dialKeepalive(s *stage) {
	for path, handler := range map[string]func(*websocket.Conn) func(string) error{
		"/polite": func(*websocket.Conn) func(string) error { return nil },
		"/deaf":   func(*websocket.Conn) func(string) error { return func(string) error { return nil } },
		"/loud": func(c *websocket.Conn) func(string) error {
			return func(p string) error {
				s.say("/loud", "is pinged %s", p)
				// As a message, from inside the handler.
				return c.WriteMessage(websocket.PongMessage, []byte(p+p))
			}
		},
	} {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+path, nil)
		if err != nil {
			s.say(path, "dial: %v", err)
			continue
		}
		c.SetPingHandler(handler(c))
		c.SetReadDeadline(time.Now().Add(patience))
		_, _, err = c.ReadMessage()
		s.say(path, "read: %v", err)
		c.Close()
	}

	c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/client-pings", nil)
	if err != nil {
		s.say("client", "dial: %v", err)
		return
	}
	defer c.Close()
	pongs := 0
	c.SetPongHandler(func(p string) error {
		s.say("client", "pong %s", p)
		if pongs++; pongs == 3 {
			return c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "enough"))
		}
		return c.WriteControl(websocket.PingMessage, []byte("again"), time.Now().Add(patience))
	})
	s.say("client", "ping: %v", c.WriteControl(websocket.PingMessage, []byte("first"), time.Now().Add(patience)))
	_, _, err = c.ReadMessage()
	s.say("client", "read: %v", err)
}
