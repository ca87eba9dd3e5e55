package servers

import (
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"github.com/olahol/melody"

	"github.com/tidewire/tidewire/live"
)

// The servers that have rooms speak as much of the live protocol as the load needs: a client joins
// a room, is answered, and from then on gets what is published there.

// liveServers are the hub of this repository, without a history, as the others have none, and with one.
var liveServers = []Server{
	{
		Name: "live", Title: "Tidewire live", Note: "Hub.Serve, rooms without history, slow members are closed", Ours: true, Live: true,
		Serve: func(ln net.Listener, _ Job) error { return serveHub(ln, live.RoomOptions{}) },
	},
	{
		Name: "live-history", Title: "Tidewire live, history", Note: "the same with a history of 100 messages a room, slow members catch up", Ours: true, Live: true,
		Serve: func(ln net.Listener, _ Job) error { return serveHub(ln, live.RoomOptions{History: 100}) },
	},
}

// serveHub is a hub that limits nobody's rate: the others do not either.
func serveHub(ln net.Listener, o live.RoomOptions) error {
	hub := live.NewHub(&live.Options{Limits: live.Limits{Rate: -1, AddressRate: -1, AddressSessions: -1}})
	hub.ConfigureRooms("room:*", o)
	return hub.Serve(ln)
}

// said is what a client says, as far as a hub without the rest of the protocol looks.
type said struct {
	Type string `json:"type"`
	ID   int    `json:"id"`
	Room string `json:"room"`
}

// answers are what who joins a room is told.
func (s said) answers() (all [][]byte) {
	for _, m := range []map[string]any{{"type": "$ok", "re": s.ID, "room": s.Room}, {"type": "$live", "room": s.Room}} {
		b, err := json.Marshal(m)
		if err != nil {
			panic(err) // names and numbers
		}
		all = append(all, b)
	}
	return all
}

// serveMelody has melody's sessions carry their room and broadcasts to those that match.
func serveMelody(ln net.Listener, job Job) error {
	m := melody.New()
	m.Config.MaxMessageSize = maxMessage
	m.HandleMessage(func(s *melody.Session, p []byte) {
		var msg said
		if json.Unmarshal(p, &msg) != nil {
			s.Close()
			return
		}
		if msg.Type == "$join" {
			s.Set("room", msg.Room)
			for _, a := range msg.answers() {
				s.Write(a)
			}
			return
		}
		m.BroadcastFilter(p, func(to *melody.Session) bool {
			room, _ := to.Get("room")
			return room == msg.Room
		})
	})
	return serveHTTP(ln, job, func(w http.ResponseWriter, r *http.Request) { m.HandleRequest(w, r) })
}

// gorillaHubServer is the hub that programs on gorilla/websocket write: one goroutine that has the
// rooms, and for each client one that reads and one that writes what its channel brings.
var gorillaHubServer = Server{
	Name: "gorilla-hub", Title: "gorilla/websocket, a hub by hand", Module: "github.com/gorilla/websocket", Live: true,
	Note: "a map of rooms in one goroutine, a channel of 256 and a goroutine that writes for each client, PreparedMessage",
	Serve: func(ln net.Listener, job Job) error {
		h := &gorillaHub{
			rooms: make(map[string]map[*gorillaClient]bool),
			joins: make(chan *gorillaClient), leaves: make(chan *gorillaClient), publishes: make(chan gorillaPublish),
		}
		go h.run()
		upgrader := websocket.Upgrader{}
		return serveHTTP(ln, job, func(w http.ResponseWriter, r *http.Request) {
			if c, err := upgrader.Upgrade(w, r, nil); err == nil {
				one := &gorillaClient{hub: h, conn: c, send: make(chan *websocket.PreparedMessage, 256)}
				go one.write()
				go one.read() // so that the memory of the request goes
			}
		})
	},
}

type gorillaHub struct {
	rooms         map[string]map[*gorillaClient]bool
	joins, leaves chan *gorillaClient
	publishes     chan gorillaPublish
}

type gorillaPublish struct {
	room    string
	message *websocket.PreparedMessage
}

type gorillaClient struct {
	hub  *gorillaHub
	conn *websocket.Conn
	send chan *websocket.PreparedMessage // closed by the hub, once the client was in a room
	room string
	join []*websocket.PreparedMessage // what it is told then
}

func (h *gorillaHub) run() {
	for {
		select {
		case c := <-h.joins:
			if h.rooms[c.room] == nil {
				h.rooms[c.room] = make(map[*gorillaClient]bool)
			}
			h.rooms[c.room][c] = true
			for _, m := range c.join {
				h.give(c, m)
			}
		case c := <-h.leaves:
			h.drop(c)
		case p := <-h.publishes:
			for c := range h.rooms[p.room] {
				h.give(c, p.message)
			}
		}
	}
}

// give hands a client a message, or drops one that does not read.
func (h *gorillaHub) give(c *gorillaClient, m *websocket.PreparedMessage) {
	select {
	case c.send <- m:
	default:
		h.drop(c)
	}
}

func (h *gorillaHub) drop(c *gorillaClient) {
	if !h.rooms[c.room][c] {
		return
	}
	close(c.send)
	if delete(h.rooms[c.room], c); len(h.rooms[c.room]) == 0 {
		delete(h.rooms, c.room)
	}
}

func (c *gorillaClient) read() {
	defer func() {
		if c.room != "" {
			c.hub.leaves <- c
		} else {
			close(c.send)
		}
		c.conn.Close()
	}()
	c.conn.SetReadLimit(maxMessage)
	c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) })
	for {
		typ, p, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		var msg said
		if json.Unmarshal(p, &msg) != nil {
			return
		}
		switch {
		case msg.Type != "$join":
			m, err := websocket.NewPreparedMessage(typ, p)
			if err != nil {
				return
			}
			c.hub.publishes <- gorillaPublish{msg.Room, m}
		case c.room == "":
			for _, a := range msg.answers() {
				m, err := websocket.NewPreparedMessage(websocket.TextMessage, a)
				if err != nil {
					return
				}
				c.join = append(c.join, m)
			}
			c.room = msg.Room
			c.hub.joins <- c
		}
	}
}

const (
	pongWait  = 60 * time.Second
	writeWait = 10 * time.Second
)

func (c *gorillaClient) write() {
	ticker := time.NewTicker(pongWait * 9 / 10)
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()
	for {
		select {
		case m, ok := <-c.send:
			if !ok {
				return
			}
			c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if c.conn.WritePreparedMessage(m) != nil {
				return
			}
		case <-ticker.C:
			c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if c.conn.WriteMessage(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}
