package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/ws"
)

// The limits of the chat. Everything that a guest can make grow has one.
const (
	maxGuests    = 1000
	maxName      = 32   // characters
	maxText      = 2000 // characters
	maxKey       = 64   // bytes of the name that a page gives its message
	burst        = 30   // messages that a guest may send at once
	perSecond    = 5    // messages a second after that
	maxRefusals  = 100  // messages past the rate before the guest is sent away
	chatMessage  = 16 << 10
	chatQueue    = 256 << 10
	refuseGuests = "the chat is full; try again later"
)

// chatOptions closes, with 1013, a guest whose queue is full, so that WritePrepared
// never waits for a slow one. Other sites' pages stay outside: Origin is checked.
var chatOptions = ws.AcceptOptions{
	ConnOptions: ws.ConnOptions{
		MaxMessage:  chatMessage,
		WriteQueue:  chatQueue,
		QueuePolicy: ws.CloseSlow,
	},
}

// message is what both ends send: type says which function gets data.
type message struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

// person is a guest as the others see them.
type person struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// chat is one room for all who come. The mutex also orders what is sent: every
// guest sees the same messages in the same order.
type chat struct {
	heartbeat time.Duration
	room      int // how many guests fit in

	mu     sync.Mutex
	lastID int64
	open   int
	guests map[*guest]struct{} // who has said hello
}

func newChat(heartbeat time.Duration) *chat {
	return &chat{heartbeat: heartbeat, room: maxGuests, guests: map[*guest]struct{}{}}
}

// beat sends the heartbeat until ctx ends.
func (r *chat) beat(ctx context.Context) {
	ticker := time.NewTicker(r.heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			r.mu.Lock()
			r.toAll("heartbeat", map[string]int64{"at": now.UnixMilli()})
			r.mu.Unlock()
		}
	}
}

// toAll sends to everybody: encoded once, never waiting. Called with mu held.
func (r *chat) toAll(typ string, data any) {
	p := ws.Prepare(ws.Text, encode(typ, data))
	for g := range r.guests {
		g.conn.WritePrepared(context.Background(), p) // whom it fails for is told by Closed
	}
}

func encode(typ string, data any) []byte {
	p, err := json.Marshal(message{typ, data})
	if err != nil {
		panic(err) // a type of ours that has no JSON
	}
	return p
}

// guest is one connection to the chat, as its handler.
type guest struct {
	person
	chat     *chat
	conn     *ws.Conn
	here     bool // has said hello
	tokens   float64
	refilled time.Time
	refusals int
}

func (r *chat) newGuest() *guest {
	return &guest{chat: r, tokens: burst, refilled: time.Now()}
}

// Opened lets the guest in, if there is room.
func (g *guest) Opened(c *ws.Conn) {
	g.conn = c
	r := g.chat
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open++
	if r.open > r.room {
		c.Close(ws.StatusTryAgainLater, refuseGuests)
	}
}

// Closed tells the others.
func (g *guest) Closed(c *ws.Conn, err error) {
	r := g.chat
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
	if g.here {
		delete(r.guests, g)
		r.toAll("leave", g.person)
	}
}

// handlers is the server's end of the dispatch: one function for each type.
var handlers = map[string]func(g *guest, data []byte) error{
	"hello":  (*guest).hello,
	"rename": (*guest).rename,
	"say":    (*guest).say,
}

// Message dispatches by type. What cannot be done is answered with "refused".
func (g *guest) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	var m struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if typ != ws.Text || json.Unmarshal(p, &m) != nil {
		c.Close(ws.StatusUnsupportedData, `messages are JSON text: {"type": …, "data": …}`)
		return
	}
	r := g.chat
	r.mu.Lock()
	defer r.mu.Unlock()
	handle, ok := handlers[m.Type]
	err := error(nil)
	switch {
	case !g.allow(time.Now()):
		if g.refusals++; g.refusals > maxRefusals {
			c.Close(ws.StatusPolicyViolation, "too many messages")
			return
		}
		err = fmt.Errorf("too fast: %d messages a second are allowed", perSecond)
	case !ok:
		err = fmt.Errorf("there is no message type %.40q", m.Type)
	case !g.here && m.Type != "hello":
		err = errors.New("say hello first")
	default:
		err = handle(g, m.Data)
	}
	if err != nil {
		// The key tells the page which of its messages this is about.
		var about struct {
			Key string `json:"key"`
		}
		_ = json.Unmarshal(m.Data, &about)
		g.send("refused", map[string]string{"key": about.Key, "reason": err.Error()})
	}
}

// allow takes a token from the guest's bucket.
func (g *guest) allow(now time.Time) bool {
	g.tokens = min(burst, g.tokens+now.Sub(g.refilled).Seconds()*perSecond)
	g.refilled = now
	if g.tokens < 1 {
		return false
	}
	g.tokens--
	return true
}

func (g *guest) send(typ string, data any) {
	g.conn.Write(context.Background(), ws.Text, encode(typ, data))
}

// hello {name} brings the guest in.
func (g *guest) hello(data []byte) error {
	if g.here {
		return errors.New("you have said hello already")
	}
	name, err := parseName(data)
	if err != nil {
		return err
	}
	r := g.chat
	r.lastID++
	g.person = person{r.lastID, name}
	r.toAll("join", g.person)
	g.here = true
	r.guests[g] = struct{}{}
	members := make([]person, 0, len(r.guests))
	for other := range r.guests {
		members = append(members, other.person)
	}
	slices.SortFunc(members, func(a, b person) int { return cmp.Compare(a.ID, b.ID) })
	g.send("welcome", map[string]any{
		"id":        g.ID,
		"members":   members,
		"heartbeat": r.heartbeat.Milliseconds(),
	})
	return nil
}

// rename {name} changes the guest's name.
func (g *guest) rename(data []byte) error {
	name, err := parseName(data)
	if err != nil || name == g.Name {
		return err
	}
	was := g.Name
	g.Name = name
	g.chat.toAll("renamed", map[string]any{"id": g.ID, "name": name, "was": was})
	return nil
}

func parseName(data []byte) (string, error) {
	var d struct{ Name string }
	if json.Unmarshal(data, &d) != nil {
		return "", errors.New(`data must be {"name": …}`)
	}
	name := strings.TrimSpace(d.Name)
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName {
		return "", fmt.Errorf("a name has 1 to %d characters", maxName)
	}
	return name, nil
}

// say {text, key} goes to everybody, the sender included: that is the sender's
// confirmation, and key tells the sender which message it confirms.
func (g *guest) say(data []byte) error {
	var d struct{ Text, Key string }
	if json.Unmarshal(data, &d) != nil {
		return errors.New(`data must be {"text": …, "key": …}`)
	}
	if n := utf8.RuneCountInString(d.Text); n == 0 || n > maxText {
		return fmt.Errorf("a message has 1 to %d characters", maxText)
	}
	if len(d.Key) == 0 || len(d.Key) > maxKey {
		return fmt.Errorf("a key has 1 to %d bytes", maxKey)
	}
	g.chat.toAll("said", map[string]any{
		"id": g.ID, "name": g.Name, "text": d.Text, "key": d.Key, "at": time.Now().UnixMilli(),
	})
	return nil
}
