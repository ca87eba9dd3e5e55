package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// A chat in the way it is mostly written for gorilla: a hub that owns the list of
// members, and a read pump and a write pump for each of them.

const (
	writeWait  = 10 * time.Second
	pongWait   = 10 * time.Second
	pingPeriod = 20 * time.Millisecond // often, so that pings happen in between
)

var chatUpgrader = websocket.Upgrader{
	ReadBufferSize:  1024,
	WriteBufferSize: 1024,
	CheckOrigin:     func(r *http.Request) bool { return true },
}

type member struct {
	hub  *hub
	name string
	conn *websocket.Conn
	send chan []byte
}

type hub struct {
	stage     *stage
	join      chan *member
	leave     chan *member
	broadcast chan []byte
	quit      chan struct{}
}

func (h *hub) run() {
	var members []*member
	tell := func(p []byte) {
		for _, m := range members {
			select {
			case m.send <- p:
			default:
				h.stage.say("hub", "%s is too slow", m.name)
			}
		}
	}
	for {
		select {
		case m := <-h.join:
			members = append(members, m)
			h.stage.say("hub", "%s joins, %d are here", m.name, len(members))
		case m := <-h.leave:
			if i := slices.Index(members, m); i >= 0 {
				members = slices.Delete(members, i, i+1)
				close(m.send)
				h.stage.say("hub", "%s leaves, %d are here", m.name, len(members))
				tell([]byte(m.name + " is gone"))
			}
		case p := <-h.broadcast:
			tell(p)
		case <-h.quit:
			return
		}
	}
}

func (m *member) readPump() {
	defer func() {
		m.hub.leave <- m
		m.conn.Close()
	}()
	m.conn.SetReadLimit(512)
	m.conn.SetReadDeadline(time.Now().Add(pongWait))
	m.conn.SetPongHandler(func(string) error {
		return m.conn.SetReadDeadline(time.Now().Add(pongWait))
	})
	for {
		_, p, err := m.conn.ReadMessage()
		if err != nil {
			m.hub.stage.say(m.name+"'s pump", "%v, unexpected: %v", err,
				websocket.IsUnexpectedCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway))
			return
		}
		m.hub.broadcast <- fmt.Appendf(nil, "%s: %s", m.name, p)
	}
}

func (m *member) writePump() {
	ticker := time.NewTicker(pingPeriod)
	defer func() {
		ticker.Stop()
		m.conn.Close()
	}()
	for {
		select {
		case p, ok := <-m.send:
			m.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if !ok {
				m.conn.WriteMessage(websocket.CloseMessage, []byte{})
				return
			}
			w, err := m.conn.NextWriter(websocket.TextMessage)
			if err != nil {
				return
			}
			w.Write(p)
			w.Write([]byte("\n"))
			if err := w.Close(); err != nil {
				return
			}
		case <-ticker.C:
			m.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if err := m.conn.WriteMessage(websocket.PingMessage, nil); err != nil {
				return
			}
		}
	}
}

func serveChat(s *stage) {
	h := &hub{s, make(chan *member), make(chan *member), make(chan []byte), make(chan struct{})}
	over := make(chan struct{})
	go func() {
		h.run()
		close(over)
	}()
	s.listen(func(w http.ResponseWriter, r *http.Request) {
		conn, err := chatUpgrader.Upgrade(w, r, nil)
		if err != nil {
			s.say("server", "upgrade: %v", err)
			return
		}
		m := &member{h, strings.TrimPrefix(r.URL.Path, "/"), conn, make(chan []byte, 16)}
		h.join <- m
		pump := make(chan struct{})
		go func() {
			m.writePump()
			close(pump)
		}()
		m.readPump()
		<-pump
	})
	close(h.quit)
	<-over
}

func dialChat(s *stage) {
	names := []string{"alice", "bob", "carol"}
	var conns []*websocket.Conn
	hear := func(n int) {
		for i, c := range conns[:n] {
			c.SetReadDeadline(time.Now().Add(patience))
			typ, p, err := c.ReadMessage()
			s.say(names[i], "hears %d %q %v", typ, p, err)
		}
	}
	for i, name := range names {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/"+name, nil)
		if err != nil {
			s.say(name, "cannot come in: %v", err)
			return
		}
		defer c.Close()
		conns = append(conns, c)
		c.WriteMessage(websocket.TextMessage, []byte("hello"))
		hear(i + 1)
	}
	for round := range 20 {
		i := round % len(conns)
		if err := conns[i].WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "round %d", round)); err != nil {
			s.say(names[i], "cannot speak: %v", err)
		}
		hear(len(conns))
	}
	// Somebody leaves politely, somebody rudely, somebody talks too much.
	conns[2].WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "bye"))
	_, _, err := conns[2].ReadMessage()
	s.say("carol", "is told %v", err)
	hear(2)
	conns[1].WriteMessage(websocket.TextMessage, tide(513))
	_, _, err = conns[1].ReadMessage()
	s.say("bob", "is told %v", err)
	hear(1)
	conns[0].Close()
}
