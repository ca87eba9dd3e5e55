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

func TestRoomStates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			h.ConfigureRooms("room:*", live.RoomOptions{History: 10})
			h.ConfigureRooms("loose:*", live.RoomOptions{})
		})
		a, b := k.dial(), k.dial()
		a.join("room:7")
		b.join("room:7")
		a.join("loose:1")
		pos, err := k.hub.Room("room:7").Publish(t.Context(), "n", 1)
		if err != nil {
			t.Fatal(err)
		}
		a.want(`{"type":"n"}`)
		all := k.hub.States()
		if len(all) != 2 || all[0] != (live.RoomState{Name: "loose:1", Members: 1}) || all[1] != (live.RoomState{Name: "room:7", Members: 2, Position: pos}) {
			t.Errorf("%+v", all)
		}
	})
}
