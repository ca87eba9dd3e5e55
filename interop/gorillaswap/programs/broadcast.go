package main

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// A ticker: each message is prepared once and sent to everybody, who may or may not
// have asked for compression.

const audience = 6

func serveBroadcast(s *stage) {
	upgrader := websocket.Upgrader{EnableCompression: true}
	var mu sync.Mutex
	var conns []*websocket.Conn
	sent := make(chan struct{})
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			s.say("server", "upgrade: %v", err)
			return
		}
		defer c.Close()
		switch r.URL.Query().Get("mood") {
		case "0":
			c.EnableWriteCompression(false)
		case "1":
			s.say(r.URL.RawQuery, "level 9: %v, level 10: %v", c.SetCompressionLevel(9), c.SetCompressionLevel(10) != nil)
		}
		mu.Lock()
		conns = append(conns, c)
		full := len(conns) == audience
		mu.Unlock()
		if full {
			broadcast(s, conns)
			close(sent)
		}
		<-sent
		_, _, err = c.ReadMessage()
		s.say(r.URL.RawQuery, "ends: %v", err)
	})
}

func broadcast(s *stage, conns []*websocket.Conn) {
	for _, m := range []struct {
		typ  int
		data []byte
	}{
		{websocket.TextMessage, nil},
		{websocket.TextMessage, tide(100)},
		{websocket.BinaryMessage, noise(5000)},
		{websocket.TextMessage, tide(200_000)},
		{websocket.PingMessage, []byte("ping for all")},
		{websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseServiceRestart, "back soon")},
	} {
		prepared, err := websocket.NewPreparedMessage(m.typ, m.data)
		if err != nil {
			s.say("server", "prepare: %v", err)
			return
		}
		for _, c := range conns {
			if err := c.WritePreparedMessage(prepared); err != nil {
				s.say("server", "write: %v", err)
			}
			if m.typ == websocket.TextMessage { // mixed with a message of its own
				if err := c.WriteMessage(websocket.TextMessage, tide(300)); err != nil {
					s.say("server", "write: %v", err)
				}
			}
		}
	}
	_, err := websocket.NewPreparedMessage(3, nil)
	s.say("server", "a message of type 3: %v", err != nil)
}

func dialBroadcast(s *stage) {
	var wg sync.WaitGroup
	for i := range audience {
		who := "?mood=" + string(rune('0'+i%3)) + "&seat=" + string(rune('0'+i))
		wg.Go(func() {
			d := websocket.Dialer{EnableCompression: i >= audience/2}
			c, _, err := d.Dial("ws://"+s.addr+"/"+who, nil)
			if err != nil {
				s.say(who, "dial: %v", err)
				return
			}
			defer c.Close()
			c.SetPingHandler(func(p string) error {
				s.say(who, "ping %q", p)
				return nil
			})
			for {
				typ, p, err := c.ReadMessage()
				if err != nil {
					s.say(who, "ends: %v", err)
					return
				}
				s.say(who, "%d %s", typ, sum(p))
			}
		})
	}
	wg.Wait()
}
