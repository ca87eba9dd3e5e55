package gallery

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/client"
)

const someKey = "0123456789abcdef"

// sail has a guest send its boat somewhere.
func sail(t *testing.T, c *client.Client, data any) (ordered, error) {
	t.Helper()
	return client.Call[any, ordered](t.Context(), c, "tracker.sail", data)
}

// to is an order as a page sends it.
func to(x, y float64) order { return order{someKey, point{x, y}} }

// latest returns what was last heard of each boat.
func latest(h *heard[boat]) map[string]boat {
	boats := map[string]boat{}
	for _, b := range h.all() {
		boats[b.ID] = b
	}
	return boats
}

// Who comes gets all boats at once, and then where they are twice a second; nothing is published while nobody looks.
func TestTracker(t *testing.T) {
	play(t, tracker, func(t *testing.T, th *theatre) {
		ann := th.visit("Ann")
		th.pass(time.Minute)
		if n := th.published.Load(); n > 0 {
			t.Fatalf("%d positions were published to nobody", n)
		}
		listen[boat](th, ann, trackerRoom, "boat")
		th.pass(10*time.Second + trackerEvery/2)
		if n := th.published.Load(); n != 8*21 {
			t.Errorf("%d positions in 10 seconds", n)
		}
		bob := th.visit("Bob")
		h := listen[boat](th, bob, trackerRoom, "boat")
		th.pass(0)
		if boats := latest(h); len(boats) != 8 || len(h.all()) != 8 {
			t.Errorf("who came late got %d positions of %d boats", len(h.all()), len(boats))
		}
		th.leave(ann)
		th.leave(bob)
		th.pass(time.Second)
		n, where := th.published.Load(), latest(h)
		th.pass(time.Hour)
		if th.published.Load() != n {
			t.Errorf("%d positions were published when all had gone", th.published.Load()-n)
		}
		h = listen[boat](th, th.visit("Ann"), trackerRoom, "boat")
		th.pass(0)
		for id, b := range latest(h) {
			if d := distance(b.point, where[id].point); d > 6 {
				t.Errorf("%s went %f far while nobody looked", b.Name, d)
			}
		}
	})
}

// A guest's boat goes where the guest sends it, under the guest's name, for all to see, around the islands; and goes when the guest
// has gone.
func TestGuestBoat(t *testing.T) {
	play(t, tracker, func(t *testing.T, th *theatre) {
		ann, bob := th.visit("<b>Ann</b>"), th.visit("Bob")
		h := listen[boat](th, bob, trackerRoom, "boat")
		mine, err := sail(t, ann, to(5, 5))
		if err != nil {
			t.Fatal(err)
		}
		th.pass(3 * time.Minute)
		b := latest(h)[mine.ID]
		if b.Name != "<b>Ann</b>" || !b.Guest || b.Speed != 0 || b.point != (point{5, 5}) {
			t.Errorf("%+v", b)
		}
		again, err := sail(t, ann, to(155, 95))
		if err != nil || again != mine {
			t.Errorf("%+v, %v", again, err)
		}
		th.pass(3 * time.Minute)
		last, s := b.point, newSea()
		for _, p := range h.all() {
			if p.ID != mine.ID || p.At <= b.At {
				continue
			}
			if d := distance(last, p.point); d > 9*10.0/3600*trackerPace/2+0.02 {
				t.Errorf("it went from %v to %v", last, p.point)
			}
			for i := range islands {
				if inside(islands[i].coast, p.point) {
					t.Errorf("it is on %s at %v", islands[i].name, p.point)
				}
			}
			last = p.point
		}
		if !s.water(last) || last != (point{155, 95}) {
			t.Errorf("it is at %v", last)
		}
		th.leave(ann)
		th.pass(guestAway - time.Second)
		if b := latest(h)[mine.ID]; time.Now().UnixMilli()-b.At > 1000 {
			t.Errorf("it is gone at once: %+v", b)
		}
		th.pass(10 * time.Second)
		if b = latest(h)[mine.ID]; time.Now().UnixMilli()-b.At < 8000 {
			t.Errorf("it is still there: %+v", b)
		}
		late := listen[boat](th, th.visit("Cleo"), trackerRoom, "boat")
		th.pass(0)
		if boats := latest(late); len(boats) != 8 {
			t.Errorf("who comes later gets %d boats", len(boats))
		}
	})
}

