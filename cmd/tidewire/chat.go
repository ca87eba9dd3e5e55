package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/ws"
)

// The limits of the chat. Everything that a guest can make grow has one.
const (
	maxGuests   = 1000
	maxName     = 32   // characters
	maxText     = 2000 // characters
	burst       = 30   // messages that a guest may send at once
	perSecond   = 5    // messages a second after that
	maxRefusals = 100  // messages past the rate before the guest is sent away
	kept        = 100  // messages of a room, for those who come and come back
	chatRooms   = "room:*"
)

// said is the data of a "chat" message. There are no accounts: a guest has the name
// that it says it has. At is the server's, in milliseconds since 1970.
type said struct {
	Name string `json:"name"`
	Text string `json:"text"`
	At   int64  `json:"at"`
}

// chat is rooms for all who come. Other sites' pages stay outside: Origin is checked.
type chat struct {
	hub    *live.Hub
	people *people
}

func newChat(log *slog.Logger) *chat {
	c := &chat{people: newPeople()}
	c.hub = live.NewHub(&live.Options{
		Accept:      ws.AcceptOptions{ConnOptions: ws.ConnOptions{MaxMessage: 16 << 10}},
		Limits:      live.Limits{Sessions: maxGuests, Rate: perSecond, Burst: burst, Faults: maxRefusals},
		BackoffMax:  5 * time.Second,
		DrainWindow: time.Second,
		Hooks:       &live.Hooks{Disconnected: func(s *live.Session, _ error) { c.people.leave(s) }},
		Logger:      log,
	})
	c.hub.ConfigureRooms(chatRooms, live.RoomOptions{
		History: kept,
		CanPublish: func(_ context.Context, _ *live.Session, _, typ string) error {
			if typ != "chat" {
				return &live.Error{Code: "chat.type", Message: `guests publish messages of the type "chat" only`}
			}
			return nil
		},
	})
	live.OnPublish(c.hub, chatRooms, say, "chat")
	live.On(c.hub, "here", c.people.here)
	return c
}

// say checks what a guest says, and puts the time to it.
func say(_ context.Context, p *live.Publication[said]) (err error) {
	if p.Data.Name, err = guestName(p.Data.Name); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(p.Data.Text); n == 0 || n > maxText {
		return &live.Error{Code: "chat.text", Message: fmt.Sprintf("a message has 1 to %d characters", maxText)}
	}
	p.Data.At = time.Now().UnixMilli()
	p.Volatile = false // what is said is kept
	return nil
}

// guestName returns a name without the space around it, or says why it is none.
func guestName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName {
		return "", &live.Error{Code: "chat.name", Message: fmt.Sprintf("a name has 1 to %d characters", maxName)}
	}
	return name, nil
}
