package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/token"
	"github.com/tidewire/tidewire/service/webhook"
)

// The application: it knows users by a cookie, lets them be in rooms of their own, and has messages without bad words.
func receiver(secrets ...string) http.Handler {
	guard, err := webhook.NewGuard(0, secrets...)
	if err != nil {
		log.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			return
		}
		_, again, err := guard.Check(r.Header, body, time.Now())
		if err != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		var q struct {
			Event, User, Session, Room, Type string
			Headers                          map[string]string
			Data                             json.RawMessage
		}
		if err := json.Unmarshal(body, &q); err != nil {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		answer := map[string]any{"allow": true}
		switch {
		case q.Event == "connect" && q.Headers["cookie"] == "session=42": // as your login has it
			answer = map[string]any{"user": "ann", "rooms": []token.Grant{{Room: "chat:>", Can: []token.Permission{token.Watch}}}}
		case q.Event == "connect":
			answer = map[string]any{"error": map[string]string{"code": "unauthorized", "message": "log in"}}
		case q.Event == "join" && !strings.HasPrefix(q.Room, "chat:"+q.User):
			answer = map[string]any{"error": map[string]string{"code": "forbidden", "message": "not your room"}}
		case q.Event == "publish":
			answer["data"] = json.RawMessage(strings.ReplaceAll(string(q.Data), "damn", "d**n"))
		case q.Event == "disconnect" && !again: // an effect that must not be there twice
			log.Println(q.User, "has gone")
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	})
}

// A hub that asks an application, and a client that the application knows by its cookie.
func Example() {
	secret := webhook.NewSecret() // in a file, not in the program; the application has it too
	app := httptest.NewServer(receiver(secret))
	defer app.Close()
	quiet := slog.New(slog.DiscardHandler)

	verifier, err := token.New(token.Options{}) // without keys: it holds what the application allows
	if err != nil {
		log.Fatal(err)
	}
	hook, err := webhook.New(webhook.Options{
		URL: app.URL, Secrets: []string{secret}, Verifier: verifier, Logger: quiet,
		Events: []webhook.Event{webhook.Connect, webhook.Join, webhook.Publish},
	})
	if err != nil {
		log.Fatal(err)
	}
	hub := live.NewHub(&live.Options{
		Authenticate: hook.Authenticate(nil), // or verifier.Authenticate, to have tokens checked first
		Hooks:        &live.Hooks{Disconnected: hook.Disconnected}, Logger: quiet,
	})
	hub.ConfigureRooms("chat:>", live.RoomOptions{History: 100, CanJoin: hook.CanJoin, CanWatch: verifier.CanWatch})
	live.OnPublish(hub, "chat:>", hook.Publish)
	server := httptest.NewServer(hub)
	defer server.Close()
	defer hook.Close(context.Background()) // after the hub
	defer hub.Close()

	ctx := context.Background()
	o := &client.Options{}
	o.Header = http.Header{"Cookie": {"session=42"}}
	c, err := client.Dial(ctx, server.URL, o)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(ctx)
	said := make(chan string, 1)
	for _, name := range []string{"chat:ann:notes", "chat:bob"} {
		room, err := c.Room(name, nil)
		if err != nil {
			log.Fatal(err)
		}
		client.OnMessage(room, "text", func(_ context.Context, text string, _ client.Meta) { said <- text })
		if err := room.Join(ctx); err != nil {
			fmt.Println(err)
			continue
		}
		if _, err := room.Send(ctx, "text", "damn!"); err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, <-said)
	}
	// Output:
	// chat:ann:notes d**n!
	// client: join chat:bob: forbidden: not your room
}
