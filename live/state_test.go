package live_test

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/live"
)

func TestRoomStates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, func(h *live.Hub) {
			h.ConfigureRooms("room:*", live.RoomOptions{History: 60, HistoryAge: time.Hour})
			h.ConfigureRooms("loose:*", live.RoomOptions{})
		})
		a, b := k.dial(), k.dial()
		a.join("room:7")
		b.join("room:7")
		a.join("loose:1")
		all := k.hub.States()
		if len(all) != 2 || all[0] != (live.RoomState{Name: "loose:1", Members: 1}) || all[1].Horizon != time.Hour || all[1].Rate != 0 {
			t.Errorf("at first: %+v", all)
		}
		var pos live.Position
		for range 180 { // two a second
			var err error
			if pos, err = k.hub.Room("room:7").Publish(t.Context(), "n", 1); err != nil {
				t.Fatal(err)
			}
			a.want(`{"type":"n"}`)
			b.want(`{"type":"n"}`)
			time.Sleep(time.Second / 2)
		}
		room := k.hub.States()[1]
		if room.Name != "room:7" || room.Members != 2 || room.Position != pos || room.Healing {
			t.Errorf("%+v", room)
		}
		if math.Abs(room.Rate-2) > 0.15 || (room.Horizon-30*time.Second).Abs() > 3*time.Second {
			t.Errorf("2 messages a second, of which 60 are kept: %+v", room)
		}
		time.Sleep(20 * time.Minute)
		if room = k.hub.States()[1]; room.Rate != 0 || room.Horizon != time.Hour {
			t.Errorf("in peace: %+v", room)
		}
	})
}

// Everything that a hub counts is what was sent and received, also to those who read slowly.
func TestState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, &live.Options{Authenticate: func(_ context.Context, c live.Credentials) (live.Identity, error) {
			return live.Identity{User: c.Token}, nil
		}}, func(h *live.Hub) {
			h.ConfigureRooms("room:*", live.RoomOptions{History: 1000})
			live.On(h, "panic", func(context.Context, *live.Session, any) error { panic("on purpose") })
		})
		a, b := k.dial(), k.dial()
		ann := `{"type":"$hello","id":1,"data":{"token":"ann"}}`
		a.send("%s", ann)
		a.want(`{"type":"$ok"}`)
		b.send("%s", ann)
		b.want(`{"type":"$ok"}`)
		a.join("room:7")
		b.join("room:7")
		synctest.Wait()
		before := k.hub.State()
		if before.Sessions != 2 || before.Users != 1 || before.Rooms != 1 || before.Members != 2 || before.Healing != 0 || before.Degraded || before.Draining {
			t.Errorf("%+v", before)
		}
		if sessions := k.hub.Sessions(); len(sessions) != 2 || sessions[0].User() != "ann" || sessions[0].Queued() != 0 || time.Since(sessions[0].Began()) < 0 {
			t.Errorf("%v", sessions)
		}
		text := `{"type":"n","room":"room:7","mid":"m1","data":"` + long(100_000/2) + `"}`
		for range 20 { // the same mid: stored once
			a.send("%s", text)
			time.Sleep(time.Second)
		}
		a.want(`{"type":"n"}`)
		b.want(`{"type":"n"}`)
		after := k.hub.State()
		if n := after.MessagesIn - before.MessagesIn; n != 20 || after.BytesIn-before.BytesIn != int64(20*len(text)) {
			t.Errorf("%d messages and %d bytes came in", n, after.BytesIn-before.BytesIn)
		}
		if n := after.MessagesOut - before.MessagesOut; n != 2 || after.BytesOut-before.BytesOut < 100_000 || after.BytesOut-before.BytesOut > 100_500 {
			t.Errorf("%d messages and %d bytes went out", n, after.BytesOut-before.BytesOut)
		}
		if after.Recent == 0 || after.Publishing != 0 {
			t.Errorf("%+v", after)
		}
		const storm = 300
		for range storm { // more than b's queue holds
			if _, err := k.hub.Room("room:7").Publish(t.Context(), "n", long(10_000)); err != nil {
				t.Fatal(err)
			}
			a.want(`{"type":"n"}`)
		}
		for range storm {
			b.want(`{"type":"n"}`)
		}
		synctest.Wait()
		if n := k.hub.State().MessagesOut - after.MessagesOut; n < 2*storm || n > 2*storm+5 {
			t.Errorf("%d messages went out of %d", n, 2*storm)
		}
		b.send(`{"type":"panic"}`)
		b.closed()
		synctest.Wait()
		if s := k.hub.State(); s.Sessions != 1 || s.Users != 1 || s.Members != 1 || s.Panics != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A page has what all states have, filtered and cut off.
func TestStatesAfter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := newKit(t, nil, rooms(live.RoomOptions{History: 1}))
		c := k.dial()
		for _, n := range []int{7, 1, 30, 3, 12, 11, 2, 10} {
			c.join(fmt.Sprint("room:", n))
		}
		all := k.hub.States()
		if len(all) != 8 || all[0].Name != "room:1" || all[1].Name != "room:10" || all[7].Name != "room:7" || all[0].Members != 1 {
			t.Fatal(all)
		}
		for _, prefix := range []string{"", "r", "room:1", "room:30", "room:4", "s"} {
			for _, after := range []string{"", "a", "room:1", "room:11", "room:2x", "room:7", "z"} {
				for most := range 10 {
					var want []live.RoomState
					more := false
					for _, s := range all {
						if strings.HasPrefix(s.Name, prefix) && s.Name > after {
							if more = len(want) == most; more {
								break
							}
							want = append(want, s)
						}
					}
					page, gotMore := k.hub.StatesAfter(prefix, after, most)
					if !reflect.DeepEqual(page, want) || gotMore != more {
						t.Fatalf("%q, %q, %d: %v %v, want %v %v", prefix, after, most, page, gotMore, want, more)
					}
				}
			}
		}
	})
}

func TestWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		k := newKit(t, nil, func(h *live.Hub) {
			live.On(h, "slow", func(context.Context, *live.Session, any) error { <-release; return nil })
		})
		a := k.dial()
		for range 3 {
			a.send(`{"type":"slow"}`)
		}
		synctest.Wait()
		s := k.hub.Sessions()[0]
		if n := s.Waiting(); n != 2 { // and one is being handled
			t.Errorf("%d messages wait", n)
		}
		close(release)
		synctest.Wait()
		if n := s.Waiting(); n != 0 {
			t.Errorf("%d messages wait behind nobody", n)
		}
	})
}