// Who was cut off and comes back in time has the same boat, where it is; who knows no key has another one.
func TestGuestBoatIsClaimed(t *testing.T) {
	play(t, tracker, func(t *testing.T, th *theatre) {
		h := listen[boat](th, th.visit("Bob"), trackerRoom, "boat")
		ann := th.visit("Ann")
		mine, err := sail(t, ann, to(5, 5))
		if err != nil {
			t.Fatal(err)
		}
		th.pass(20 * time.Second)
		was := latest(h)[mine.ID]
		th.leave(ann)
		th.pass(5 * time.Second)
		ann = th.visit("Anna")
		if again, err := sail(t, ann, to(5, 5)); err != nil || again != mine {
			t.Fatalf("%v, %v", again, err)
		}
		th.pass(20 * time.Second)
		if is := latest(h)[mine.ID]; is.Name != "Anna" || distance(is.point, was.point) > 9*10.0/3600*trackerPace*26 {
			t.Errorf("it was %+v, and is %+v", was, is)
		}
		other := order{strings.Repeat("x", 64), point{5, 5}}
		if same, err := sail(t, ann, other); err != nil || same != mine {
			t.Errorf("a session has a second boat: %v, %v", same, err)
		}
		if second, err := sail(t, th.visit("Mallory"), other); err != nil || second == mine {
			t.Errorf("a stranger has the same boat: %v, %v", second, err)
		}
		for _, b := range h.all() {
			if s := fmt.Sprintf("%+v", b); strings.Contains(s, someKey) {
				t.Fatalf("a key is published: %s", s)
			}
		}
	})
}

// What a guest may not do.
func TestTrackerRefuses(t *testing.T) {
	play(t, tracker, func(t *testing.T, th *theatre) {
		c := th.visit("Ann")
		h := listen[boat](th, c, trackerRoom, "boat")
		for _, tc := range []struct {
			data any
			code string
		}{
			{order{someKey, point{30, 30}}, "tracker.land"},
			{order{someKey, point{17, 20}}, "tracker.land"}, // shallows
			{order{someKey, point{-1, 5}}, "tracker.land"},
			{order{someKey, point{5, 100}}, "tracker.land"},
			{order{someKey, point{1e300, 5}}, "tracker.land"},
			{map[string]any{"key": someKey}, "tracker.land"},
			{order{"short", point{5, 5}}, "tracker.key"},
			{order{strings.Repeat("x", 65), point{5, 5}}, "tracker.key"},
			{map[string]any{"x": 5, "y": 5}, "tracker.key"},
			{map[string]any{"key": someKey, "x": "5", "y": 5}, "invalid"},
			{map[string]any{"key": 7, "x": 5, "y": 5}, "invalid"},
			{[]int{5, 5}, "invalid"},
			{"5,5", "invalid"},
			{nil, "tracker.key"},
		} {
			var refusal *client.Error
			if _, err := sail(t, c, tc.data); !errors.As(err, &refusal) || refusal.Code != tc.code {
				t.Errorf("%+v: %v, want %s", tc.data, err, tc.code)
			}
		}
		for _, typ := range []string{"boat", "other"} {
			var refusal *client.Error
			if _, err := h.room.Send(t.Context(), typ, boat{ID: "boat-1", point: point{5, 5}}); !errors.As(err, &refusal) || refusal.Code != "guest.read-only" {
				t.Errorf("publishing a %s: %v", typ, err)
			}
		}
		th.pass(time.Second)
		for _, b := range h.all() {
			if b.Guest || math.IsNaN(b.X) {
				t.Errorf("%+v", b)
			}
		}
	})
}

// There are only so many boats of guests at once.
func TestTrackerIsFull(t *testing.T) {
	play(t, tracker, func(t *testing.T, th *theatre) {
		var guests []*client.Client
		var refusal *client.Error
		key := func(i int) order { return order{fmt.Sprintf("%032d", i), point{5, 5}} }
		for i := range maxGuestBoat {
			guests = append(guests, th.visit(fmt.Sprint("guest ", i)))
			if _, err := sail(t, guests[i], key(i)); err != nil {
				t.Fatal(err)
			}
		}
		late := th.visit("late")
		h := listen[boat](th, late, trackerRoom, "boat")
		if _, err := sail(t, late, key(-1)); !errors.As(err, &refusal) || refusal.Code != "tracker.full" {
			t.Errorf("one too many: %v", err)
		}
		if _, err := sail(t, guests[7], key(7)); err != nil {
			t.Errorf("who is at sea goes elsewhere: %v", err)
		}
		th.pass(time.Second)
		if n := len(latest(h)); n != 8+maxGuestBoat {
			t.Errorf("%d boats are at sea", n)
		}
		th.leave(guests[3])
		th.pass(guestAway + 2*time.Second)
		if _, err := sail(t, late, key(-1)); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
	})
}
