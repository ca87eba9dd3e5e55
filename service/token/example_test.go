package token_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/token"
)

// A hub whose sessions bring tokens that a login has made. The secret is known to both.
func Example() {
	secret := []byte("at least 32 bytes, from crypto/rand") // in a file, not in the program
	verifier, err := token.New(token.Options{
		Keys: []token.Key{{Secret: secret}}, Issuer: "login", Audience: "chat",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer verifier.Close()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	hub := live.NewHub(&live.Options{Authenticate: verifier.Authenticate, Logger: quiet})
	defer hub.Close()
	hub.ConfigureRooms("chat:*", live.RoomOptions{
		History: 100, CanJoin: verifier.CanJoin, CanPublish: verifier.CanPublish, CanWatch: verifier.CanWatch,
	})
	server := httptest.NewServer(hub) // or http.Handle("/live", hub)
	defer server.Close()

	// What the login does:
	login := func(user string) (string, error) {
		return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"iss": "login", "aud": "chat", "sub": user, "exp": time.Now().Add(time.Hour).Unix(),
			"rooms": []token.Grant{{Room: "chat:*", Can: []token.Permission{token.Join}}, {Room: "chat:" + user, Can: []token.Permission{token.Publish}}},
		}).SignedString(secret)
	}
	// What a client does:
	ctx := context.Background()
	c, err := client.Dial(ctx, server.URL, &client.Options{
		Token: func(context.Context, client.Reason) (string, error) { return login("ann") }, // asks the login by HTTP
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(ctx)
	for _, name := range []string{"chat:ann", "chat:bob"} {
		room, err := c.Room(name, nil)
		if err == nil {
			err = room.Join(ctx)
		}
		if err == nil {
			_, err = room.Send(ctx, "text", "hello")
		}
		var e *live.Error
		if errors.As(err, &e) {
			fmt.Println(name, e.Code)
		} else {
			fmt.Println(name, err)
		}
	}
	// Output:
	// chat:ann <nil>
	// chat:bob forbidden
}
