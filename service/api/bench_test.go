package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/tidewire/tidewire/client"
	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/service/api"
)

// BenchmarkRooms asks for pages of 10,000 rooms.
func BenchmarkRooms(b *testing.B) {
	const many, sessions = 10_000, 100
	hub := live.NewHub(&live.Options{Limits: live.Limits{Rate: -1, AddressRate: -1, Rooms: many}})
	hub.ConfigureRooms("room:*", live.RoomOptions{})
	h, err := api.New(hub, key)
	if err != nil {
		b.Fatal(err)
	}
	s := httptest.NewServer(hub)
	defer s.Close()
	defer hub.Close()
	for n := range sessions {
		c, err := client.Dial(b.Context(), "ws"+s.URL[len("http"):], nil)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close(context.Background())
		for i := n; i < many; i += sessions {
			r, err := c.Room(fmt.Sprintf("room:%05d", i), nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := r.Join(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, query := range []string{"", "?limit=1000", "?after=room:05000&limit=100", "?prefix=room:0999"} {
		b.Run(query, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("GET", "/api/rooms"+query, nil)
				r.Header.Set("Authorization", "Bearer "+key)
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
