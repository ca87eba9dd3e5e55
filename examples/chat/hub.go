package main

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/ws"
)

// message is all that travels, either way: type says which function gets data. Data
// is a plain string, or one that holds JSON where there is more than one thing to say.
type message struct {
	Type string `json:"type"`
	Data string `json:"data"`
}

// said is the data of a message "said".
type said struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// prepare encodes a message once, for however many it is sent to.
func prepare(typ, data string) *ws.Prepared {
	p, _ := json.Marshal(message{typ, data}) // two strings: cannot fail
	return ws.Prepare(ws.Text, p)
}

// hub knows who is there. Its mutex orders what is sent, so that all see the same
// messages in the same order.
type hub struct {
	places int

	mu      sync.Mutex
	conns   map[*ws.Conn]struct{} // all
	members map[*ws.Conn]string   // those who have said their name
}

func newHub(places int) *hub {
	return &hub{places: places, conns: map[*ws.Conn]struct{}{}, members: map[*ws.Conn]string{}}
}

// toAll sends to every member. Called with mu held, which is no danger: a write to an
// attached connection never waits, and whoever cannot be sent to is told of by Closed.
func (h *hub) toAll(typ, data string) {
	p := prepare(typ, data)
	for c := range h.members {
		c.WritePrepared(context.Background(), p)
	}
}

// beat sends heartbeats until ctx ends. Connections stay alive without it: the server
// pings by itself. But a page is not told of pings, and this is how it learns that
// its server is still there.
func (h *hub) beat(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			h.mu.Lock()
			h.toAll("heartbeat", every.String())
			h.mu.Unlock()
		}
	}
}

// member is a connection's handler. Its events come one at a time.
type member struct{ hub *hub }

// Opened lets the connection in if there is a place.
func (m *member) Opened(c *ws.Conn) {
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	m.hub.conns[c] = struct{}{}
	if len(m.hub.conns) > m.hub.places {
		c.Close(ws.StatusTryAgainLater, "the chat is full")
	}
}

// Closed tells the others.
func (m *member) Closed(c *ws.Conn, err error) {
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	delete(m.hub.conns, c)
	if name, ok := m.hub.members[c]; ok {
		delete(m.hub.members, c)
		m.hub.toAll("left", name)
	}
}

// types is the dispatch: a function for each type that a page sends. What it returns
// is what was wrong. They are called with the hub's mutex held.
var types = map[string]func(h *hub, c *ws.Conn, data string) (wrong string){
	"join": (*hub).join,
	"say":  (*hub).say,
}

// Message dispatches by type. A mistake is answered with "error", and only what is no
// message at all costs the connection.
func (m *member) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	var in message
	if typ != ws.Text || json.Unmarshal(p, &in) != nil {
		c.Close(ws.StatusUnsupportedData, `want text: {"type": "…", "data": "…"}`)
		return
	}
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	wrong := "no such type"
	if f := types[in.Type]; f != nil {
		wrong = f(m.hub, c, in.Data)
	}
	if wrong != "" {
		c.WritePrepared(context.Background(), prepare("error", wrong))
	}
}

func (h *hub) join(c *ws.Conn, name string) string {
	name = strings.TrimSpace(name)
	switch {
	case h.members[c] != "":
		return "you are here already"
	case name == "" || len(name) > 64:
		return "a name has 1 to 64 bytes"
	}
	h.members[c] = name
	h.toAll("joined", name)
	return ""
}

func (h *hub) say(c *ws.Conn, text string) string {
	name := h.members[c]
	switch {
	case name == "":
		return "join first"
	case strings.TrimSpace(text) == "":
		return "there is nothing in it"
	}
	data, _ := json.Marshal(said{name, text}) // two strings
	h.toAll("said", string(data))
	return ""
}
