package gallery

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/live"
)

const (
	chatRooms = "chat:*"
	chatKept  = 200  // messages of a room
	maxText   = 2000 // characters
)

// said is a message of a chat. What a guest says has a Text; the rest is the server's.
type said struct {
	Text string `json:"text"`
	Name string `json:"name"`
	At   int64  `json:"at"` // milliseconds since 1970
}

// typing says that somebody is writing.
type typing struct {
	Name string `json:"name"`
}

// chat is rooms with history, for all who come. Whose a message is, its From says: no guest can write that.
func chat(hub *live.Hub) func(context.Context) {
	hub.ConfigureRooms(chatRooms, live.RoomOptions{History: chatKept, Presence: true, CanPublish: only("chat", "typing")})
	live.OnPublish(hub, chatRooms, func(_ context.Context, p *live.Publication[said]) error {
		text := p.Data.Text
		if strings.TrimSpace(text) == "" || utf8.RuneCountInString(text) > maxText {
			return &live.Error{Code: "chat.text", Message: fmt.Sprintf("a message has 1 to %d characters", maxText)}
		}
		p.Data = said{text, nameOf(p.Session), time.Now().UnixMilli()}
		p.Volatile = false // what is said is kept
		return nil
	}, "chat")
	live.OnPublish(hub, chatRooms, func(_ context.Context, p *live.Publication[typing]) error {
		p.Data = typing{nameOf(p.Session)}
		p.Volatile = true
		return nil
	}, "typing")
	return nil
}
