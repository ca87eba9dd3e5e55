package live_test

import (
	"errors"
	"testing"

	"github.com/tidewire/tidewire/live"
	"github.com/tidewire/tidewire/live/protocol"
)

// The application reads a room's history as a client does, past CanJoin.
func TestRoomHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			h.ConfigureRooms("room:*", live.RoomOptions{History: 10})
			h.ConfigureRooms("loose:*", live.RoomOptions{})
		})
		r := k.hub.Room("room:7")
		for i := range 15 {
			if _, err := r.Publish(t.Context(), "n", i); err != nil {
				t.Fatal(err)
			}
		}
		page, err := r.History(t.Context(), 0, 3)
		if err != nil || len(page.Messages) != 3 || string(page.Messages[2].Data) != "14" || !page.More {
			t.Fatalf("the newest: %+v, %v", page, err)
		}
		page, err = r.History(t.Context(), page.Messages[0].Pos.Seq, 1000)
		if err != nil || len(page.Messages) != 7 || string(page.Messages[0].Data) != "5" || page.More {
			t.Fatalf("those before: %+v, %v", page, err)
		}
		for _, name := range []string{"loose:1", "room:*", "other", ""} {
			var e *protocol.Error
			if _, err := k.hub.Room(name).History(t.Context(), 0, 3); !errors.As(err, &e) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}
